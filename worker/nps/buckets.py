"""Histograms of hours or of days: in a row as columns, and opened to be changed."""

from array import array
from bisect import bisect_left
from operator import add

import msgspec

from worker.nps import columns
from worker.nps.histogram import BINS, PASSIVE_FROM, PROMOTER_FROM, Histogram, empty
from worker.nps.smoothed import Days

#: How many answers, by bucket and score in one number: the bucket's index times BINS, plus the score.
Cells = dict[int, int]

_INDEX = "I"
_NONE = empty()


class Buckets(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`indexes`: which hours or days since 1970, in order; `counts`: the bins of each, as wide as `code` says."""

    indexes: bytes = b""
    counts: bytes = b""
    code: str = columns.WIDTHS[0]


class Opened:
    """Buckets that can be changed; each has a bin for each score, or fewer."""

    def __init__(self, buckets: Buckets, bins: int = BINS) -> None:
        self._bins = bins
        self._indexes = columns.read(buckets.indexes, _INDEX)
        self._counts = columns.read(buckets.counts, buckets.code)

    def closed(self) -> Buckets:
        """Return them for the row."""
        return Buckets(columns.write(self._indexes), columns.write(self._counts), self._counts.typecode)

    def add(self, cells: Cells) -> None:
        """Add answers."""
        known, first, bins = -1, 0, self._bins
        for cell, n in cells.items():
            index = cell // bins
            if index != known:
                known, first = index, self._made(index) * bins
            spot = first + cell % bins
            most = self._counts[spot] + n
            try:
                self._counts[spot] = most
            except OverflowError:
                self._counts = columns.wider(self._counts, most)
                self._counts[spot] = most

    def take(self, cells: Cells) -> Cells:
        """Take answers out, as far as they are there; return those."""
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
        """Return the sum of the buckets from `first` on, before `end`."""
        bins = self._bins
        low, high = bisect_left(self._indexes, first) * bins, bisect_left(self._indexes, end) * bins
        return [sum(self._counts[spot:high:bins]) for spot in range(low, low + bins)] if low < high else [0] * bins

    def first(self, oldest: int) -> int | None:
        """Return the index of the first bucket from `oldest` on; None if there is none."""
        place = bisect_left(self._indexes, oldest)
        return self._indexes[place] if place < len(self._indexes) else None

    def rhythm(self, newest: int, length: int) -> tuple[int, int]:
        """Return how many answers the last `length` buckets have, and how many buckets ago the first of them was."""
        place = bisect_left(self._indexes, newest - length + 1)
        n = sum(self._counts[place * BINS :])
        return n, newest - self._indexes[place] + 1 if n else 0

    def days(self, newest: int, length: int) -> Days:
        """Return the last `length` buckets, which are days, as seen from the newest."""
        place = bisect_left(self._indexes, newest - length + 1)
        bins = [self._counts[place * BINS + score :: BINS] for score in range(BINS)]
        return Days(
            [newest - index for index in self._indexes[place:]],
            list(map(add, *bins[PROMOTER_FROM:])),
            list(map(add, *bins[PASSIVE_FROM:PROMOTER_FROM])),
            list(map(sum, zip(*bins[:PASSIVE_FROM], strict=True))),
        )

    def drop(self, before: int) -> None:
        """Drop the buckets before an index."""
        count = bisect_left(self._indexes, before)
        del self._indexes[:count], self._counts[: count * self._bins]

    def _made(self, index: int) -> int:
        """Return where a bucket is, after making it if it was not there."""
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
