"""A segment: everything its NPS is computed from, and what has been counted already."""

from array import array
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from worker.nps import columns, histogram
from worker.nps.histogram import Histogram
from worker.nps.jump import Jump
from worker.nps.latest import CountedAnswer, Latest, PlainAnswer
from worker.nps.people import WIDTH as PEOPLE_WIDTH
from worker.nps.people import Difference, People
from worker.nps.spans import Spans
from worker.nps.unreported import LATE, UnreportedHours
from worker.nps.usage import LeftOut
from worker.nps.windows import ALL, HOUR, LAST, SPANS, WIDEST_HOURS

#: How many numbers of `Entries.put` are one answer.
_WIDTH = 4


class Move(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record's effect on one segment: the answer it takes out (of the revision before) and the one it puts in.

    `more`: further answers that the same record takes out or puts in, such as those of a burst, each pair with the
    offset at which the one that is taken out was counted.
    """

    offset: int
    taken: CountedAnswer | None
    put: CountedAnswer | None
    taken_offset: int = -1  # at which the answer that is taken out was counted; -1: by a version that did not say
    more: tuple[tuple[CountedAnswer | None, CountedAnswer | None, int], ...] = ()

    @property
    def changes(self) -> tuple[tuple[CountedAnswer | None, CountedAnswer | None, int], ...]:
        """What is taken out and put in, pair by pair, with the offset of what is taken out."""
        return (self.taken, self.put, self.taken_offset), *self.more


class Entries(msgspec.Struct, array_like=True, gc=False):
    """What responses of one source add to one segment, in any order.

    `put`: a column of offset, time, id and score of each answer, one after the other; `moves`: the corrections;
    `people`: a column of the differences where a customer has given other answers (people.py), None: by a version that
    did not count by customer.
    """

    put: bytes = b""
    moves: list[Move] = []
    people: bytes | None = None


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


def _differences(told: list[Entries], mark: int) -> Iterable[Difference]:
    """Return the differences beyond an offset, each once: an event has at most three of a segment, none alike."""
    numbers = columns.read(b"".join([entries.people for entries in told if entries.people]))
    if not numbers:
        return ()
    each = zip(
        numbers[::PEOPLE_WIDTH],
        numbers[1::PEOPLE_WIDTH],
        numbers[2::PEOPLE_WIDTH],
        numbers[3::PEOPLE_WIDTH],
        strict=True,
    )
    return [difference for difference in dict.fromkeys(each) if difference[0] > mark]


class _News(NamedTuple):
    """What entries come to: answers put in, answers taken out, and differences by customer."""

    put: list[PlainAnswer]
    taken: list[PlainAnswer]
    differences: list[Difference]


class Segment(msgspec.Struct, array_like=True):
    """`marks`: per source, the highest offset counted. One event is one entry, so an offset tells all of it.

    `jump`: what was found beside its neighbours, if anything was. `due`: the first hour since 1970 in which a tick
    changes anything here. `ticked`: the time in ms of the last tick that this row took part in, or that was before its
    first answer. `counted`: the hour in which answers last arrived, by Kafka's time; 0: not known. `first`: per source,
    the first offset counted since the row is here; an answer of before is in no window. A source that only `marks` has
    is older than this field. `people`: each customer's latest answers; None in a row of the version before.
    `scale_reported`: the log has said that the answers look as if they were given on another scale. `left_out`: only in
    the row that says when the last tick was: the last answer that found no room in the partition.
    """

    marks: dict[int, int] = msgspec.field(default_factory=dict)
    total: Histogram = msgspec.field(default_factory=histogram.empty)
    latest: Latest = msgspec.field(default_factory=Latest)
    spans: Spans = msgspec.field(default_factory=Spans)
    unreported: UnreportedHours = msgspec.field(default_factory=UnreportedHours)
    jump: Jump | None = None
    due: int = 0
    ticked: int = 0
    counted: int = 0
    first: dict[int, int] = msgspec.field(default_factory=dict)
    people: People | None = None
    scale_reported: bool = False
    left_out: LeftOut | None = None

    def count(self, told: Mapping[int, list[Entries]]) -> bool:
        """Count entries, by their source, and each once: one at or below its source's mark is a replay.

        Say whether any was counted. A correction takes out only what has been counted here: the row of a segment that
        was forgotten, or for which there was no room, knows nothing of answers of before.
        """
        news = _News([], [], [])
        for source, entries in told.items():
            self._take_in(source, entries, news)
        put, taken, differences = news
        if not put and not taken:
            return False
        for _, _, score in put:
            self.total[score] += 1
        for _, _, score in taken:
            self.total[score] = max(0, self.total[score] - 1)
        self.latest.change(put, taken)
        came, went = self.spans.change(put, taken)
        self.unreported.change(came, went)
        if self.people is not None:
            self.people.change(came, went, differences, self.spans.until or 0)
        return True

    def _take_in(self, source: int, entries: list[Entries], news: _News) -> None:
        """Add to the news what is new of a source's entries, and note how far they go."""
        last = self.marks.get(source, -1)
        numbers, moves = _new(entries, last)
        if not numbers and not moves:
            return
        offsets = [*numbers[::_WIDTH], *(move.offset for move in moves)]
        if source not in self.marks:
            self.first[source] = min(offsets)
        self.marks[source] = max(offsets)
        news.put.extend(zip(numbers[1::_WIDTH], numbers[2::_WIDTH], numbers[3::_WIDTH], strict=True))
        for taken, put, taken_offset in (change for move in moves for change in move.changes):
            if put is not None:
                news.put.append(put)
            if taken is not None and self._has(source, taken_offset):
                news.taken.append(taken)
        first = self.first.get(source, -1)
        news.differences.extend(
            (offset, at, code, counted)
            for offset, at, code, counted in _differences(entries, last)
            if counted < 0 or counted >= first
        )

    def _has(self, source: int, offset: int) -> bool:
        """Say whether an answer has been counted here, as far as is known."""
        return offset < 0 or offset >= self.first.get(source, -1)

    def catch_up(self, time: int) -> None:
        """Take part in the ticks up to a time, in ms, that have passed the row over because they changed nothing."""
        if time > self.ticked:
            self.ticked = time
            self.spans.tick(time)
            self.unreported.reported_until = max(self.unreported.reported_until, time // HOUR - 1)

    def tick(self, time: int) -> bool:
        """Let the windows end at a tick's time, in ms; say whether they have moved on."""
        self.ticked = max(self.ticked, time)
        self.counted = self.counted or time // HOUR
        return self.spans.tick(time)

    def is_over(self, time: int) -> bool:
        """Say whether neither an answer was given, nor one has arrived, within the widest window before a tick."""
        return not self.unreported.hours and self.spans.is_empty and time // HOUR >= self._forgotten_in

    @property
    def next_change(self) -> int:
        """The first hour since 1970 in which a tick changes anything, or an earlier one."""
        changes = [*(hour + 1 for hour in self.unreported.hours), *self.spans.changes()]
        return min(changes) if changes else self._forgotten_in

    @property
    def _forgotten_in(self) -> int:
        return self.counted + WIDEST_HOURS

    def report_hours(self, tick: int | None) -> bytes:
        """Return hours that are over, as a column (unreported.py), and note that they are reported.

        `tick`: the time of a tick, in ms; None without one.
        """
        if tick is not None:
            return self.unreported.report(tick // HOUR, everything=True)
        return self.unreported.report((self.spans.until or 0) // HOUR - LATE, everything=False)

    def windows(self) -> dict[str, Histogram]:
        """Return the histogram of each window by its name."""
        windows = {ALL: self.total, LAST: self.latest.histogram()}
        for span, total in zip(SPANS, self.spans.totals, strict=True):
            windows[span.name] = total
        return windows
