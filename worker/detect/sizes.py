"""By how many points an NPS fell, with an interval that holds although the beginning is not known.

A drop is reported in the moment in which chance has helped, and its beginning is chosen by the same answers. The plain
difference between the answers since then and those before is therefore too large on average, and its interval too
short. A posterior distribution does not depend on when one stops to look (Berger, Wolpert (1988), "The likelihood
principle"), so the size is averaged over all hours in which the drop may have begun, each as likely as another, and
over all sizes. From 5 to 60 points, a size is as likely as any other one that is larger or smaller by the same factor.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import exp, log
from typing import NamedTuple

from worker.detect.drops import Group

_DAY = 24
#: The sizes of drops, in points, each 6 % larger than the one before: 2 to 150.
_STEP = 1.06
_SIZES = [2 * _STEP**step for step in range(75)]
#: Between these sizes, all logarithms of a size are equally likely beforehand. Outside, the probability falls like that
#: of a normal distribution of the logarithm with this standard deviation.
_SMALL, _LARGE, _EDGE = 5.0, 60.0, 0.25
#: The sizes as differences of means, from 0 to 2, with the logarithms of their prior probabilities.
_FRACTIONS = [(size / 100, -0.5 * (max(log(_SMALL / size), log(size / _LARGE), 0.0) / _EDGE) ** 2) for size in _SIZES]
#: The drop began in the last days, and after at least this many answers, if there are as many.
_LONGEST, _FEWEST_BEFORE = 60 * _DAY, 30
#: What makes no difference to a sum of probabilities, as a logarithm.
_NOTHING = -40.0


class SizeOfChange(NamedTuple):
    """By how many points an NPS changed: a fall is negative. 95 % of the probability lies between low and high."""

    points: float
    low: float
    high: float


def fall_of_level(groups: Sequence[Group], day_deviation: float = 0.0) -> SizeOfChange | None:
    """Return the size of a drop that goes on until now; None if nothing can be said, since there is one group only.

    `groups`: the segment's answers by the hour or the day, in order; `day_deviation`: the standard deviation of the
    effects that single days have on all of their answers, in points.
    """
    answered = [group for group in groups if sum(group.classes)]
    if len(answered) < 2:
        return None
    logs = [
        [prior + weight - information * size * (2 * change + size) / 2 for size, prior in _FRACTIONS]
        for weight, change, information in _beginnings(answered, day_deviation / 100)
    ]
    chances = [0.0] * len(_SIZES)
    highest = max(map(max, logs))
    for of_beginning in logs:
        if max(of_beginning) > highest + _NOTHING:
            chances = [sum_ + exp(log_ - highest) for sum_, log_ in zip(chances, of_beginning, strict=True)]
    total = sum(chances)
    mean = sum(size * chance for size, chance in zip(_SIZES, chances, strict=True)) / total
    smallest, largest = (_quantile(chances, share * total) for share in (0.025, 0.975))
    return SizeOfChange(-mean, -largest, -smallest)


class _Beginning(NamedTuple):
    """An hour in which the drop may have begun."""

    #: The logarithm of its prior probability: of the hours since the group before.
    weight: float
    #: The mean of the answers since then less that of those before.
    change: float
    #: One divided by the variance of the change.
    information: float


def _beginnings(groups: Sequence[Group], deviation: float) -> list[_Beginning]:
    """Return all hours in which the drop may have begun; `deviation`: of days, as a difference of means."""
    numbers = list(accumulate(sum(group.classes) for group in groups))
    sums = list(accumulate(group.promoters - group.detractors for group in groups))
    n, total = numbers[-1], sums[-1]
    variance = max(sum(group.promoters + group.detractors for group in groups) / n - (total / n) ** 2, 1 / n)
    first, last = groups[0].hour, groups[-1].hour
    fewest = min(_FEWEST_BEFORE, numbers[-2])
    found = []
    for (earlier, later), before, sum_before in zip(pairwise(groups), numbers, sums, strict=False):
        if before < fewest or later.hour <= last - _LONGEST:
            continue
        days_before, days_since = 1 + (earlier.hour - first) / _DAY, 1 + (last - later.hour) / _DAY
        uncertain = variance * (1 / before + 1 / (n - before)) + deviation**2 * (1 / days_before + 1 / days_since)
        change = (total - sum_before) / (n - before) - sum_before / before
        found.append(_Beginning(log(later.hour - earlier.hour), change, 1 / uncertain))
    return found


def _quantile(chances: Sequence[float], share: float) -> float:
    """Return the size below which a share of the chances lies; each chance is spread over its step of sizes."""
    below = 0.0
    for size, chance in zip(_SIZES, chances, strict=True):
        if below + chance >= share:
            within: float = _STEP ** ((share - below) / chance - 0.5)
            return size * within
        below += chance
    return _SIZES[-1]
