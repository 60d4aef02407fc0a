"""The second stage: tallies into a segment's windows, and the scores that follow from them."""

from collections.abc import Callable, Iterable
from functools import lru_cache

import msgspec

from schemas.emitted import emitted
from schemas.scores import Scores, SmoothedScore, TrendScore, WindowScore
from worker.flow import outbox, tally
from worker.flow.ids import make_id
from worker.flow.moment import from_ms, rfc3339
from worker.flow.outbox import Output
from worker.flow.record import Record
from worker.flow.road import Decided
from worker.nps.histogram import counts, nps
from worker.nps.interval import INDICATIVE_BELOW, adjusted_wald
from worker.nps.segment import Entries, Segment

_Scores, _WindowScore = emitted(Scores), emitted(WindowScore)
_SmoothedScore, _TrendScore = emitted(SmoothedScore), emitted(TrendScore)

#: Writes a segment's row.
encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Segment).decode


def count(records: Iterable[Record], read: Callable[[bytes], bytes | None]) -> Decided:
    """Count a batch of tallies of one partition. `read` returns a segment's row by its path."""
    told: dict[str, dict[int, list[Entries]]] = {}
    for record in records:
        assert record.value is not None
        message = tally.decode(record.value)
        for path, entries in message.segments.items():
            by_source = told.get(path)
            if by_source is None:
                by_source = told[path] = {}
            by_source.setdefault(message.source, []).append(entries)
    outputs: list[Output] = []
    rows: dict[bytes, bytes | None] = {}
    for path, by_source in told.items():
        key = path.encode()
        row = read(key)
        segment = Segment() if row is None else _read(row)
        if segment.count(by_source):
            rows[key] = encode(segment)
            outputs.append(_scores(key, segment))
    return Decided(outputs, rows, {})


def scores(key: bytes, row: bytes) -> Output:
    """Return the scores that follow from a segment's row: the same event as when the row was written."""
    return _scores(key, _read(row))


def _read(row: bytes) -> Segment:
    segment = _decode(row)
    segment.spans.refit()
    return segment


def _scores(key: bytes, segment: Segment) -> Output:
    path = key.decode()
    newest = segment.spans.newest or 0
    found = segment.spans.indicator()
    body = _Scores(
        segment=path,
        as_of=from_ms(newest),
        histogram=segment.total,
        windows={name: _window(*counts(histogram)) for name, histogram in segment.windows().items()},
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
    )
    event_id = make_id("scores", path, *(f"{source}:{mark}" for source, mark in sorted(segment.marks.items())))
    return outbox.event(outbox.SCORE, key, body, event_id, rfc3339(newest))


@lru_cache(maxsize=1_024)  # most windows of a small segment are alike
def _window(promoters: int, passives: int, detractors: int) -> WindowScore:
    n = promoters + passives + detractors
    low, high = adjusted_wald(promoters, passives, detractors) if n else (None, None)
    return _WindowScore(
        n=n,
        promoters=promoters,
        passives=passives,
        detractors=detractors,
        nps=nps(promoters, passives, detractors),
        low=low,
        high=high,
        indicative=n < INDICATIVE_BELOW,
    )
