"""The road of a tally: the second stage counts answers in the windows of segments, and makes their scores."""

from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from schemas.emitted import emitted
from schemas.scores import Scores, SmoothedScore, SuspectGaming, SuspectScale, TrendScore
from worker.detect.scales import HIGHEST, LOWEST, answers_on_short_scale
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Record
from worker.flow.dead_letter import dead_letter_in_place, not_a_message
from worker.flow.ids import make_id
from worker.flow.messages import gaming_flag, tally, tick
from worker.flow.messages.hourly_report import HourlyReport
from worker.flow.messages.hourly_report import outputs as hourly_reports
from worker.flow.messages.tally import Tally
from worker.flow.policy import IntakePolicy, SegmentPolicy
from worker.flow.timestamps import LATEST, from_ms, rfc3339
from worker.flow.window_score import window_score
from worker.lineage import source_of, survey_of
from worker.nps.histogram import counts
from worker.nps.jump import Jump
from worker.nps.people import People
from worker.nps.segment import Entries, Segment
from worker.nps.usage import LeftOut, Usage
from worker.nps.windows import DAY, HOUR

_Scores, _SmoothedScore = emitted(Scores), emitted(SmoothedScore)
_TrendScore, _SuspectGaming, _SuspectScale = emitted(TrendScore), emitted(SuspectGaming), emitted(SuspectScale)

#: The key of the row that says when the last tick was, and which answer was last left out. No path has a NUL. This row
#: is a Segment, since earlier versions read every row as one.
CLOCK = b"\x00clock"
#: The number of segments that are decided and written together. A tick may concern all segments, and other work has its
#: turn after each slice.
SLICE = 250
#: The default of how many segments and surveys there may be, in all partitions together.
MOST = SegmentPolicy().most
_INTAKE = IntakePolicy()

#: Encodes a segment's row.
encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Segment).decode


class _Messages:
    """The messages of a batch, by segment."""

    def __init__(self, records: Iterable[Record], intake: IntakePolicy) -> None:
        #: Dead letters about records that are not messages of the worker.
        self.dead_letters: list[Output] = []
        #: Entries by the segment's path, then by the partition of their responses.
        self.entries: dict[str, dict[int, list[Entries]]] = {}
        #: When a segment's entries last arrived, by Kafka's time in ms.
        self.arrived_at: dict[str, int] = {}
        #: Gaming flags by the segment's path.
        self.flags: dict[str, Jump | None] = {}
        #: The time of the last tick, in ms; None if the batch has none.
        self.tick: int | None = None
        #: The latest Kafka time of the records, in ms.
        self.now = 0
        for record in records:
            self.now = max(self.now, record.timestamp)
            try:
                self._take(record)
            except Rejected as rejected:
                self.dead_letters.append(dead_letter_in_place(record, rejected, intake))

    def _take(self, record: Record) -> None:
        if record.key == tick.KEY:
            if record.value is None or not 0 <= record.timestamp <= LATEST:
                raise not_a_message("tick")
            self.tick = max(self.tick or 0, record.timestamp)
        elif record.key == gaming_flag.KEY:
            flag = gaming_flag.read(record.value)
            self.flags[flag.path] = flag.jump
        else:
            self._take_tally(tally.read(record.value), min(max(record.timestamp, 0), LATEST))

    def _take_tally(self, message: Tally, arrived_at: int) -> None:
        for path, entries in message.segments.items():
            self.arrived_at[path] = arrived_at
            by_source = self.entries.get(path)
            if by_source is None:
                by_source = self.entries[path] = {}
            by_source.setdefault(message.source, []).append(entries)

    def change(self, path: str, segment: Segment) -> bool:
        """Apply the messages about a segment to its row. Say whether its scores may have changed."""
        is_new = False
        if path in self.entries:
            self._note_people_since(path, segment)
            if segment.count(self.entries[path]):
                segment.last_arrival, is_new = self.now // HOUR, True
        if path in self.flags and self.flags[path] != segment.jump:
            segment.jump, is_new = self.flags[path], True
        return is_new if self.tick is None else segment.tick(self.tick) or is_new

    def _note_people_since(self, path: str, segment: Segment) -> None:
        """Note since when a segment is counted by customer: tallies of earlier versions do not say who answered."""
        is_without = any(entries.people is None for each in self.entries[path].values() for entries in each)
        if segment.people is None or is_without:
            since = self.now // DAY
            segment.people = (
                People(since) if segment.people is None else msgspec.structs.replace(segment.people, since=since)
            )


class _Peek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of a segment's row, of which only `due` is decoded, since each tick reads it in every row."""

    marks: msgspec.Raw
    total: msgspec.Raw
    latest: msgspec.Raw
    spans: msgspec.Raw
    unreported: msgspec.Raw
    jump: msgspec.Raw = msgspec.Raw()
    due: int = 0


_peek = msgspec.msgpack.Decoder(_Peek).decode


class _Batch:
    """A batch of one partition of segments that is decided in slices. Each slice is written before the next one.

    If the worker crashes between two slices, the whole batch is read again. Then the rows that were written say what
    they have counted and reported, so nothing is counted or reported twice.
    """

    def __init__(self, messages: _Messages, rows: Mapping[bytes, bytes], partition: int, most: int) -> None:
        self._rows = rows
        self._partition = partition
        self._messages = messages
        clock = Segment() if CLOCK not in rows else _decode(rows[CLOCK])
        self._last_tick = clock.last_tick
        #: The last answer that was left out, as far as it is known, and as far as it is written.
        self._left_out = self._written_left_out = clock.left_out
        self._segments = len(rows) - (CLOCK in rows)
        self._most = most
        #: What the slice has left out so far, and the surveys that it has found on another scale.
        self._segments_left_out = 0
        self._on_short_scale: list[str] = []
        self._paths = iter(dict.fromkeys((*self._messages.entries, *self._messages.flags, *self._due())))

    def _due(self) -> list[str]:
        """Return the paths of the segments that the batch's tick changes."""
        if self._messages.tick is None:
            return []
        hour = self._messages.tick // HOUR
        return [key.decode() for key, row in self._rows.items() if _peek(row).due <= hour and key != CLOCK]

    def next(self) -> Decided:
        """Decide the next slice, and return what it causes."""
        outputs, self._messages.dead_letters = self._messages.dead_letters, []
        changed: dict[bytes, bytes | None] = {}
        reported: dict[str, bytes] = {}
        paths = list(islice(self._paths, SLICE))
        for path in paths:
            self._decide(path, outputs, changed, reported)
        is_last = len(paths) < SLICE
        # The tick is over once every segment that it concerns is decided.
        ended_tick = self._messages.tick if is_last else None
        if ended_tick is not None or self._left_out != self._written_left_out:
            # The last answer that was left out is written with the slice that has found it: after a crash, the batch
            # that is decided next may be another one.
            changed[CLOCK] = encode(Segment(last_tick=max(self._last_tick, ended_tick or 0), left_out=self._left_out))
            self._written_left_out = self._left_out
        usage = None if ended_tick is None else Usage(self._segments, self._most, self._left_out)
        outputs += hourly_reports(HourlyReport(self._partition, reported, ended_tick, usage))
        left_out, self._segments_left_out = self._segments_left_out, 0
        surveys, self._on_short_scale = tuple(self._on_short_scale), []
        rest = None if is_last else self.next
        return Decided(outputs, changed, {}, rest=rest, segments_left_out=left_out, on_short_scale=surveys)

    def _decide(
        self, path: str, outputs: list[Output], changed: dict[bytes, bytes | None], reported: dict[str, bytes]
    ) -> None:
        """Decide about one segment: add to the outputs, the changed rows, and the hours to report."""
        key, tick_time = path.encode(), self._messages.tick
        row = self._rows.get(key)
        if row is None:
            if path not in self._messages.entries:
                return
            if self._segments >= self._most and path:
                self._leave_out(path)
                return
            segment = Segment(last_tick=self._last_tick, people=People())
        else:
            segment = _read(row)
            segment.catch_up(self._last_tick)
        is_new = self._messages.change(path, segment)
        if hours := segment.report_hours(tick_time):
            reported[path] = hours
        if tick_time is not None and segment.can_be_forgotten(tick_time):
            changed[key] = None
            self._segments -= row is not None
            if source_of(path) is None:
                outputs.append(Output(events.SCORES, key, None))
        elif is_new or hours:
            self._note_short_scale(path, segment)
            segment.due = segment.next_change
            changed[key] = encode(segment)
            self._segments += row is None
            # A source has no scores: it is only counted in order to notice when nothing comes from it any more.
            if is_new and source_of(path) is None:
                outputs.append(_scores(key, segment))

    def _leave_out(self, path: str) -> None:
        """Note that there was no room for a segment. The first one of each hour is remembered."""
        self._segments_left_out += 1
        hour = self._messages.arrived_at[path] // HOUR
        if hour and (self._left_out is None or hour > self._left_out.hour):
            self._left_out = LeftOut(hour, path)

    def _note_short_scale(self, path: str, segment: Segment) -> None:
        """Note that a survey's answers look as if they were given on another scale. This is noted once in a row."""
        survey_id = survey_of(path)
        if survey_id is not None and not segment.scale_reported and answers_on_short_scale(segment.total):
            segment.scale_reported = True
            self._on_short_scale.append(survey_id)


def count(
    records: Iterable[Record],
    rows: Mapping[bytes, bytes],
    partition: int,
    most: int = MOST,
    intake: IntakePolicy = _INTAKE,
) -> Decided:
    """Count a batch of tallies, apply its ticks and gaming flags, and return what its first slice causes.

    `rows`: of the partition's segments; `partition`: of the segments; `most`: how many segments and surveys the
    partition may have. An answer to a further segment counts for its ancestors only. A record that is not one of the
    worker's own messages becomes a dead letter, as `intake` says.
    """
    return _Batch(_Messages(records, intake), rows, partition, most).next()


def scores(key: bytes, row: bytes | None) -> Output:
    """Return the scores that follow from a segment's row, which are the same event as when the row was written.

    Without a row the value is null, as it is when a segment is forgotten. A source has no scores.
    """
    if row is None or source_of(key.decode()) is not None:
        return Output(events.SCORES, key, None)
    return _scores(key, _read(row))


def _read(row: bytes) -> Segment:
    segment = _decode(row)
    segment.spans.refit()
    return segment


def _scores(key: bytes, segment: Segment) -> Output:
    path = key.decode()
    until, survey_id = segment.spans.until or 0, survey_of(path)
    indicator = segment.spans.indicator()
    on_short_scale = 0 if survey_id is None else answers_on_short_scale(segment.total)
    body = _Scores(
        segment=path,
        as_of=from_ms(until),
        histogram=segment.total,
        windows={name: window_score(*counts(histogram)) for name, histogram in segment.windows().items()},
        smoothed=None
        if indicator is None
        else _SmoothedScore(
            nps=indicator.smoothed.nps,
            low=indicator.smoothed.low,
            high=indicator.smoothed.high,
            n_eff=indicator.smoothed.n_eff,
            half_life_days=indicator.smoothed.half_life,
        ),
        trend=None
        if indicator is None or indicator.trend is None
        else _TrendScore(
            direction=indicator.trend.direction,
            change=indicator.trend.change,
            low=indicator.trend.low,
            high=indicator.trend.high,
        ),
        survey_id=survey_id,
        suspect_gaming=None
        if segment.jump is None
        else _SuspectGaming(
            reason="promoters_jumped_here_alone",
            since=from_ms(segment.jump.since * HOUR),
            n=segment.jump.n,
            promoters_before=segment.jump.share_before,
            promoters_since=segment.jump.share_since,
            beside_before=segment.jump.others_before,
            beside_since=segment.jump.others_since,
        ),
        latest_per_customer=None
        if segment.people is None
        else {name: window_score(*classes) for name, classes in segment.people.windows(until).items()} or None,
        suspect_scale=_SuspectScale(lowest=LOWEST, highest=HIGHEST, n=on_short_scale) if on_short_scale else None,
    )
    marks = (f"{source}:{mark}" for source, mark in sorted(segment.marks.items()))
    event_id = make_id("scores", path, until, 0 if segment.jump is None else segment.jump.since, *marks)
    return events.output(events.SCORE, key, body, event_id, rfc3339(until))
