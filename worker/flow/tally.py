"""Tallies: what a batch of responses adds to each segment and each of its ancestors. Many events, few messages."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from worker.flow import outbox
from worker.flow.dead_letter import no_message
from worker.flow.lineage import paths_of
from worker.flow.moment import LATEST
from worker.flow.outbox import Output
from worker.flow.parts import parts
from worker.flow.people import AnswerKey, Differences
from worker.nps import columns
from worker.nps.histogram import BINS
from worker.nps.latest import Given
from worker.nps.segment import Entries, Move


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
        moved = (given for move in entries.moves for given in (move.taken, move.put) if given is not None)
        if (
            "\x00" in path
            or not _is_column(entries.put)
            or not _is_people(entries.people)
            or not all(_is_given(at, score) for at, _, score in moved)
        ):
            raise no_message("tally")
    return message


def _is_column(put: bytes) -> bool:
    if len(put) % _ANSWER_BYTES:
        return False
    numbers = columns.read(put)
    times, scores = numbers[1::4], numbers[3::4]
    return not put or (_is_given(min(times), min(scores)) and _is_given(max(times), max(scores)))


def _is_people(people: bytes | None) -> bool:
    if not people:
        return True
    if len(people) % _ANSWER_BYTES:
        return False
    numbers = columns.read(people)
    times, codes = numbers[1::4], numbers[2::4]
    # A code is a score, or -1 - score.
    return min(times) >= 0 and max(times) <= LATEST and min(codes) >= -BINS and max(codes) < BINS


def _is_given(at: int, score: int) -> bool:
    return 0 <= at <= LATEST and 0 <= score < BINS


class Where(NamedTuple):
    """What an answer was given to."""

    segment: str
    survey_id: str


class Tallies:
    """The entries of one batch: answers by the segment they were given in, corrections by each that they touch."""

    def __init__(self) -> None:
        self._put: dict[Where, array[int]] = {}
        self._moves: dict[str, list[Move]] = {}
        self._people: dict[str, dict[AnswerKey, int]] = {}

    def put(self, offset: int, where: Where, given: Given) -> None:
        """Enter an answer to a segment, and so to each of its ancestors, and to its survey."""
        put = self._put.get(where)
        if put is None:
            put = self._put[where] = array(columns.SIGNED)
        put.extend((offset, *given))

    def move(
        self, offset: int, taken: tuple[Where, Given] | None, put: tuple[Where, Given] | None, taken_offset: int = -1
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

    def differ(self, differences: Mapping[str, Differences]) -> None:
        """Enter what an event changes in which answers are their customers' latest, by segment.

        Where an event changes several answers, one after the other, only what it comes to is kept.
        """
        for path, each in differences.items():
            people = self._people.setdefault(path, {})
            for answer, sign in each:
                people[answer] = people.get(answer, 0) + sign

    def outputs(self, source: int, owner: Callable[[bytes], int]) -> list[Output]:
        """Return one message to each partition that owns a segment, as `owner` says; several if it gets that much."""
        segments: dict[int, dict[str, Entries]] = defaultdict(dict)
        put = self._rolled_up()
        people = {path: _column(differences) for path, differences in self._people.items()}
        for path, numbers in put.items():
            entries = Entries(columns.write(numbers), self._moves.get(path, []), people.get(path, b""))
            segments[owner(path.encode())][path] = entries
        for path in self._moves.keys() - put.keys():
            segments[owner(path.encode())][path] = Entries(moves=self._moves[path], people=people.get(path, b""))
        return [output for partition, told in segments.items() for output in _messages(source, told, partition)]

    def _rolled_up(self) -> "dict[str, array[int]]":
        put: dict[str, array[int]] = {}
        for where, numbers in self._put.items():
            for path in paths_of(*where):
                known = put.get(path)
                if known is None:
                    put[path] = numbers[:]
                else:
                    known.extend(numbers)
        return put


def _column(differences: Mapping[AnswerKey, int]) -> bytes:
    numbers = array(columns.SIGNED)
    for (offset, at, score, counted), sign in differences.items():
        if sign:
            numbers.extend((offset, at, score if sign > 0 else -1 - score, counted))
    return columns.write(numbers)


def _messages(source: int, segments: Mapping[str, Entries], partition: int) -> list[Output]:
    values = parts(segments, lambda some, _last: _encode(Tally(source, some)))
    return [Output(outbox.TALLIES, None, value, partition=partition) for value in values]
