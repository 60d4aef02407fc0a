"""Windows over event time: a histogram per hour and per day, and a running total per window.

The totals follow the newest answer's time: when it moves on, the buckets that leave are subtracted. A late answer goes
to its own bucket and to the windows that reach back so far.
"""

import msgspec

from worker.nps.histogram import Histogram, empty
from worker.nps.windows import SPANS

#: What a row's totals stand for.
_SHAPE = ",".join(span.name for span in SPANS)
_WIDEST = {unit: max(span.length for span in SPANS if span.unit == unit) for unit in {span.unit for span in SPANS}}


class Spans(msgspec.Struct, array_like=True):
    """`newest`: ms, None before the first answer; `buckets`: unit -> index -> histogram; `totals`: as `shape` says."""

    newest: int | None = None
    buckets: dict[int, dict[int, Histogram]] = msgspec.field(default_factory=lambda: {unit: {} for unit in _WIDEST})
    totals: list[Histogram] = msgspec.field(default_factory=lambda: [empty() for _ in SPANS])
    shape: str = _SHAPE

    def refit(self) -> None:
        """Make a row that was written for other windows one for these."""
        if self.shape == _SHAPE:
            return
        self.shape = _SHAPE
        for unit in _WIDEST:
            self.buckets.setdefault(unit, {})
        self.totals = [empty() for _ in SPANS]
        if self.newest is None:
            return
        for span, total in zip(SPANS, self.totals, strict=True):
            for index, bucket in self.buckets[span.unit].items():
                if index >= span.oldest(self.newest):
                    for score, n in enumerate(bucket):
                        total[score] += n

    def put(self, at: int, score: int) -> None:
        """Count an answer given at `at`, in ms."""
        if self.newest is None or at > self.newest:
            self._advance(at)
        self._add(at, score, 1)

    def take(self, at: int, score: int) -> None:
        """Take an answer out again; what has left every window is nowhere to be taken from."""
        if self.newest is not None:
            self._add(at, score, -1)

    def _add(self, at: int, score: int, by: int) -> None:
        assert self.newest is not None
        for unit, widest in _WIDEST.items():
            index = at // unit
            if index <= self.newest // unit - widest:
                continue
            bucket = self.buckets[unit].get(index)
            if by < 0 and (bucket is None or not bucket[score]):
                continue  # it had left every window there was, before a longer one was added
            if bucket is None:
                bucket = self.buckets[unit][index] = empty()
            bucket[score] += by
            for span, total in zip(SPANS, self.totals, strict=True):
                if span.unit == unit and index >= span.oldest(self.newest):
                    total[score] += by

    def _advance(self, newest: int) -> None:
        before, self.newest = self.newest, newest
        if before is None:
            return
        for span, total in zip(SPANS, self.totals, strict=True):
            gone, kept = span.oldest(before), span.oldest(newest)
            if gone == kept:
                continue
            for index, bucket in self.buckets[span.unit].items():
                if gone <= index < kept:
                    for score, n in enumerate(bucket):
                        total[score] -= n
        for unit, widest in _WIDEST.items():
            kept = newest // unit - widest + 1
            buckets = self.buckets[unit]
            for index in [index for index in buckets if index < kept]:
                del buckets[index]
