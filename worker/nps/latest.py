"""The latest answers of a segment, by when they were given.

Order of event time (ties by the answer's id) instead of arrival makes the window independent of how partitions
interleave, of late arrivals and of replays. Some more answers than the window needs are kept, so that answers which a
correction moves elsewhere can be taken out and the window stay full; `floor` remembers what fell off the end, so that
an even older latecomer cannot slip in below it.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from worker.nps.histogram import Histogram, empty
from worker.nps.windows import LAST_N

#: Answers kept beyond the window: so many corrections to another segment are absorbed exactly.
SPARE = 28

#: A Given as it comes from a message or a row, by the thousand.
Plain = tuple[int, int, int]


class Given(NamedTuple):
    """One answer: event time in ms, the id of its response as a 63-bit number, its score."""

    at: int
    id: int
    score: int


def change(
    latest: list[Plain], floor: tuple[int, int] | None, put: Iterable[Plain], taken: Iterable[Plain]
) -> tuple[int, int] | None:
    """Insert and remove answers in place; return the new floor: the newest answer that fell off.

    One that is to be removed and has fallen off already is not there, and that is right.
    """
    latest += put if floor is None else [answer for answer in put if answer[:2] > floor]
    latest.sort()
    for answer in taken:
        index = bisect_left(latest, answer)
        if index < len(latest) and latest[index] == answer:
            del latest[index]
    surplus = len(latest) - LAST_N - SPARE
    if surplus > 0:
        floor = latest[surplus - 1][:2]
        del latest[:surplus]
    return floor


def histogram(latest: list[Plain]) -> Histogram:
    """Return the histogram of the last LAST_N answers."""
    bins = empty()
    for _, _, score in latest[-LAST_N:]:
        bins[score] += 1
    return bins
