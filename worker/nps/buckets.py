"""Histograms of hours or of days: a row keeps them as columns, and a mutable copy of them can be changed."""

from array import array
from bisect import bisect_left
from operator import add

import msgspec

from worker.nps import columns
from worker.nps.histogram import BINS, PASSIVE_FROM, PROMOTER_FROM, Histogram, empty
from worker.nps.smoothed import Days

#: The number of answers by cell. A cell is a bucket and a score in one number: the bucket's index times BINS, plus the
#: score.
Cells = dict[int, int]

_INDEX = "I"
_NONE = empty()


class Buckets(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row's histograms of hours or of days. Hours and days without answers have none."""

    #: The hours or days, counted since 1970, as a column in their order.
    indexes: bytes = b""
    #: The bins of each histogram, as a column.
    counts: bytes = b""
    #: The type code of the column `counts`.
    code: str = columns.WIDTHS[0]


class MutableBuckets:
    """Buckets that can be changed."""

    def __init__(self, buckets: Buckets, bins: int = BINS) -> None:
        """Copy a row's buckets; `bins`: the number of bins of each."""
        self._bins = bins
        self._indexes = columns.read(buckets.indexes, _INDEX)
        self._counts = columns.read(buckets.counts, buckets.code)

    def frozen(self) -> Buckets:
        """Return the buckets as a row keeps them."""
        return Buckets(columns.write(self._indexes), columns.write(self._counts), self._counts.typecode)

    def add(self, cells: Cells) -> None:
        """Add answers."""
        last_index, first, bins = -1, 0, self._bins
        for cell, n in cells.items():
            index = cell // bins
            if index != last_index:
                last_index, first = index, self._place_of(index) * bins
            spot = first + cell % bins
            count = self._counts[spot] + n
            try:
                self._counts[spot] = count
            except OverflowError:
                self._counts = columns.wider(self._counts, count)
                self._counts[spot] = count

    def take(self, cells: Cells) -> Cells:
        """Take answers out, as far as they are there. Return the answers that were taken out."""
        taken: Cells = {}
        for cell, n in cells.items():
            index, score = divmod(cell, self._bins)
            place = bisect_left(self._indexes, index)
            if place < len(self._indexes) and self._indexes[place] == index:
                spot = place * self._bins + score
                taken[cell] = min(n, self._counts[spot])
                self._counts[spot] -= taken[cell]
        return taken

    def between(self, first: int, end: int) -> Histogram:
        """Return the sum of the buckets whose indexes are `first` or later, but before `end`."""
        bins = self._bins
        low, high = bisect_left(self._indexes, first) * bins, bisect_left(self._indexes, end) * bins
        return [sum(self._counts[spot:high:bins]) for spot in range(low, low + bins)] if low < high else [0] * bins

    def first(self, oldest: int) -> int | None:
        """Return the index of the first bucket that is not before `oldest`; None if there is none."""
        place = bisect_left(self._indexes, oldest)
        return self._indexes[place] if place < len(self._indexes) else None

    def rhythm(self, newest: int, length: int) -> tuple[int, int]:
        """Return the number of answers in the last `length` buckets, and how many buckets ago the first of them was.

        `newest`: the index of the last bucket, which counts as one bucket ago.
        """
        place = bisect_left(self._indexes, newest - length + 1)
        n = sum(self._counts[place * BINS :])
        return n, newest - self._indexes[place] + 1 if n else 0

    def days(self, newest: int, length: int) -> Days:
        """Return the last `length` buckets, which must be days; `newest`: the index of the last one."""
        place = bisect_left(self._indexes, newest - length + 1)
        bins = [self._counts[place * BINS + score :: BINS] for score in range(BINS)]
        return Days(
            [newest - index for index in self._indexes[place:]],
            list(map(add, *bins[PROMOTER_FROM:])),
            list(map(add, *bins[PASSIVE_FROM:PROMOTER_FROM])),
            list(map(sum, zip(*bins[:PASSIVE_FROM], strict=True))),
        )

    def drop(self, before: int) -> None:
        """Drop the buckets whose indexes are before `before`."""
        count = bisect_left(self._indexes, before)
        del self._indexes[:count], self._counts[: count * self._bins]

    def _place_of(self, index: int) -> int:
        """Return the place of a bucket; it is made if it is not there."""
        indexes = self._indexes
        place = bisect_left(indexes, index)
        if place == len(indexes):
            indexes.append(index)
            self._counts.extend(_NONE[: self._bins])
        elif indexes[place] != index:
            indexes.insert(place, index)
            spot = place * self._bins
            self._counts[spot:spot] = array(self._counts.typecode, _NONE[: self._bins])
        return place
