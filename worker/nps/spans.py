"""Windows over event time: a histogram per hour and per day, and a running total per window.

The totals follow the newest answer's time: when it moves on, the buckets that leave are subtracted. A late answer goes
to its own bucket and to the windows that reach back so far.
"""

import msgspec

from worker.nps.histogram import Histogram, empty
from worker.nps.latest import Plain
from worker.nps.windows import SPANS

#: What a row's totals stand for.
_SHAPE = ",".join(span.name for span in SPANS)
_WIDEST = {unit: max(span.length for span in SPANS if span.unit == unit) for unit in {span.unit for span in SPANS}}


def _by_bucket(answers: list[Plain], unit: int) -> dict[int, Histogram]:
    found: dict[int, Histogram] = {}
    for at, _, score in answers:
        index = at // unit
        histogram = found.get(index)
        if histogram is None:
            histogram = found[index] = empty()
        histogram[score] += 1
    return found


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

    def change(self, put: list[Plain], taken: list[Plain]) -> None:
        """Count answers, and take others out again; what has left every window is nowhere to be taken from."""
        if put:
            newest = max(at for at, _, _ in put)
            if self.newest is None or newest > self.newest:
                self._advance(newest)
        if self.newest is None:
            return
        for unit, widest in _WIDEST.items():
            oldest = self.newest // unit - widest + 1
            for index, histogram in _by_bucket(put, unit).items():
                if index >= oldest:
                    bucket = self.buckets[unit].setdefault(index, empty())
                    self._add(bucket, unit, index, histogram, 1)
            for index, histogram in _by_bucket(taken, unit).items():
                held = self.buckets[unit].get(index)
                if held is not None:
                    # What is not there had left every window there was, before a longer one was added.
                    gone = [min(n, there) for n, there in zip(histogram, held, strict=True)]
                    self._add(held, unit, index, gone, -1)

    def _add(self, bucket: Histogram, unit: int, index: int, histogram: Histogram, sign: int) -> None:
        """Add a histogram to a bucket, or subtract it, and so to the totals of the windows that the bucket is in."""
        assert self.newest is not None
        totals = [
            total
            for span, total in zip(SPANS, self.totals, strict=True)
            if span.unit == unit and index >= span.oldest(self.newest)
        ]
        for score, n in enumerate(histogram):
            if n:
                bucket[score] += sign * n
                for total in totals:
                    total[score] += sign * n

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
