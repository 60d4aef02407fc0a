"""The latest answers of a segment, by when they were given.

Order of event time (ties by the answer's id) instead of arrival makes the window independent of how partitions
interleave, of late arrivals and of replays. Some more answers than the window needs are kept, so that answers which a
correction moves elsewhere can be taken out and the window stay full; `floor` remembers what fell off the end, so that
an even older latecomer cannot slip in below it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from worker.nps import columns
from worker.nps.histogram import BINS, Histogram
from worker.nps.windows import LAST_N

#: Answers kept beyond the window: so many corrections to another segment are absorbed exactly.
SPARE = 28

#: The fields of a CountedAnswer without its name: messages bring them by the thousand, and named tuples are slow.
PlainAnswer = tuple[int, int, int]


class CountedAnswer(NamedTuple):
    """An answer as a segment counts it."""

    #: When it was given, in ms.
    at: int
    #: The id of its response, as a 63-bit number (worker/flow/ids.py).
    id: int
    #: From 0 to 10.
    score: int


class Latest(msgspec.Struct, array_like=True, gc=False):
    """The answers, oldest first, as columns; `floor`: time and id of the newest one that fell off."""

    at: bytes = b""
    id: bytes = b""
    score: bytes = b""
    floor: tuple[int, int] | None = None

    def change(self, put: Iterable[PlainAnswer], taken: list[PlainAnswer]) -> None:
        """Insert and remove answers.

        One that is to be removed and has fallen off already is not there, and that is right.
        """
        room = LAST_N + SPARE
        new = sorted(put if self.floor is None else [answer for answer in put if answer[:2] > self.floor])
        # What would fall off at once need not be inserted first.
        if (surplus := len(new) - room - len(taken)) > 0:
            self.floor = new[surplus - 1][:2]
            del new[:surplus]
        answers = _Answers(self)
        for answer in new:
            answers.insert(answer)
        for answer in taken:
            answers.remove(answer)
        if (surplus := len(answers) - room) > 0:
            last = answers.drop(surplus)
            self.floor = last if self.floor is None else max(self.floor, last)
        answers.write(self)

    def histogram(self) -> Histogram:
        """Return the histogram of the last LAST_N answers."""
        scores = self.score[-LAST_N:]
        return [scores.count(score) for score in range(BINS)]


class _Answers:
    """The columns while they are changed."""

    def __init__(self, latest: Latest) -> None:
        self._at, self._id, self._score = columns.read(latest.at), columns.read(latest.id), bytearray(latest.score)

    def __len__(self) -> int:
        return len(self._at)

    def insert(self, answer: PlainAnswer) -> None:
        at, number, score = answer
        if not self._at or at > self._at[-1]:
            self._at.append(at)
            self._id.append(number)
            self._score.append(score)
            return
        place = self._place(at, number)
        self._at.insert(place, at)
        self._id.insert(place, number)
        self._score.insert(place, score)

    def remove(self, answer: PlainAnswer) -> None:
        at, number, score = answer
        place = self._place(at, number)
        while place < len(self) and (self._at[place], self._id[place]) == (at, number):
            if self._score[place] == score:
                del self._at[place], self._id[place], self._score[place]
                return
            place += 1

    def drop(self, count: int) -> tuple[int, int]:
        """Drop the oldest; return time and id of the last of them."""
        last = self._at[count - 1], self._id[count - 1]
        del self._at[:count], self._id[:count], self._score[:count]
        return last

    def write(self, latest: Latest) -> None:
        latest.at, latest.id, latest.score = columns.write(self._at), columns.write(self._id), bytes(self._score)

    def _place(self, at: int, number: int) -> int:
        """Return where an answer is, or belongs."""
        times: array[int] = self._at
        place = bisect_left(times, at)
        while place < len(times) and times[place] == at and self._id[place] < number:
            place += 1
        return place
