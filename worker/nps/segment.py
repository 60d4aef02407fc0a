"""A segment: everything its NPS is computed from, and what has been counted already."""

from array import array
from collections.abc import Mapping

import msgspec

from worker.nps import columns, histogram
from worker.nps.histogram import Histogram
from worker.nps.latest import Given, Latest, Plain
from worker.nps.spans import Spans
from worker.nps.windows import ALL, LAST, SPANS

#: How many numbers of `Entries.put` are one answer.
_WIDTH = 4


class Move(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A correction's effect on one segment: the answer it takes out (of the revision before) and the one it puts in."""

    offset: int
    taken: Given | None
    put: Given | None


class Entries(msgspec.Struct, array_like=True, gc=False):
    """What responses of one source add to one segment, in any order.

    `put`: a column of offset, time, id and score of each answer, one after the other; `moves`: the corrections.
    """

    put: bytes = b""
    moves: list[Move] = []

    @classmethod
    def joined(cls, entries: "list[Entries]") -> "Entries":
        """Return all of them as one."""
        if len(entries) == 1:
            return entries[0]
        return cls(b"".join([each.put for each in entries]), [move for each in entries for move in each.moves])

    def after(self, mark: int) -> "tuple[array[int], list[Move]]":
        """Return the numbers of `put`, and the moves, beyond an offset."""
        put = columns.read(self.put)
        if put and min(put[::_WIDTH]) <= mark:
            kept = array(put.typecode)
            for first in range(0, len(put), _WIDTH):
                if put[first] > mark:
                    kept += put[first : first + _WIDTH]
            put = kept
        return put, [move for move in self.moves if move.offset > mark]


class Segment(msgspec.Struct, array_like=True):
    """`marks`: per source, the highest offset counted. One event is one entry, so an offset tells all of it."""

    marks: dict[int, int] = msgspec.field(default_factory=dict)
    total: Histogram = msgspec.field(default_factory=histogram.empty)
    latest: Latest = msgspec.field(default_factory=Latest)
    spans: Spans = msgspec.field(default_factory=Spans)

    def count(self, told: Mapping[int, list[Entries]]) -> bool:
        """Count entries, by their source, and each once: one at or below its source's mark is a replay.

        Say whether any was counted.
        """
        put: list[Plain] = []
        taken: list[Plain] = []
        for source, entries in told.items():
            mark = self.marks.get(source, -1)
            numbers, moves = Entries.joined(entries).after(mark)
            if numbers:
                mark = max(numbers[::_WIDTH])
                put += zip(numbers[1::_WIDTH], numbers[2::_WIDTH], numbers[3::_WIDTH], strict=True)
            for move in moves:
                mark = max(mark, move.offset)
                if move.put is not None:
                    put.append(move.put)
                if move.taken is not None:
                    taken.append(move.taken)
            if numbers or moves:
                self.marks[source] = mark
        if not put and not taken:
            return False
        for _, _, score in put:
            self.total[score] += 1
        for _, _, score in taken:
            self.total[score] -= 1
        self.latest.change(put, taken)
        self.spans.change(put, taken)
        return True

    def windows(self) -> dict[str, Histogram]:
        """Return the histogram of each window by its name."""
        windows = {ALL: self.total, LAST: self.latest.histogram()}
        for span, total in zip(SPANS, self.spans.totals, strict=True):
            windows[span.name] = total
        return windows
