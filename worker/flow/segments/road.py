"""The second stage: it counts tallies in the windows of segments, and makes the scores that follow."""

from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from schemas.emitted import emitted
from schemas.scores import Scores, SmoothedScore, SuspectGaming, SuspectScale, TrendScore
from worker.detect.scales import HIGHEST, LOWEST, answers_on_short_scale
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Record
from worker.flow.dead_letter import no_message, stray
from worker.flow.ids import make_id
from worker.flow.lineage import survey_of
from worker.flow.messages import gaming_flag, tally, tick
from worker.flow.messages.hourly_report import HourlyReport
from worker.flow.messages.hourly_report import outputs as hourly_reports
from worker.flow.messages.tally import Tally
from worker.flow.policy import IntakePolicy, SegmentPolicy
from worker.flow.timestamps import LATEST, from_ms, rfc3339
from worker.flow.window_score import window_score
from worker.nps.histogram import counts
from worker.nps.jump import Jump
from worker.nps.people import People
from worker.nps.segment import Entries, Segment
from worker.nps.usage import LeftOut, Usage
from worker.nps.windows import DAY, HOUR

_Scores, _SmoothedScore = emitted(Scores), emitted(SmoothedScore)
_TrendScore, _SuspectGaming, _SuspectScale = emitted(TrendScore), emitted(SuspectGaming), emitted(SuspectScale)

#: The key of the row that says when the last tick was, and which answer last found no room. No path has a NUL. It has
#: a segment's form, since the version before takes every row for a segment's.
CLOCK = b"\x00clock"
#: Segments that are decided and written together, so that nothing else waits for a tick that concerns all of them.
SLICE = 250
#: How many segments and surveys there may be, over all partitions, unless the settings say otherwise.
MOST = SegmentPolicy().most
_INTAKE = IntakePolicy()

#: Writes a segment's row.
encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Segment).decode


class _News:
    """What a batch brings."""

    def __init__(self, records: Iterable[Record], intake: IntakePolicy) -> None:
        #: Dead letters of records that somebody else has written to the topic.
        self.strays: list[Output] = []
        #: Entries by the segment's path, then by the partition that their events came from.
        self.entries: dict[str, dict[int, list[Entries]]] = {}
        #: When a segment's entries last arrived, by Kafka's time in ms.
        self.came: dict[str, int] = {}
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
                self.strays.append(stray(record, rejected, intake))

    def _take(self, record: Record) -> None:
        if record.key == tick.KEY:
            if record.value is None or not 0 <= record.timestamp <= LATEST:
                raise no_message("tick")
            self.tick = max(self.tick or 0, record.timestamp)
        elif record.key == gaming_flag.KEY:
            flag = gaming_flag.read(record.value)
            self.flags[flag.path] = flag.jump
        else:
            self._count(tally.read(record.value), min(max(record.timestamp, 0), LATEST))

    def _count(self, message: Tally, came: int) -> None:
        for path, entries in message.segments.items():
            self.came[path] = came
            by_source = self.entries.get(path)
            if by_source is None:
                by_source = self.entries[path] = {}
            by_source.setdefault(message.source, []).append(entries)

    def change(self, path: str, segment: Segment) -> bool:
        """Change a segment by what the batch brings for it; say whether anything is new."""
        new = False
        if path in self.entries:
            self._see_to_people(path, segment)
            if segment.count(self.entries[path]):
                segment.last_arrival, new = self.now // HOUR, True
        if path in self.flags and self.flags[path] != segment.jump:
            segment.jump, new = self.flags[path], True
        return new if self.tick is None else segment.tick(self.tick) or new

    def _see_to_people(self, path: str, segment: Segment) -> None:
        """Note since when a segment's customers are known: entries of earlier versions do not say anything of them."""
        uncounted = any(entries.people is None for each in self.entries[path].values() for entries in each)
        if segment.people is None or uncounted:
            since = self.now // DAY
            segment.people = (
                People(since) if segment.people is None else msgspec.structs.replace(segment.people, since=since)
            )


class _Peek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A segment's row, of which only `due` is read: at each tick every row is looked at."""

    marks: msgspec.Raw
    total: msgspec.Raw
    latest: msgspec.Raw
    spans: msgspec.Raw
    unreported: msgspec.Raw
    jump: msgspec.Raw = msgspec.Raw()
    due: int = 0


_peek = msgspec.msgpack.Decoder(_Peek).decode


class _Slices:
    """The work that a batch of one partition of segments is, and its slices: each is written before the next one.

    A batch that is read again after a crash between two slices finds in the rows what they have counted and told.
    """

    def __init__(self, news: _News, rows: Mapping[bytes, bytes], partition: int, most: int) -> None:
        self._rows = rows
        self._partition = partition
        self._news = news
        clock = Segment() if CLOCK not in rows else _decode(rows[CLOCK])
        self._time = clock.last_tick
        self._left_out = self._known_left_out = clock.left_out
        self._segments = len(rows) - (CLOCK in rows)
        self._most = most
        self._surplus = 0
        self._on_short_scale: list[str] = []
        self._paths = iter(dict.fromkeys((*self._news.entries, *self._news.flags, *self._due())))

    def _due(self) -> list[str]:
        """Return the segments that the batch's tick changes."""
        if self._news.tick is None:
            return []
        hour = self._news.tick // HOUR
        return [key.decode() for key, row in self._rows.items() if _peek(row).due <= hour and key != CLOCK]

    def next(self) -> Decided:
        """Return what the next slice causes."""
        outputs, self._news.strays = self._news.strays, []
        changed: dict[bytes, bytes | None] = {}
        ended: dict[str, bytes] = {}
        paths = list(islice(self._paths, SLICE))
        for path in paths:
            self._decide(path, outputs, changed, ended)
        is_last, tick_ended = len(paths) < SLICE, None
        if is_last and self._news.tick is not None:
            tick_ended = self._news.tick
        if tick_ended is not None or self._left_out != self._known_left_out:
            # What was left out before the tick's slice is written with its own: another one may be decided upon it.
            changed[CLOCK] = encode(Segment(last_tick=max(self._time, tick_ended or 0), left_out=self._left_out))
            self._known_left_out = self._left_out
        usage = None if tick_ended is None else Usage(self._segments, self._most, self._left_out)
        outputs += hourly_reports(HourlyReport(self._partition, ended, tick_ended, usage))
        surplus, self._surplus = self._surplus, 0
        surveys, self._on_short_scale = tuple(self._on_short_scale), []
        rest = None if is_last else self.next
        return Decided(outputs, changed, {}, rest=rest, surplus=surplus, on_short_scale=surveys)

    def _decide(
        self, path: str, outputs: list[Output], changed: dict[bytes, bytes | None], ended: dict[str, bytes]
    ) -> None:
        key, tick_time = path.encode(), self._news.tick
        row = self._rows.get(key)
        if row is None:
            if path not in self._news.entries:
                return
            if self._segments >= self._most and path:
                self._leave_out(path)
                return
            segment = Segment(last_tick=self._time, people=People())
        else:
            segment = _read(row)
            segment.catch_up(self._time)
        is_new = self._news.change(path, segment)
        if hours := segment.report_hours(tick_time):
            ended[path] = hours
        if tick_time is not None and segment.can_be_forgotten(tick_time):
            changed[key] = None
            self._segments -= row is not None
            outputs.append(Output(events.SCORES, key, None))
        elif is_new or hours:
            self._look_at_scale(path, segment)
            segment.due = segment.next_change
            changed[key] = encode(segment)
            self._segments += row is None
            if is_new:
                outputs.append(_scores(key, segment))

    def _leave_out(self, path: str) -> None:
        """Note that there was no room for a segment; of an hour's, the first is remembered."""
        self._surplus += 1
        hour = self._news.came[path] // HOUR
        if hour and (self._left_out is None or hour > self._left_out.hour):
            self._left_out = LeftOut(hour, path)

    def _look_at_scale(self, path: str, segment: Segment) -> None:
        """Note a survey whose answers look as if they were given on another scale, once in its row's life."""
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
    """Count a batch of tallies of a partition, whose segments' rows are `rows`; a tick moves those that it concerns.

    `most`: how many segments and surveys the partition may have; what is beyond them counts for its parents only. What
    is none of the worker's own messages becomes a dead letter, as `intake` says.
    """
    return _Slices(_News(records, intake), rows, partition, most).next()


def scores(key: bytes, row: bytes | None) -> Output:
    """Return the scores that follow from a segment's row: the same event as when the row was written.

    Without a row it is a null, as when the segment was forgotten.
    """
    return Output(events.SCORES, key, None) if row is None else _scores(key, _read(row))


def _read(row: bytes) -> Segment:
    segment = _decode(row)
    segment.spans.refit()
    return segment


def _scores(key: bytes, segment: Segment) -> Output:
    path = key.decode()
    until, survey_id = segment.spans.until or 0, survey_of(path)
    found = segment.spans.indicator()
    on_short_scale = 0 if survey_id is None else answers_on_short_scale(segment.total)
    body = _Scores(
        segment=path,
        as_of=from_ms(until),
        histogram=segment.total,
        windows={name: window_score(*counts(histogram)) for name, histogram in segment.windows().items()},
        smoothed=None
        if found is None
        else _SmoothedScore(
            nps=found.smoothed.nps,
            low=found.smoothed.low,
            high=found.smoothed.high,
            n_eff=found.smoothed.n_eff,
            half_life_days=found.smoothed.half_life,
        ),
        trend=None
        if found is None or found.trend is None
        else _TrendScore(
            direction=found.trend.direction,
            change=found.trend.change,
            low=found.trend.low,
            high=found.trend.high,
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
