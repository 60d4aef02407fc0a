"""The second stage: tallies into a segment's windows, and the scores that follow from them."""

from collections.abc import Callable, Iterable

import msgspec

from schemas.emitted import emitted
from schemas.scores import Scores, WindowScore
from worker.flow import outbox, tally
from worker.flow.ids import make_id
from worker.flow.moment import from_ms, rfc3339
from worker.flow.outbox import Output
from worker.flow.record import Record
from worker.flow.road import Decided
from worker.nps.histogram import Histogram, counts, nps
from worker.nps.interval import INDICATIVE_BELOW, adjusted_wald
from worker.nps.segment import Segment

_Scores, _WindowScore = emitted(Scores), emitted(WindowScore)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Segment).decode


def count(records: Iterable[Record], read: Callable[[bytes], bytes | None]) -> Decided:
    """Count a batch of tallies of one partition. `read` returns a segment's row by its path."""
    segments: dict[bytes, Segment] = {}
    moved: set[bytes] = set()
    for record in records:
        key, value = record.key or b"", record.value
        assert value is not None
        segment = segments.get(key)
        if segment is None:
            row = read(key)
            segment = segments[key] = Segment() if row is None else _read(row)
        message = tally.decode(value)
        if segment.count(message.source, message.entries):
            moved.add(key)
    outputs = [_scores(key, segment) for key, segment in segments.items() if key in moved]
    return Decided(outputs, {key: _encode(segments[key]) for key in moved}, {})


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
    body = _Scores(
        segment=path,
        as_of=from_ms(newest),
        histogram=segment.total,
        windows={name: _window(histogram) for name, histogram in segment.windows().items()},
    )
    event_id = make_id("scores", path, *(f"{source}:{mark}" for source, mark in sorted(segment.marks.items())))
    return outbox.event(outbox.SCORE, key, body, event_id, rfc3339(newest))


def _window(histogram: Histogram) -> WindowScore:
    promoters, passives, detractors = counts(histogram)
    n = promoters + passives + detractors
    low, high = adjusted_wald(promoters, passives, detractors) if n else (None, None)
    return _WindowScore(
        n=n,
        promoters=promoters,
        passives=passives,
        detractors=detractors,
        nps=nps(histogram),
        low=low,
        high=high,
        indicative=n < INDICATIVE_BELOW,
    )
