"""A segment: everything that its NPS is computed from, and up to which offsets answers have been counted."""

from array import array
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from worker.nps import columns, histogram
from worker.nps.buckets import Cells
from worker.nps.histogram import Histogram
from worker.nps.jump import Jump
from worker.nps.latest import CountedAnswer, Latest, PlainAnswer
from worker.nps.people import WIDTH as PEOPLE_WIDTH
from worker.nps.people import Difference, People
from worker.nps.spans import Spans, by_hour
from worker.nps.unreported import LATE, UnreportedHours
from worker.nps.usage import LeftOut
from worker.nps.windows import ALL, HOUR, LAST, SPANS, WIDEST_HOURS

#: How many numbers of `Entries.put` are one answer.
_WIDTH = 4


class Move(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How one record corrects one segment: it takes an answer out, or puts one in, or both."""

    #: The offset of the record.
    offset: int
    #: The answer that is taken out, which is that of the previous revision.
    taken: CountedAnswer | None
    #: The answer that is put in.
    put: CountedAnswer | None
    #: The offset at which the answer that is taken out was counted; -1 in messages of versions that did not say.
    taken_offset: int = -1
    #: Further answers that the same record takes out or puts in, such as those of a burst. Their fields are `taken`,
    #: `put` and `taken_offset`.
    more: tuple[tuple[CountedAnswer | None, CountedAnswer | None, int], ...] = ()
    #: The places in `changes` of the answers that are of the past, from 0. None in messages of versions that said this
    #: of all that a record changes (`Entries.history`).
    past: tuple[int, ...] | None = None

    @property
    def changes(self) -> tuple[tuple[CountedAnswer | None, CountedAnswer | None, int], ...]:
        """All answers that are taken out and put in; the fields are `taken`, `put` and `taken_offset`."""
        return (self.taken, self.put, self.taken_offset), *self.more

    def places_of_past(self, history: Container[int]) -> Sequence[int]:
        """Return the places in `changes` of the answers that are of the past.

        `history`: the offsets that messages name as those of the past.
        """
        if self.past is not None:
            return self.past
        return range(len(self.changes)) if self.offset in history else ()


class Entries(msgspec.Struct, array_like=True, gc=False):
    """What responses of one partition change in one segment, in any order."""

    #: The new answers: a column of the offset, the time in ms, the id's hash and the score of each.
    put: bytes = b""
    #: The corrections.
    moves: list[Move] = []
    #: A column of the differences, where a customer has given other answers (people.py); None in messages of versions
    #: that did not count by customer.
    people: bytes | None = None
    #: A column of the offsets of those answers in `put` that are of the past: they count, and are not reported to the
    #: stage that watches over all segments. In messages of versions without `Move.past`, it is true of `moves` as well.
    history: bytes = b""


def _new(messages: list[Entries], mark: int) -> "tuple[array[int], list[Move]]":
    """Return the numbers of `put`, and the moves, beyond an offset. Messages may repeat an offset: it counts once."""
    put = columns.read(messages[0].put if len(messages) == 1 else b"".join([entries.put for entries in messages]))
    offsets = put[::_WIDTH]
    if put and (min(offsets) <= mark or (len(messages) > 1 and len(set(offsets)) < len(offsets))):
        firsts = {offset: first for first, offset in zip(range(0, len(put), _WIDTH), offsets, strict=True)}
        kept = array(put.typecode)
        for offset, first in firsts.items():
            if offset > mark:
                kept += put[first : first + _WIDTH]
        put = kept
    moves = {move.offset: move for entries in messages for move in entries.moves if move.offset > mark}
    return put, list(moves.values())


def _differences(messages: list[Entries], mark: int) -> Iterable[Difference]:
    """Return the differences beyond an offset, each once. One response causes at most three, and no two are equal."""
    numbers = columns.read(b"".join([entries.people for entries in messages if entries.people]))
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


def _without(cells: Cells, answers: list[PlainAnswer]) -> Cells:
    """Return the numbers of answers by hour and score without those of some of the answers."""
    if not answers:
        return cells
    fewer = {cell: cells[cell] - n for cell, n in by_hour(answers).items()}
    return {cell: n for cell, n in {**cells, **fewer}.items() if n}


class _Changes(NamedTuple):
    """What new entries change in all: the answers put in, the answers taken out, and the differences by customer.

    `old_put`, `old_taken`: those of them that are of the past.
    """

    put: list[PlainAnswer]
    taken: list[PlainAnswer]
    differences: list[Difference]
    old_put: list[PlainAnswer]
    old_taken: list[PlainAnswer]


class Segment(msgspec.Struct, array_like=True):
    """The row of a segment or a survey. Hours are counted since 1970.

    A source is a partition of the responses topic.
    """

    #: For each source: the highest offset that was counted. A response makes one entry, so an offset stands for all of
    #: it.
    marks: dict[int, int] = msgspec.field(default_factory=dict)
    #: All answers.
    total: Histogram = msgspec.field(default_factory=histogram.empty)
    #: The latest answers.
    latest: Latest = msgspec.field(default_factory=Latest)
    #: The windows over time.
    spans: Spans = msgspec.field(default_factory=Spans)
    #: The hours that have not been reported to the stage that watches over all segments.
    unreported: UnreportedHours = msgspec.field(default_factory=UnreportedHours)
    #: How promoters rose in this segment and not among its siblings; None if they did not.
    jump: Jump | None = None
    #: The first hour in which a tick changes anything here.
    due: int = 0
    #: The time, in ms, of the last tick that this row took part in, or that came before its first answer.
    last_tick: int = 0
    #: The hour in which answers last arrived, by Kafka's time; 0 if it is not known.
    last_arrival: int = 0
    #: For each source: the first offset that was counted after this row was made. Earlier answers are in no window. A
    #: source that only `marks` has was counted before rows had this field.
    first_offsets: dict[int, int] = msgspec.field(default_factory=dict)
    #: Each customer's latest answer; None in rows of versions that did not count by customer.
    people: People | None = None
    #: Whether the log has said that the answers look as if they were given on another scale.
    scale_reported: bool = False
    #: Only in the row that says when the last tick was: the last answer for whose segment there was no room in the
    #: partition.
    left_out: LeftOut | None = None

    def count(self, by_source: Mapping[int, list[Entries]]) -> bool:
        """Count entries, each once. An entry at or below its source's mark is a replay.

        Say whether any entry was counted. A correction takes out only what has been counted here. A segment that was
        forgotten, or for which there was no room, does not know the answers that came before its row was made.
        """
        changes = _Changes([], [], [], [], [])
        for source, entries in by_source.items():
            self._take_in(source, entries, changes)
        put, taken, differences, old_put, old_taken = changes
        if not put and not taken:
            return False
        for _, _, score in put:
            self.total[score] += 1
        for _, _, score in taken:
            self.total[score] = max(0, self.total[score] - 1)
        self.latest.change(put, taken)
        put_cells, taken_cells = self.spans.change(put, taken)
        self.unreported.change(_without(put_cells, old_put), _without(taken_cells, old_taken))
        if self.people is not None:
            self.people.change(put_cells, taken_cells, differences, self.spans.until or 0)
        return True

    def _take_in(self, source: int, entries: list[Entries], changes: _Changes) -> None:
        """Add what is new in a source's entries to the changes, and note how far the entries go."""
        last = self.marks.get(source, -1)
        numbers, moves = _new(entries, last)
        if not numbers and not moves:
            return
        offsets = [*numbers[::_WIDTH], *(move.offset for move in moves)]
        if source not in self.marks:
            self.first_offsets[source] = min(offsets)
        self.marks[source] = max(offsets)
        answers = list(zip(numbers[1::_WIDTH], numbers[2::_WIDTH], numbers[3::_WIDTH], strict=True))
        changes.put.extend(answers)
        history = {offset for one in entries if one.history for offset in columns.read(one.history)}
        if history:
            offsets_put = numbers[::_WIDTH]
            changes.old_put.extend(one for offset, one in zip(offsets_put, answers, strict=True) if offset in history)
        for move in moves:
            past = move.places_of_past(history)
            for place, (taken, put, taken_offset) in enumerate(move.changes):
                is_old = place in past
                if put is not None:
                    changes.put.append(put)
                    if is_old:
                        changes.old_put.append(put)
                if taken is not None and self._has(source, taken_offset):
                    changes.taken.append(taken)
                    if is_old:
                        changes.old_taken.append(taken)
        first = self.first_offsets.get(source, -1)
        changes.differences.extend(
            (offset, at, code, counted)
            for offset, at, code, counted in _differences(entries, last)
            if counted < 0 or counted >= first
        )

    def _has(self, source: int, offset: int) -> bool:
        """Say whether the answer at a source's offset has been counted here; if that is not known, say yes."""
        return offset < 0 or offset >= self.first_offsets.get(source, -1)

    def catch_up(self, time: int) -> None:
        """Take part in the ticks up to a time, in ms, which left this row out because they changed nothing in it."""
        if time > self.last_tick:
            self.last_tick = time
            self.spans.tick(time)
            self.unreported.reported_until = max(self.unreported.reported_until, time // HOUR - 1)

    def tick(self, time: int) -> bool:
        """Let the windows end at a tick's time, in ms. Say whether that has moved them."""
        self.last_tick = max(self.last_tick, time)
        self.last_arrival = self.last_arrival or time // HOUR
        return self.spans.tick(time)

    def can_be_forgotten(self, time: int) -> bool:
        """Say whether the segment can be forgotten: in the widest window before a tick no answer was given or arrived.

        `time`: of the tick, in ms.
        """
        return not self.unreported.hours and self.spans.is_empty and time // HOUR >= self._forgotten_from

    @property
    def next_change(self) -> int:
        """The first hour, counted since 1970, in which a tick changes anything here, or an earlier hour."""
        changes = [*(hour + 1 for hour in self.unreported.hours), *self.spans.changes()]
        return min(changes) if changes else self._forgotten_from

    @property
    def _forgotten_from(self) -> int:
        return self.last_arrival + WIDEST_HOURS

    def report_hours(self, tick: int | None) -> bytes:
        """Return hours that have ended, as a column (unreported.py), and note that they are reported.

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
