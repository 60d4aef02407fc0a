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


class _Series(NamedTuple):
    """Buckets of hours or of days. Numbers are as narrow as they can be."""

    indexes: "array[int]"
    #: Three numbers for each bucket.
    counts: "array[int]"

    def __iter__(self) -> Iterator[tuple[int, Classes]]:  # type: ignore[override]
        counts = iter(self.counts)
        return zip(self.indexes, zip(counts, counts, counts, strict=True), strict=True)


class _Row(NamedTuple):
    days: _Series
    hours: _Series
    partition: int


class History:
    """The history by the path of a segment or a survey."""

    def __init__(self) -> None:
        #: It grows with each change.
        self.version = 0
        self._rows: dict[str, _Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, path: str, row: bytes | None, partition: int = 0) -> None:
        """Take in a row of the table of the segments; None if the segment was forgotten.

        Raise one of UNREADABLE if it is no row.
        """
        self.version += 1
        if row is None:
            self._rows.pop(path, None)
            return
        buckets = _peek(row).spans.buckets
        self._rows[path] = _Row(_series(buckets.get(DAY)), _series(buckets.get(HOUR)), partition)

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition, since the changelog was deleted and created again."""
        self.version += 1
        self._rows = {path: row for path, row in self._rows.items() if row.partition != partition}

    def days(self, path: str) -> list[DayCount]:
        """Return the answers by day, the oldest day first. Days without answers are left out."""
        row = self._rows.get(path)
        return [] if row is None else [DayCount(day, *counts) for day, counts in row.days if any(counts)]

    def total(self, path: str, first: int, last: int) -> Classes:
        """Return the answers from the day `first` to the day `last`, both counted since 1970."""
        row = self._rows.get(path)
        if row is None:
            return 0, 0, 0
        indexes, counts = row.days.indexes, row.days.counts
        part = counts[3 * bisect_left(indexes, first) : 3 * bisect_right(indexes, last)]
        return sum(part[::3]), sum(part[1::3]), sum(part[2::3])

    def hours(self, path: str) -> list[HourCount]:
        """Return the answers of the last hours in which there were any, the oldest hour first."""
        row = self._rows.get(path)
        return [] if row is None else [HourCount(hour, *counts) for hour, counts in row.hours if any(counts)]


def _series(buckets: Buckets | None) -> _Series:
    if buckets is None or not buckets.indexes:
        return _Series(_NOTHING, _NOTHING)
    indexes = columns.read(buckets.indexes, "I")
    newest = indexes[-1]
    # `days` works for buckets of any length, whose ages it counts in buckets.
    _, *classes = MutableBuckets(buckets).days(newest, _ALL)
    counts = [number for bucket in zip(*classes, strict=True) for number in bucket]
    return _Series(columns.wider(indexes, newest), columns.wider(counts, max(counts)))
