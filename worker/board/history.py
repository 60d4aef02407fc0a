"""The history of scores: promoters, passives and detractors of each segment by day for a year, and by hour for a day.

It comes from the rows of the table `segments`, whose changelog keeps the last row of each segment. So it goes back as
far as the widest window, also after a restart. Of a row, which has several kilobytes, three numbers a day are kept.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from worker.nps import columns
from worker.nps.buckets import Buckets, MutableBuckets
from worker.nps.histogram import BINS
from worker.nps.windows import DAY, HOUR, SPANS, Classes

#: More buckets than a row has, of hours or of days.
_ALL = max(span.length for span in SPANS) + 1


class DayCount(NamedTuple):
    """The answers that were given on one day."""

    #: Counted since 1970, in UTC.
    day: int
    promoters: int
    passives: int
    detractors: int


class HourCount(NamedTuple):
    """The answers that were given in one hour."""

    #: Counted since 1970.
    hour: int
    promoters: int
    passives: int
    detractors: int


class _SpansPeek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of `Spans` (worker/nps/spans.py)."""

    until: int | None
    #: By the length of a bucket, in ms.
    buckets: dict[int, Buckets]


class _Peek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of a segment's row (worker/nps/segment.py), of which only the buckets are decoded."""

    marks: msgspec.Raw
    total: msgspec.Raw
    latest: msgspec.Raw
    spans: _SpansPeek


_peek = msgspec.msgpack.Decoder(_Peek).decode
_NOTHING = array("B")
_NO_BUCKETS = Buckets()
_INDEX_BYTES = 4
#: How many buckets may wait to be reduced to three numbers. Each takes 15 bytes or more, and about a microsecond: so a
#: page with many segments, all of which wait, takes some 50 ms more, while other pages wait.
_MOST_WAITING = 50_000


class _Series(msgspec.Struct, frozen=True, gc=False):
    """Buckets of hours or of days. Numbers are as narrow as they can be."""

    indexes: "array[int]"
    #: Three numbers for each bucket.
    counts: "array[int]"

    def each(self) -> Iterator[tuple[int, Classes]]:
        """Yield the index and the numbers of each bucket."""
        counts = iter(self.counts)
        return zip(self.indexes, zip(counts, counts, counts, strict=True), strict=True)


class _Peeked(msgspec.Struct, frozen=True, gc=False):
    """What is needed of a row."""

    days: Buckets
    hours: Buckets
    partition: int

    @property
    def size(self) -> int:
        """The number of its buckets."""
        return (len(self.days.indexes) + len(self.hours.indexes)) // _INDEX_BYTES


class _Row(msgspec.Struct, frozen=True, gc=False):
    days: _Series
    hours: _Series
    partition: int


class History:
    """The history by the path of a segment or a survey.

    A busy segment's row is written about once a second, and is seldom looked at. So the three numbers of each day are
    computed when somebody asks. If too many rows wait for that, they are computed of the rows that wait the longest.
    """

    def __init__(self) -> None:
        #: It grows with each change.
        self.version = 0
        self._rows: dict[str, _Row] = {}
        #: The rows for which that was not done yet, the one that waits the longest first, and their number of buckets.
        self._waiting: dict[str, _Peeked] = {}
        self._buckets = 0

    def __len__(self) -> int:
        return len(self._rows.keys() | self._waiting.keys())

    def take(self, path: str, row: bytes | None, partition: int = 0) -> None:
        """Take in a row of the table of the segments; None if the segment was forgotten.

        Raise one of UNREADABLE if it is no row.
        """
        read = None if row is None else _peek(row).spans.buckets
        days, hours = (_NO_BUCKETS if read is None else read.get(length, _NO_BUCKETS) for length in (DAY, HOUR))
        _check(days)
        _check(hours)
        self.version += 1
        before = self._waiting.pop(path, None)
        self._buckets -= 0 if before is None else before.size
        if read is None:
            self._rows.pop(path, None)
            return
        peeked = _Peeked(days, hours, partition)
        self._waiting[path] = peeked
        self._buckets += peeked.size
        while self._buckets > _MOST_WAITING:
            self._row(next(iter(self._waiting)))

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition, since the changelog was deleted and created again."""
        known = self._rows | self._waiting
        for path in [path for path, row in known.items() if row.partition == partition]:
            self.take(path, None)

    def days(self, path: str) -> list[DayCount]:
        """Return the answers by day, the oldest day first. Days without answers are left out."""
        row = self._row(path)
        return [] if row is None else [DayCount(day, *counts) for day, counts in row.days.each() if any(counts)]

    def total(self, path: str, first: int, last: int) -> Classes:
        """Return the answers from the day `first` to the day `last`, both counted since 1970."""
        row = self._row(path)
        if row is None:
            return 0, 0, 0
        indexes, counts = row.days.indexes, row.days.counts
        part = counts[3 * bisect_left(indexes, first) : 3 * bisect_right(indexes, last)]
        return sum(part[::3]), sum(part[1::3]), sum(part[2::3])

    def hours(self, path: str) -> list[HourCount]:
        """Return the answers of the last hours in which there were any, the oldest hour first."""
        row = self._row(path)
        return [] if row is None else [HourCount(hour, *counts) for hour, counts in row.hours.each() if any(counts)]

    def _row(self, path: str) -> _Row | None:
        """Return what is kept of a row; None if there is none."""
        waiting = self._waiting.pop(path, None)
        if waiting is not None:
            self._buckets -= waiting.size
            self._rows[path] = _Row(_series(waiting.days), _series(waiting.hours), waiting.partition)
        return self._rows.get(path)


def _check(buckets: Buckets) -> None:
    """Raise ValueError if these are no buckets in order, of which each has as many bins as a histogram."""
    indexes, counts = columns.read(buckets.indexes, "I"), columns.read(buckets.counts, buckets.code)
    in_order = sorted(indexes) == indexes.tolist() and (not indexes or indexes[-1] - indexes[0] < _ALL)
    if buckets.code not in columns.WIDTHS or len(counts) != len(indexes) * BINS or not in_order:
        raise ValueError("the columns of the buckets do not fit")


def _series(buckets: Buckets) -> _Series:
    if not buckets.indexes:
        return _Series(_NOTHING, _NOTHING)
    indexes = columns.read(buckets.indexes, "I")
    newest = indexes[-1]
    # `days` works for buckets of any length, whose ages it counts in buckets.
    _, *classes = MutableBuckets(buckets).days(newest, _ALL)
    counts = [number for bucket in zip(*classes, strict=True) for number in bucket]
    return _Series(columns.wider(indexes, newest), columns.wider(counts, max(counts)))
