"""A segment: everything its NPS is computed from, and what has been counted already."""

from array import array
from collections.abc import Mapping

import msgspec

from worker.nps import columns, histogram
from worker.nps.histogram import Histogram
from worker.nps.latest import Given, Latest, Plain
from worker.nps.spans import Spans
from worker.nps.untold import LATE, Untold
from worker.nps.watch import Jump
from worker.nps.windows import ALL, HOUR, LAST, SPANS

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


def _new(told: list[Entries], mark: int) -> "tuple[array[int], list[Move]]":
    """Return the numbers of `put`, and the moves, beyond an offset. Messages may come twice: an offset counts once."""
    put = columns.read(told[0].put if len(told) == 1 else b"".join([entries.put for entries in told]))
    offsets = put[::_WIDTH]
    if put and (min(offsets) <= mark or (len(told) > 1 and len(set(offsets)) < len(offsets))):
        firsts = {offset: first for first, offset in zip(range(0, len(put), _WIDTH), offsets, strict=True)}
        kept = array(put.typecode)
        for offset, first in firsts.items():
            if offset > mark:
                kept += put[first : first + _WIDTH]
        put = kept
    moves = {move.offset: move for entries in told for move in entries.moves if move.offset > mark}
    return put, list(moves.values())


class Segment(msgspec.Struct, array_like=True):
    """`marks`: per source, the highest offset counted. One event is one entry, so an offset tells all of it.

    `jump`: what was found beside its neighbours, if anything was.
    """

    marks: dict[int, int] = msgspec.field(default_factory=dict)
    total: Histogram = msgspec.field(default_factory=histogram.empty)
    latest: Latest = msgspec.field(default_factory=Latest)
    spans: Spans = msgspec.field(default_factory=Spans)
    untold: Untold = msgspec.field(default_factory=Untold)
    jump: Jump | None = None

    def count(self, told: Mapping[int, list[Entries]]) -> bool:
        """Count entries, by their source, and each once: one at or below its source's mark is a replay.

        Say whether any was counted.
        """
        put: list[Plain] = []
        taken: list[Plain] = []
        for source, entries in told.items():
            mark = self.marks.get(source, -1)
            numbers, moves = _new(entries, mark)
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
        came, went = self.spans.change(put, taken)
        self.untold.change(came, went)
        return True

    def tell(self, tick: int | None) -> bytes:
        """Return hours that are over, as untold.py has them, and note that they were told; `tick`: its time in ms."""
        if tick is not None:
            return self.untold.tell(tick // HOUR, everything=True)
        return self.untold.tell((self.spans.until or 0) // HOUR - LATE, everything=False)

    def windows(self) -> dict[str, Histogram]:
        """Return the histogram of each window by its name."""
        windows = {ALL: self.total, LAST: self.latest.histogram()}
        for span, total in zip(SPANS, self.spans.totals, strict=True):
            windows[span.name] = total
        return windows
