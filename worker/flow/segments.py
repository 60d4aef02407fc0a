"""The second stage: tallies into a segment's windows, and the scores that follow from them."""

from collections.abc import Iterable, Mapping

import msgspec

from schemas.emitted import emitted
from schemas.scores import Scores, SmoothedScore, SuspectGaming, TrendScore
from worker.flow import hint, outbox, tally, tick
from worker.flow.hours import Hours
from worker.flow.hours import outputs as hours_of
from worker.flow.ids import make_id
from worker.flow.lineage import survey_of
from worker.flow.moment import from_ms, rfc3339
from worker.flow.outbox import Output
from worker.flow.record import Record
from worker.flow.road import Decided
from worker.flow.tally import Tally
from worker.flow.window_score import window_score
from worker.nps.histogram import counts
from worker.nps.segment import Entries, Segment
from worker.nps.watch import Jump
from worker.nps.windows import HOUR

_Scores, _SmoothedScore = emitted(Scores), emitted(SmoothedScore)
_TrendScore, _SuspectGaming = emitted(TrendScore), emitted(SuspectGaming)

#: Writes a segment's row.
encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Segment).decode


class _News:
    """What a batch brings: entries by path and source, hints by path, and the time of the last tick, in ms."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.told: dict[str, dict[int, list[Entries]]] = {}
        self.hints: dict[str, Jump | None] = {}
        self.tick: int | None = None
        for record in records:
            assert record.value is not None
            if record.key == tick.KEY:
                self.tick = max(self.tick or 0, record.timestamp)
            elif record.key == hint.KEY:
                hinted = hint.decode(record.value)
                self.hints[hinted.path] = hinted.jump
            else:
                self._count(tally.decode(record.value))

    def _count(self, message: Tally) -> None:
        for path, entries in message.segments.items():
            by_source = self.told.get(path)
            if by_source is None:
                by_source = self.told[path] = {}
            by_source.setdefault(message.source, []).append(entries)

    def change(self, path: str, segment: Segment) -> bool:
        """Change a segment accordingly; say whether anything is new."""
        new = path in self.told and segment.count(self.told[path])
        if path in self.hints and self.hints[path] != segment.jump:
            segment.jump, new = self.hints[path], True
        return new if self.tick is None else segment.spans.tick(self.tick) or new


def count(records: Iterable[Record], rows: Mapping[bytes, bytes], number: int) -> Decided:
    """Count a batch of tallies of the partition `number`, whose segments' rows are `rows`; a tick moves all of them."""
    news = _News(records)
    outputs: list[Output] = []
    changed: dict[bytes, bytes | None] = {}
    ended: dict[str, bytes] = {}
    everyone = () if news.tick is None else (key.decode() for key in rows)
    for path in dict.fromkeys((*news.told, *news.hints, *everyone)):
        key = path.encode()
        row = rows.get(key)
        if row is None and path not in news.told:
            continue
        segment = Segment() if row is None else _read(row)
        is_new = news.change(path, segment)
        if hours := segment.tell(news.tick):
            ended[path] = hours
        if is_new or hours:
            changed[key] = encode(segment)
        if is_new:
            outputs.append(_scores(key, segment))
    return Decided(outputs + hours_of(Hours(number, ended, news.tick)), changed, {})


def scores(key: bytes, row: bytes) -> Output:
    """Return the scores that follow from a segment's row: the same event as when the row was written."""
    return _scores(key, _read(row))


def _read(row: bytes) -> Segment:
    segment = _decode(row)
    segment.spans.refit()
    return segment


def _scores(key: bytes, segment: Segment) -> Output:
    path = key.decode()
    until = segment.spans.until or 0
    found = segment.spans.indicator()
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
        survey_id=survey_of(path),
        suspect_gaming=None
        if segment.jump is None
        else _SuspectGaming(
            reason="promoters_jumped_here_alone",
            since=from_ms(segment.jump.since * HOUR),
            n=segment.jump.n,
            promoters_before=segment.jump.before,
            promoters_since=segment.jump.after,
            beside_before=segment.jump.beside_before,
            beside_since=segment.jump.beside_after,
        ),
    )
    marks = (f"{source}:{mark}" for source, mark in sorted(segment.marks.items()))
    event_id = make_id("scores", path, until, 0 if segment.jump is None else segment.jump.since, *marks)
    return outbox.event(outbox.SCORE, key, body, event_id, rfc3339(until))
