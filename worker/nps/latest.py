"""The latest answers of a segment, by the time at which they were given.

The order is that of event time, and of the ids' hashes if times are equal. So the window does not depend on the order
of arrival: not on how partitions interleave, on late answers or on replays. More answers are kept than the window
needs, so that it stays full when a correction takes answers out. `floor` is the newest answer that was dropped: an
answer that is older still is not put in.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from worker.nps import columns
from worker.nps.histogram import BINS, Histogram
from worker.nps.windows import LAST_N

#: The number of answers that are kept beyond the window. As many can be taken out, and the window is still exact.
SPARE = 100

#: The fields of a CountedAnswer, as a plain tuple. Messages bring thousands of them, and named tuples are slow.
PlainAnswer = tuple[int, int, int]


class CountedAnswer(NamedTuple):
    """An answer as a segment counts it."""

    #: When it was given, in ms.
    at: int
    #: The hash of its response's id (worker/flow/ids.py).
    id_hash: int
    #: From 0 to 10.
    score: int


class Latest(msgspec.Struct, array_like=True, gc=False):
    """The latest answers as columns, the oldest answer first."""

    #: When each was given, in ms.
    at: bytes = b""
    #: The hash of each response's id.
    id_hash: bytes = b""
    #: The score of each, one byte long.
    score: bytes = b""
    #: The time and the id's hash of the newest answer that was dropped; None if none was.
    floor: tuple[int, int] | None = None

    def change(self, put: Iterable[PlainAnswer], taken: list[PlainAnswer]) -> None:
        """Put answers in, and take others out. An answer that was dropped already need not be taken out."""
        room = LAST_N + SPARE
        new = sorted(put if self.floor is None else [answer for answer in put if answer[:2] > self.floor])
        # Answers that would be dropped at once are not put in first.
        if (excess := len(new) - room - len(taken)) > 0:
            self.floor = new[excess - 1][:2]
            del new[:excess]
        answers = _Answers(self)
        for answer in new:
            answers.insert(answer)
        for answer in taken:
            answers.remove(answer)
        if (excess := len(answers) - room) > 0:
            last = answers.drop(excess)
            self.floor = last if self.floor is None else max(self.floor, last)
        answers.write(self)

    def histogram(self) -> Histogram:
        """Return the histogram of the last LAST_N answers."""
        scores = self.score[-LAST_N:]
        return [scores.count(score) for score in range(BINS)]


class _Answers:
    """The columns while they are changed."""

    def __init__(self, latest: Latest) -> None:
        self._at, self._id_hash = columns.read(latest.at), columns.read(latest.id_hash)
        self._score = bytearray(latest.score)

    def __len__(self) -> int:
        return len(self._at)

    def insert(self, answer: PlainAnswer) -> None:
        at, id_hash, score = answer
        if not self._at or at > self._at[-1]:
            self._at.append(at)
            self._id_hash.append(id_hash)
            self._score.append(score)
            return
        place = self._place(at, id_hash)
        self._at.insert(place, at)
        self._id_hash.insert(place, id_hash)
        self._score.insert(place, score)

    def remove(self, answer: PlainAnswer) -> None:
        at, id_hash, score = answer
        place = self._place(at, id_hash)
        while place < len(self) and (self._at[place], self._id_hash[place]) == (at, id_hash):
            if self._score[place] == score:
                del self._at[place], self._id_hash[place], self._score[place]
                return
            place += 1

    def drop(self, count: int) -> tuple[int, int]:
        """Drop the oldest answers; return the time and the id's hash of the newest of them."""
        last = self._at[count - 1], self._id_hash[count - 1]
        del self._at[:count], self._id_hash[:count], self._score[:count]
        return last

    def write(self, latest: Latest) -> None:
        latest.at, latest.id_hash = columns.write(self._at), columns.write(self._id_hash)
        latest.score = bytes(self._score)

    def _place(self, at: int, id_hash: int) -> int:
        """Return the index at which an answer is, or where it has to be put in."""
        times: array[int] = self._at
        place = bisect_left(times, at)
        while place < len(times) and times[place] == at and self._id_hash[place] < id_hash:
            place += 1
        return place
