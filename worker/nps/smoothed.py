"""The smoothed NPS and its trend: an indicator over the medium term, with its uncertainty.

An answer's weight halves with every half-life of its age (Cormode, Shkapenyuk, Srivastava, Xu (2009), "Forward decay: a
practical time decay model for streaming systems", ICDE). The half-life depends on how often the segment has answers, so
that the indicator of a quiet segment rests on as many answers as that of a busy one. Everything is computed from the
exact numbers of each day. So the result does not depend on the order in which answers and corrections arrive.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from math import sqrt
from operator import mul, sub
from typing import NamedTuple

from worker.nps.interval import INDICATIVE_BELOW, Z_95, adjusted_variance, adjusted_wald

#: The number of responses that one half-life should have, and the bounds of a half-life in days.
_RESPONSES = 81.0
_SHORTEST, LONGEST = 7, 90
#: The number of days over which the rhythm of a segment is measured.
RHYTHM_DAYS = 90
#: A trend is given in points per this number of days.
TREND_DAYS = 30
#: If the answers were given within fewer days than this, there is no trend.
_FEWEST_DAYS = 14
#: Nobody would act upon a change of fewer points than this in TREND_DAYS.
_NEGLIGIBLE = 5.0
_POINTS = 100.0
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


class Direction(StrEnum):
    """Where the trend goes, as far as its interval shows."""

    RISING = "rising"
    FALLING = "falling"
    STEADY = "steady"
    UNCLEAR = "unclear"


class Trend(NamedTuple):
    """How the NPS changes, in points per TREND_DAYS, with the ends of the 95 % interval."""

    direction: Direction
    change: float
    low: float
    high: float


class Indicator(NamedTuple):
    """The smoothed NPS and its trend."""

    smoothed: Smoothed
    #: None if the answers were given within less than two weeks, or if n_eff is below 30.
    trend: Trend | None


def half_life(n: int, days: int) -> int:
    """Return the half-life in whole days: the time in which 81 answers come, from a week to a quarter.

    `n`: the number of answers within RHYTHM_DAYS; `days`: how many days ago the first of them was given, today
    included.
    """
    return round(min(max(_RESPONSES * days / n, _SHORTEST), LONGEST)) if n else LONGEST


def indicator(days: Days, life: int) -> Indicator | None:
    """Return the smoothed NPS and its trend; None if there is no answer. The interval is the adjusted-Wald of n_eff.

    `life`: the half-life in days. No day may be older than HALVINGS half-lives.
    """
    n = list(map(sum, zip(days.promoters, days.passives, days.detractors, strict=True)))
    if not any(n):
        return None
    weights = _weights(life, days.ages)
    weighted = list(map(mul, n, weights))
    total = sum(weighted)
    n_eff = total * total / sum(map(mul, weighted, weights))
    p, d = (sum(map(mul, counts, weights)) / total for counts in (days.promoters, days.detractors))
    low, high = adjusted_wald(n_eff * p, n_eff * (1 - p - d), n_eff * d)
    figure = Smoothed(_POINTS * (p - d), low, high, n_eff, life)
    answered = [age for age, some in zip(days.ages, n, strict=True) if some]
    if max(answered) - min(answered) + 1 < _FEWEST_DAYS or n_eff < INDICATIVE_BELOW:
        return Indicator(figure, None)
    mean = sum(map(mul, weighted, days.ages)) / total
    since = [mean - age for age in days.ages]
    return Indicator(figure, _trend(days, n, weights, since, adjusted_variance(n_eff * p, n_eff * d, n_eff)))


def _trend(days: Days, n: list[int], weights: Sequence[float], since: list[float], variance: float) -> Trend:
    """Return the slope of a weighted least-squares line through the answers; `since`: t - t̄ of each day, in days.

    All answers have the same variance s², so that of the slope is s² Σ w² (t - t̄)² / (Σ w (t - t̄)²)².
    """
    moments = list(map(mul, weights, since))
    each = list(map(mul, n, moments))
    spread = sum(map(mul, each, since))
    slope = sum(map(mul, map(sub, days.promoters, days.detractors), moments)) / spread
    change = _POINTS * TREND_DAYS * slope
    half = _POINTS * TREND_DAYS * Z_95 * sqrt(variance * sum(map(mul, each, moments))) / spread
    return Trend(_direction(change - half, change + half), change, change - half, change + half)


def _direction(low: float, high: float) -> Direction:
    if low > 0:
        return Direction.RISING
    if high < 0:
        return Direction.FALLING
    return Direction.STEADY if low > -_NEGLIGIBLE and high < _NEGLIGIBLE else Direction.UNCLEAR


def _weights(life: int, ages: Sequence[int]) -> list[float]:
    table = _table(life)
    return [table[age] for age in ages]


@lru_cache(maxsize=128)
def _table(life: int) -> list[float]:
    return [2.0 ** (-age / life) for age in range(HALVINGS * life + 1)]
