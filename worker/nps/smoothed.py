"""The smoothed NPS and its trend: what a medium-term indicator is about, and how sure one can be of it.

Each answer weighs half as much for every half-life of its age (Cormode, Shkapenyuk, Srivastava,
Xu (2009), "Forward decay: a practical time decay model for streaming systems", ICDE). The half-life follows the
segment's rhythm: as many answers carry a quiet one's figure as a busy one's. Everything is computed from the exact
days, so neither the order of arrival nor a correction leaves a trace.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from math import sqrt
from operator import mul, sub
from typing import NamedTuple

from worker.nps.interval import INDICATIVE_BELOW, Z_95, adjusted_variance, adjusted_wald

#: Responses that one half-life should have, and its bounds in days.
_RESPONSES = 81.0
_SHORTEST, LONGEST = 7, 90
#: Over so many days the rhythm of a segment is measured.
RHYTHM_DAYS = 90
#: A trend is told per so many days; below so many days there is none.
TREND_DAYS = 30
_FEWEST_DAYS = 14
#: A change of less than so many points in TREND_DAYS is none that anybody would act upon.
_NEGLIGIBLE = 5.0
_POINTS = 100.0
#: After so many half-lives an answer weighs less than a thousandth, and is left out.
HALVINGS = 10


class Days(NamedTuple):
    """Promoters, passives and detractors by day, the oldest first; `ages`: how many days ago."""

    ages: Sequence[int]
    promoters: Sequence[int]
    passives: Sequence[int]
    detractors: Sequence[int]


class Smoothed(NamedTuple):
    """In points. `n_eff`: so many equally weighted answers would be as sure; `half_life` in days."""

    nps: float
    low: float
    high: float
    n_eff: float
    half_life: int


class Direction(StrEnum):
    """What the trend's interval says."""

    RISING = "rising"
    FALLING = "falling"
    STEADY = "steady"
    UNCLEAR = "unclear"


class Trend(NamedTuple):
    """Points per TREND_DAYS, with the interval's ends."""

    direction: Direction
    change: float
    low: float
    high: float


class Indicator(NamedTuple):
    """Trend is None below two weeks, or below 30 answers' worth."""

    smoothed: Smoothed
    trend: Trend | None


def half_life(n: int, days: int) -> int:
    """Return the half-life in whole days, of n answers within RHYTHM_DAYS: time for 81, from a week to a quarter.

    `days`: how long ago the first of them was given, today included.
    """
    return round(min(max(_RESPONSES * days / n, _SHORTEST), LONGEST)) if n else LONGEST


def indicator(days: Days, life: int) -> Indicator | None:
    """Return the smoothed NPS, with its adjusted-Wald interval at n_eff, and the trend; None without any answer.

    No day may be older than HALVINGS half-lives.
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
    """Return the slope of a weighted least-squares line through the answers; `since` is each day's t - t̄.

    Its variance is that of weighted answers which all have the same: s² Σ w² (t - t̄)² / (Σ w (t - t̄)²)².
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
