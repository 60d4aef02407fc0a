"""Tallies: what a batch of responses adds to each segment and each of its ancestors. Many events, few messages."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.dead_letter import no_message
from worker.flow.lineage import paths_of
from worker.flow.messages.chunks import chunks
from worker.flow.timestamps import LATEST
from worker.nps import columns
from worker.nps.histogram import BINS
from worker.nps.latest import CountedAnswer, PlainAnswer
from worker.nps.segment import Entries, Move

#: An answer by the offset of the event, its time, its score, and the offset at which it was counted.
AnswerKey = tuple[int, int, int, int]
#: Answers that count for their customer beyond what the event says (1), or do not (-1).
Differences = list[tuple[AnswerKey, int]]


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """A message to one partition of segments: where the events came from, and their entries by the segment's path."""

    source: int
    segments: Mapping[str, Entries]


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Tally).decode
#: Bytes of one answer in a column: offset, time, id and score.
_ANSWER_BYTES = 4 * 8


def read(value: bytes | None) -> Tally:
    """Return the tally that a value is. Raise Rejected if it is none that can be counted."""
    try:
        message = decode(value or b"")
    except msgspec.DecodeError:
        raise no_message("tally") from None
    for path, entries in message.segments.items():
        moved = (answer for move in entries.moves for answer in (move.taken, move.put) if answer is not None)
        if (
            "\x00" in path
            or not _is_column(entries.put)
            or not _is_people(entries.people)
            or not all(_is_answer(at, score) for at, _, score in moved)
        ):
            raise no_message("tally")
    return message


def _is_column(put: bytes) -> bool:
    if len(put) % _ANSWER_BYTES:
        return False
    numbers = columns.read(put)
    times, scores = numbers[1::4], numbers[3::4]
    return not put or (_is_answer(min(times), min(scores)) and _is_answer(max(times), max(scores)))


def _is_people(people: bytes | None) -> bool:
    if not people:
        return True
    if len(people) % _ANSWER_BYTES:
        return False
    numbers = columns.read(people)
    times, codes = numbers[1::4], numbers[2::4]
    # A code is a score, or -1 - score.
    return min(times) >= 0 and max(times) <= LATEST and min(codes) >= -BINS and max(codes) < BINS


def _is_answer(at: int, score: int) -> bool:
    return 0 <= at <= LATEST and 0 <= score < BINS


class CountedUnder(NamedTuple):
    """What an answer counts under, besides the segment's ancestors."""

    segment: str
    #: Empty if the answer belongs to no survey.
    survey_id: str


class Tallies:
    """The entries of one batch: answers by the segment they were given in, corrections by each that they touch."""

    def __init__(self) -> None:
        self._put: dict[tuple[str, str], array[int]] = {}
        self._moves: dict[str, list[Move]] = {}
        self._people: dict[str, array[int]] = {}
        #: The offset of the event in hand, and the differences that it was entered with so far.
        self._event: int | None = None
        self._differences: list[Mapping[str, Differences]] = []

    def put(self, offset: int, under: tuple[str, str], answer: PlainAnswer) -> None:
        """Enter an answer to a segment, and so to each of its ancestors, and to its survey.

        `under` and `answer`: with the fields of CountedUnder and CountedAnswer. This is done for nearly every response,
        and to make the two named tuples would take longer than everything else.
        """
        put = self._put.get(under)
        if put is None:
            put = self._put[under] = array(columns.SIGNED)
        put.extend((offset, *answer))

    def move(
        self,
        offset: int,
        taken: tuple[CountedUnder, CountedAnswer] | None,
        put: tuple[CountedUnder, CountedAnswer] | None,
        taken_offset: int = -1,
    ) -> None:
        """Enter a correction: what it takes out of one segment's line and puts into another's.

        A segment has one move for each offset, as it tells a replay by that. `taken_offset`: as Move has it.
        """
        left = paths_of(*taken[0]) if taken else ()
        joined = paths_of(*put[0]) if put else ()
        for path in dict.fromkeys((*left, *joined)):
            gone = taken[1] if taken and path in left else None
            come = put[1] if put and path in joined else None
            moves = self._moves.setdefault(path, [])
            if moves and moves[-1].offset == offset:
                moves[-1] = replace(moves[-1], more=(*moves[-1].more, (gone, come, taken_offset)))
            else:
                moves.append(Move(offset, gone, come, taken_offset))

    def differ(self, offset: int, differences: Mapping[str, Differences]) -> None:
        """Enter what an event changes in which answers are their customers' latest, by segment.

        `offset`: of the event. Where it changes several answers, one after the other, only what it comes to is kept.
        """
        if offset != self._event:
            self._end_event()
            self._event = offset
        self._differences.append(differences)

    def outputs(self, source: int, owner: Callable[[bytes], int]) -> list[Output]:
        """Return one message to each partition that owns a segment, as `owner` says; several if it gets that much."""
        self._end_event()
        segments: dict[int, dict[str, Entries]] = defaultdict(dict)
        put = self._rolled_up()
        people = {path: columns.write(numbers) for path, numbers in self._people.items()}
        for path, numbers in put.items():
            entries = Entries(columns.write(numbers), self._moves.get(path, []), people.get(path, b""))
            segments[owner(path.encode())][path] = entries
        for path, moves in self._moves.items():
            if path not in put:
                segments[owner(path.encode())][path] = Entries(moves=moves, people=people.get(path, b""))
        return [output for partition, told in segments.items() for output in _messages(source, told, partition)]

    def _end_event(self) -> None:
        """Append the differences of one event to the columns of the segments."""
        told = self._differences
        if not told:
            return
        packed: Differences = []
        numbers = array(columns.SIGNED)
        for path, each in (told[0] if len(told) == 1 else _sum(told)).items():
            if each is not packed:  # mostly, all segments are told the same
                packed, numbers = each, _column(each)
            people = self._people.get(path)
            if people is None:
                self._people[path] = numbers[:]
            else:
                people.extend(numbers)
        told.clear()

    def _rolled_up(self) -> "dict[str, array[int]]":
        put: dict[str, array[int]] = {}
        for under, numbers in self._put.items():
            for path in paths_of(*under):
                known = put.get(path)
                if known is None:
                    put[path] = numbers[:]
                else:
                    known.extend(numbers)
        return put


def _sum(told: Iterable[Mapping[str, Differences]]) -> dict[str, Differences]:
    """Return what several changes of one event come to."""
    sums: dict[str, dict[AnswerKey, int]] = {}
    for differences in told:
        for path, each in differences.items():
            signs = sums.setdefault(path, {})
            for answer, sign in each:
                signs[answer] = signs.get(answer, 0) + sign
    return {path: [(answer, sign) for answer, sign in signs.items() if sign] for path, signs in sums.items()}


def _column(differences: Differences) -> "array[int]":
    numbers = array(columns.SIGNED)
    for (offset, at, score, counted), sign in differences:
        numbers.extend((offset, at, score if sign > 0 else -1 - score, counted))
    return numbers


def _messages(source: int, segments: Mapping[str, Entries], partition: int) -> list[Output]:
    values = chunks(segments, lambda some, _last: _encode(Tally(source, some)))
    return [Output(events.TALLIES, None, value, partition=partition) for value in values]
