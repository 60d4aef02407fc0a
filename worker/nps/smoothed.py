"""The smoothed NPS: an indicator over the medium term, with its uncertainty. trend.py says where it goes.

An answer's weight halves with every half-life of its age (Cormode, Shkapenyuk, Srivastava, Xu (2009), "Forward decay: a
practical time decay model for streaming systems", ICDE). The half-life depends on how often the segment has answers, so
that the indicator of a quiet segment rests on as many answers as that of a busy one. Everything is computed from the
exact numbers of each day. So the result does not depend on the order in which answers and corrections arrive.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from operator import mul, neg
from typing import NamedTuple

from worker.nps.interval import interval
from worker.nps.trend import WEEKS, Trend, Weeks

#: The number of responses that one half-life should have, and the bounds of a half-life in days.
_RESPONSES = 81.0
_SHORTEST, LONGEST = 7, 90
#: The number of days over which the rhythm of a segment is measured.
RHYTHM_DAYS = 90
_POINTS = 100.0
_WEEK = 7
#: An answer that is older than this number of half-lives weighs less than a thousandth, and is left out.
HALVINGS = 10


class Days(NamedTuple):
    """The numbers of promoters, passives and detractors by day, the oldest day first."""

    #: How many days ago each day was.
    ages: Sequence[int]
    promoters: Sequence[int]
    passives: Sequence[int]
    detractors: Sequence[int]


class Smoothed(NamedTuple):
    """The smoothed NPS, with the ends of its 95 % interval, in points."""

    nps: float
    low: float
    high: float
    #: The effective number of answers: as many answers of equal weight would have the same uncertainty.
    n_eff: float
    #: In days.
    half_life: int


class Indicator(NamedTuple):
    """The smoothed NPS and its trend."""

    smoothed: Smoothed
    #: None if too few complete weeks have answers (trend.py).
    trend: Trend | None


def half_life(n: int, days: int) -> int:
    """Return the half-life in whole days: the time in which 81 answers come, from a week to a quarter.

    `n`: the number of answers within RHYTHM_DAYS; `days`: how many days ago the first of them was given, today
    included.
    """
    return round(min(max(_RESPONSES * days / n, _SHORTEST), LONGEST)) if n else LONGEST


def smoothed(days: Days, life: int) -> Smoothed | None:
    """Return the smoothed NPS; None if there is no answer. The interval is that of n_eff answers.

    `life`: the half-life in days. Days that are older than HALVINGS half-lives are left out.
    """
    first = bisect_left(days.ages, -HALVINGS * life, key=neg)
    ages, *classes = (column[first:] for column in days)
    n = list(map(sum, zip(*classes, strict=True)))
    if not any(n):
        return None
    weights = _weights(life, ages)
    weighted = list(map(mul, n, weights))
    total = sum(weighted)
    n_eff = total * total / sum(map(mul, weighted, weights))
    p, _, d = (sum(map(mul, counts, weights)) / total for counts in classes)
    low, high = interval(n_eff * p, n_eff * (1 - p - d), n_eff * d)
    return Smoothed(_POINTS * (p - d), low, high, n_eff, life)


def by_week(days: Days, ended: int) -> Weeks:
    """Return the complete weeks; `ended`: how many days ago the last of them ended. A current week is left out."""
    weeks = Weeks(*([0] * WEEKS for _ in range(3)))
    for age, promoters, passives, detractors in zip(*days, strict=True):
        week = (age - ended) // _WEEK
        if 0 <= week < WEEKS:
            weeks.n[week] += promoters + passives + detractors
            weeks.promoters[week] += promoters
            weeks.detractors[week] += detractors
    return weeks


def _weights(life: int, ages: Sequence[int]) -> list[float]:
    table = _table(life)
    return [table[age] for age in ages]


@lru_cache(maxsize=128)
def _table(life: int) -> list[float]:
    return [2.0 ** (-age / life) for age in range(HALVINGS * life + 1)]
