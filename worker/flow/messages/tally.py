"""Tallies: what a batch of responses changes in each segment and each of its ancestors, in few messages."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.dead_letter import not_a_message
from worker.flow.messages.chunks import chunks
from worker.flow.timestamps import LATEST
from worker.lineage import paths_of
from worker.nps import columns
from worker.nps.histogram import BINS
from worker.nps.latest import CountedAnswer, PlainAnswer
from worker.nps.segment import Entries, Move

#: An answer: the offset of the response that is decided, the answer's time in ms, its score, and the offset at which it
#: was counted.
AnswerKey = tuple[int, int, int, int]
#: Answers that now count for their customer because of another answer (1), or no longer count (-1).
Differences = list[tuple[AnswerKey, int]]


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """A message to one partition of segments."""

    #: The partition of the responses.
    source: int
    #: What they change, by the segment's path.
    segments: Mapping[str, Entries]


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Tally).decode
#: How many numbers a column has for each answer: its offset, time, id's hash and score; for each difference as well.
_ANSWER_NUMBERS = 4
_NUMBER_BYTES = 8
#: The number of bytes of one answer in a column.
_ANSWER_BYTES = _ANSWER_NUMBERS * _NUMBER_BYTES


def read(value: bytes | None) -> Tally:
    """Decode a tally. Raise Rejected if the value is not a tally, or if its numbers are out of range."""
    try:
        message = decode(value or b"")
    except msgspec.DecodeError:
        raise not_a_message("tally") from None
    for path, entries in message.segments.items():
        changes = (change for move in entries.moves for change in move.changes)
        moved = (answer for taken, put, _ in changes for answer in (taken, put) if answer is not None)
        if (
            "\x00" in path
            or not _is_column(entries.put)
            or not _is_people(entries.people)
            or len(entries.history) % _NUMBER_BYTES
            or not all(_is_answer(at, score) for at, _, score in moved)
        ):
            raise not_a_message("tally")
    return message


def _is_column(put: bytes) -> bool:
    if len(put) % _ANSWER_BYTES:
        return False
    numbers = columns.read(put)
    times, scores = numbers[1::_ANSWER_NUMBERS], numbers[3::_ANSWER_NUMBERS]
    return not put or (_is_answer(min(times), min(scores)) and _is_answer(max(times), max(scores)))


def _is_people(people: bytes | None) -> bool:
    if not people:
        return True
    if len(people) % _ANSWER_BYTES:
        return False
    numbers = columns.read(people)
    times, codes = numbers[1::_ANSWER_NUMBERS], numbers[2::_ANSWER_NUMBERS]
    # A code is a score, or -1 - score.
    return min(times) >= 0 and max(times) <= LATEST and min(codes) >= -BINS and max(codes) < BINS


def _is_answer(at: int, score: int) -> bool:
    return 0 <= at <= LATEST and 0 <= score < BINS


class CountedUnder(NamedTuple):
    """What an answer counts for, besides the segment's ancestors."""

    #: The path of the segment.
    segment: str
    #: Empty if the survey is not known.
    survey_id: str


class Tallies:
    """Collects what one batch of responses changes in the segments."""

    def __init__(self) -> None:
        #: The columns of new answers, by the fields of CountedUnder.
        self._put: dict[tuple[str, str], array[int]] = {}
        #: The corrections, by the path of each segment that they change.
        self._moves: dict[str, list[Move]] = {}
        #: The columns of new answers by the paths of the sources by which they came.
        self._arrived: dict[str, array[int]] = {}
        #: The columns of differences (worker/nps/people.py), by the path of the segment.
        self._people: dict[str, array[int]] = {}
        #: The offsets of the new answers that are of the past.
        self._history: set[int] = set()
        #: The offset of the response that is being decided, and its differences so far.
        self._offset: int | None = None
        self._differences: list[Mapping[str, Differences]] = []

    def put(self, offset: int, under: tuple[str, str], answer: PlainAnswer) -> None:
        """Add a new answer: to its segment, the segment's ancestors, and its survey.

        `offset`: of the response; `under`, `answer`: the fields of CountedUnder and of CountedAnswer, as plain tuples.
        This is called for nearly every response, and to make the two named tuples would take longer than all the rest.
        """
        put = self._put.get(under)
        if put is None:
            put = self._put[under] = array(columns.SIGNED)
        put.extend((offset, *answer))

    def note_arrival(self, offset: int, path: str, answer: PlainAnswer) -> None:
        """Count a new answer for the source by which it came. Corrections do not change what a source has delivered.

        `path`: of the source.
        """
        arrived = self._arrived.get(path)
        if arrived is None:
            arrived = self._arrived[path] = array(columns.SIGNED)
        arrived.extend((offset, *answer))

    def move(
        self,
        offset: int,
        taken: tuple[CountedUnder, CountedAnswer] | None,
        put: tuple[CountedUnder, CountedAnswer] | None,
        taken_offset: int = -1,
        *,
        is_history: bool = False,
    ) -> None:
        """Add a correction of an answer, which takes it out, or puts it in, or both.

        `offset`: of the response that causes it; `taken_offset`: at which the answer that is taken out was counted;
        `is_history`: whether the answer is of the past, whatever the response is that causes this. A segment gets one
        move for each offset, since it recognises a replay by the offset.
        """
        taken_from = paths_of(*taken[0]) if taken else ()
        put_to = paths_of(*put[0]) if put else ()
        for path in dict.fromkeys((*taken_from, *put_to)):
            taken_here = taken[1] if taken and path in taken_from else None
            put_here = put[1] if put and path in put_to else None
            moves = self._moves.setdefault(path, [])
            if moves and moves[-1].offset == offset:
                last = moves[-1]
                past = (*(last.past or ()), len(last.changes)) if is_history else last.past
                moves[-1] = replace(last, more=(*last.more, (taken_here, put_here, taken_offset)), past=past)
            else:
                moves.append(Move(offset, taken_here, put_here, taken_offset, past=(0,) if is_history else ()))

    def note_history(self, offset: int) -> None:
        """Note that the new answer at an offset is of the past: no incident is made of it."""
        self._history.add(offset)

    def add_differences(self, offset: int, differences: Mapping[str, Differences]) -> None:
        """Add the differences that a response makes, by the segment's path: which answers are their customers' latest.

        `offset`: of the response. If it changes several answers, one after the other, their differences are added up.
        """
        if offset != self._offset:
            self._end_response()
            self._offset = offset
        self._differences.append(differences)

    def outputs(self, source: int, owner: Callable[[bytes], int]) -> list[Output]:
        """Return the messages: one to each partition of segments that is concerned, or several if one is too large.

        `source`: the partition of the responses; `owner`: returns the partition of a segment by its key.
        """
        self._end_response()
        segments: dict[int, dict[str, Entries]] = defaultdict(dict)
        put = self._put_by_path()
        people = {path: columns.write(numbers) for path, numbers in self._people.items()}
        for path, numbers in put.items():
            moves, history = self._moves.get(path, []), self._history_in(numbers)
            entries = Entries(columns.write(numbers), moves, people.get(path, b""), history)
            segments[owner(path.encode())][path] = entries
        for path, moves in self._moves.items():
            if path not in put:
                segments[owner(path.encode())][path] = Entries(moves=moves, people=people.get(path, b""))
        return [output for partition, some in segments.items() for output in _messages(source, some, partition)]

    def _history_in(self, numbers: "array[int]") -> bytes:
        """Return the column of the offsets of those answers in a column that are of the past."""
        if not self._history:
            return b""
        offsets = self._history.intersection(numbers[::_ANSWER_NUMBERS])
        return columns.write(array(columns.SIGNED, sorted(offsets)))

    def _end_response(self) -> None:
        """Append the differences of one response to the columns of the segments."""
        collected = self._differences
        if not collected:
            return
        last: Differences = []
        numbers = array(columns.SIGNED)
        for path, differences in (collected[0] if len(collected) == 1 else _sum(collected)).items():
            if differences is not last:  # mostly, all segments share one list
                last, numbers = differences, _column(differences)
            people = self._people.get(path)
            if people is None:
                self._people[path] = numbers[:]
            else:
                people.extend(numbers)
        collected.clear()

    def _put_by_path(self) -> "dict[str, array[int]]":
        """Return the columns of new answers by the path of each segment and survey that they count for."""
        put = dict(self._arrived)
        for under, numbers in self._put.items():
            for path in paths_of(*under):
                known = put.get(path)
                if known is None:
                    put[path] = numbers[:]
                else:
                    known.extend(numbers)
        return put


def _sum(collected: Iterable[Mapping[str, Differences]]) -> dict[str, Differences]:
    """Return the sum of several differences, by path. An answer whose differences cancel each other is left out."""
    sums: dict[str, dict[AnswerKey, int]] = {}
    for by_path in collected:
        for path, differences in by_path.items():
            signs = sums.setdefault(path, {})
            for answer, sign in differences:
                signs[answer] = signs.get(answer, 0) + sign
    return {path: [(answer, sign) for answer, sign in signs.items() if sign] for path, signs in sums.items()}


def _column(differences: Differences) -> "array[int]":
    """Return differences as the numbers of a column (worker/nps/people.py)."""
    numbers = array(columns.SIGNED)
    for (offset, at, score, counted), sign in differences:
        numbers.extend((offset, at, score if sign > 0 else -1 - score, counted))
    return numbers


def _messages(source: int, segments: Mapping[str, Entries], partition: int) -> list[Output]:
    values = chunks(segments, lambda some, _last: _encode(Tally(source, some)))
    return [Output(events.TALLIES, None, value, partition=partition) for value in values]
