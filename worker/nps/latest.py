"""The latest answers of a segment, by when they were given.

Order of event time (ties by the answer's id) instead of arrival makes the window independent of how partitions
interleave, of late arrivals and of replays. Some more answers than the window needs are kept, so that answers which a
correction moves elsewhere can be taken out and the window stay full; `floor` remembers what fell off the end, so that
an even older latecomer cannot slip in below it.
"""

from bisect import bisect_left
from typing import NamedTuple

from worker.nps.histogram import Histogram, empty
from worker.nps.windows import LAST_N

#: Answers kept beyond the window: so many corrections to another segment are absorbed exactly.
SPARE = 28


class Given(NamedTuple):
    """One answer: event time in ms, the id of its response as a 63-bit number, its score."""

    at: int
    id: int
    score: int


def put(latest: list[Given], floor: tuple[int, int] | None, given: Given) -> tuple[int, int] | None:
    """Insert an answer in place; return the new floor: the newest answer that fell off."""
    if floor is not None and given[:2] <= floor:
        return floor
    latest.insert(bisect_left(latest, given), given)
    if len(latest) > LAST_N + SPARE:
        floor = latest.pop(0)[:2]
    return floor


def take(latest: list[Given], given: Given) -> None:
    """Remove an answer in place; one that fell off already is not there, and that is right."""
    index = bisect_left(latest, given)
    if index < len(latest) and latest[index] == given:
        del latest[index]


def histogram(latest: list[Given]) -> Histogram:
    """Return the histogram of the last LAST_N answers."""
    bins = empty()
    for given in latest[-LAST_N:]:
        bins[given[2]] += 1
    return bins
