"""A fall after a rise that did not last: the level of before is no drop.

A baseline follows a level that has risen for some weeks. When the level is as it was before the rise, this looks like a
drop. So the weeks before are looked at as well: if the last four weeks were better than those before them, and answers
are now as good as in those, the segment has only returned to its level.
"""

from collections.abc import Container, Iterable, Sequence
from math import hypot, sqrt
from statistics import median
from typing import NamedTuple

from worker.detect.days import Day, Days
from worker.detect.drops import Classes, variance_of

_WEEK = 7
#: The days before the fall that are compared with the weeks before them.
_RISEN = 28
#: The fewest weeks before a rise, and the fewest answers of a week, that say something about the level there.
_FEWEST_WEEKS, _FEWEST_ANSWERS = 3, 20
#: By how many standard errors the level must have risen.
_SURE = 3.0
#: By how many standard errors more than the least drop the answers must be below the level before the rise, to be a
#: drop from that level as well. They are few, and were chosen for being low.
_LOWER = 2.0
#: The standard error of a median is by this factor larger than that of a mean.
_MEDIAN = 1.25


class Level(NamedTuple):
    """A level of the NPS."""

    points: float
    #: How many answers it is known from.
    answers: float


def level_before_rise(
    days: Sequence[Day], left_out: Container[int], since: Classes, spread: Days, least_points: float
) -> Level | None:
    """Return the level before a rise if the answers since a fall have only returned to it; else None.

    `days`: those of the segment until the fall, the last one first; `left_out`: the places among them in which answers
    were lower than usual, since a drop was open; `since`: the answers since the fall; `spread`: how the days of the
    segment differ.
    """
    answers = sum(since)
    if not answers:
        return None
    risen = _together(days[at] for at in range(min(_RISEN, len(days))) if at not in left_out)
    weeks = []
    for start in range(_RISEN, len(days) - _WEEK + 1, _WEEK):
        week = _together(days[at] for at in range(start, start + _WEEK) if at not in left_out)
        if week.n >= _FEWEST_ANSWERS:
            weeks.append(week)
    if len(weeks) < _FEWEST_WEEKS or not risen.n:
        return None
    before = median(week.points / week.n for week in weeks)
    known = sum(week.n for week in weeks)
    now = 100 * (since[0] - since[2]) / answers
    variance = variance_of((since[0] / answers, since[1] / answers, since[2] / answers))
    inflated = variance * spread.inflation(variance)
    rise = risen.points / risen.n - before
    error = sqrt(inflated) * hypot(1 / sqrt(risen.n), _MEDIAN / sqrt(known))
    # If the level is lower still, the detector finds this anew, compared with the level before the rise.
    lower = least_points + _LOWER * sqrt(inflated / answers)
    if rise < max(least_points, _SURE * error) or now < before - lower:
        return None
    return Level(before, known)


def _together(days: Iterable[Day]) -> Day:
    total = Day()
    for day in days:
        total.n += day.n
        total.points += day.points
    return total
