"""A segment: everything its NPS is computed from, and what has been counted already."""

import msgspec

from worker.nps import histogram, latest
from worker.nps.histogram import Histogram
from worker.nps.latest import Given, Plain
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

    `put`: offset, time, id and score of each answer, one after the other: numbers are read ten times as fast as
    objects. `moves`: the corrections.
    """

    put: list[int] = msgspec.field(default_factory=list)
    moves: list[Move] = msgspec.field(default_factory=list)

    def after(self, mark: int) -> "Entries":
        """Return the entries beyond an offset."""
        put, moves = self.put, [move for move in self.moves if move.offset > mark]
        if put and min(put[::_WIDTH]) <= mark:
            firsts = [first for first in range(0, len(put), _WIDTH) if put[first] > mark]
            put = [number for first in firsts for number in put[first : first + _WIDTH]]
        return Entries(put, moves)

    @property
    def last(self) -> int:
        """The highest offset; -1 without any entry."""
        return max(max(self.put[::_WIDTH], default=-1), max((move.offset for move in self.moves), default=-1))

    def added(self) -> list[Plain]:
        """Return the answers that are put in."""
        put = self.put
        plain = list(zip(put[1::_WIDTH], put[2::_WIDTH], put[3::_WIDTH], strict=True))
        return plain + [move.put for move in self.moves if move.put is not None]

    def taken(self) -> list[Plain]:
        """Return the answers that are taken out."""
        return [move.taken for move in self.moves if move.taken is not None]


class Segment(msgspec.Struct, array_like=True):
    """`marks`: per source, the highest offset counted. One event is one entry, so an offset tells all of it."""

    marks: dict[int, int] = msgspec.field(default_factory=dict)
    total: Histogram = msgspec.field(default_factory=histogram.empty)
    latest: list[Plain] = msgspec.field(default_factory=list)
    floor: tuple[int, int] | None = None
    spans: Spans = msgspec.field(default_factory=Spans)

    def count(self, source: int, entries: Entries) -> bool:
        """Count entries of a source, each once: one at or below its mark is a replay. Say whether any was counted."""
        new = entries.after(self.marks.get(source, -1))
        if new.last < 0:
            return False
        self.marks[source] = new.last
        put, taken = new.added(), new.taken()
        for _, _, score in put:
            self.total[score] += 1
        for _, _, score in taken:
            self.total[score] -= 1
        self.floor = latest.change(self.latest, self.floor, put, taken)
        self.spans.change(put, taken)
        return True

    def windows(self) -> dict[str, Histogram]:
        """Return the histogram of each window by its name."""
        windows = {ALL: self.total, LAST: latest.histogram(self.latest)}
        for span, total in zip(SPANS, self.spans.totals, strict=True):
            windows[span.name] = total
        return windows
