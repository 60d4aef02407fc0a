"""The smoothed NPS and its trend: what a medium-term indicator is about, and how sure one can be of it.

Each answer weighs half as much for every half-life that it is older than the newest (Cormode, Shkapenyuk, Srivastava,
Xu (2009), "Forward decay: a practical time decay model for streaming systems", ICDE). The half-life follows the
segment's rhythm: as many answers carry a quiet one's figure as a busy one's. Everything is computed from the exact
days, so neither the order of arrival nor a correction leaves a trace.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from math import sqrt
from operator import itemgetter, mul, sub
from typing import NamedTuple

from worker.nps.interval import INDICATIVE_BELOW, Z_95, adjusted_variance, adjusted_wald

#: Responses that one half-life should have, and its bounds in days.
_RESPONSES = 81.0
_SHORTEST, _LONGEST = 7, 90
#: Over so many days the rhythm of a segment is measured.
_RHYTHM_DAYS = 90
#: A trend is told per so many days; below so many days there is none.
TREND_DAYS = 30
_FEWEST_DAYS = 14
#: A change of less than so many points in TREND_DAYS is none that anybody would act upon.
_NEGLIGIBLE = 5.0
_POINTS = 100.0
#: The oldest day there can be, and how many powers of a day's age are summed.
_OLDEST = 400
_POWERS = 3


class Days(NamedTuple):
    """Promoters, passives and detractors of each day that has any; `ages`: how many days it lies before the newest."""

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


def half_life(ages: Sequence[int], counts: Sequence[int]) -> int:
    """Return the half-life in whole days, of days of so many answers: time for 81, from a week to a quarter."""
    recent = [(age, n) for age, n in zip(ages, counts, strict=True) if age < _RHYTHM_DAYS]
    per_day = sum(n for _, n in recent) / (max((age for age, _ in recent), default=0) + 1)
    return round(min(max(_RESPONSES / per_day, _SHORTEST), _LONGEST)) if per_day else _LONGEST


def indicator(days: Days) -> Indicator | None:
    """Return the smoothed NPS, with its adjusted-Wald interval at n_eff, and the trend; None when nobody answered."""
    n = [sum(day) for day in zip(days.promoters, days.passives, days.detractors, strict=True)]
    if not sum(n):
        return None
    life = half_life(days.ages, n)
    weights = _Weights(life, days.ages)
    total, squares = weights.sum(n), weights.squares(n)
    n_eff = total * total / squares
    p, d = weights.sum(days.promoters) / total, weights.sum(days.detractors) / total
    low, high = adjusted_wald(n_eff * p, n_eff * (1 - p - d), n_eff * d)
    figure = Smoothed(_POINTS * (p - d), low, high, n_eff, life)
    answered = [age for age, some in zip(days.ages, n, strict=True) if some]
    if max(answered) - min(answered) + 1 < _FEWEST_DAYS or n_eff < INDICATIVE_BELOW:
        return Indicator(figure, None)
    points = list(map(sub, days.promoters, days.detractors))
    return Indicator(figure, _trend(weights, n, points, adjusted_variance(n_eff * p, n_eff * d, n_eff)))


def _trend(weights: "_Weights", n: Sequence[int], points: Sequence[int], variance: float) -> Trend:
    """Return the slope of a weighted least-squares line through the answers.

    Its variance is that of weighted answers which all have the same: s² Σ w² (t - t̄)² / (Σ w (t - t̄)²)².
    """
    total = weights.sum(n)
    mean = weights.sum(n, 1) / total
    spread = weights.sum(n, 2) - total * mean * mean
    slope = (mean * weights.sum(points) - weights.sum(points, 1)) / spread
    squares = mean * mean * weights.squares(n) - 2 * mean * weights.squares(n, 1) + weights.squares(n, 2)
    change = _POINTS * TREND_DAYS * slope
    half = _POINTS * TREND_DAYS * Z_95 * sqrt(variance * squares) / spread
    return Trend(_direction(change - half, change + half), change, change - half, change + half)


def _direction(low: float, high: float) -> Direction:
    if low > 0:
        return Direction.RISING
    if high < 0:
        return Direction.FALLING
    return Direction.STEADY if low > -_NEGLIGIBLE and high < _NEGLIGIBLE else Direction.UNCLEAR


class _Weights:
    """Sums over days, each answer with its weight, or its weight squared, times a power of its age."""

    def __init__(self, life: int, ages: Sequence[int]) -> None:
        self._tables = _tables(life)
        self._pick = itemgetter(*ages, 0)  # with one more, a single day gives a tuple as well

    def sum(self, counts: Sequence[int], power: int = 0) -> float:
        return float(sum(map(mul, counts, self._pick(self._tables[power]))))

    def squares(self, counts: Sequence[int], power: int = 0) -> float:
        return float(sum(map(mul, counts, self._pick(self._tables[_POWERS + power]))))


@lru_cache(maxsize=128)
def _tables(life: int) -> list[list[float]]:
    weights = [2.0 ** (-age / life) for age in range(_OLDEST + 1)]
    return [
        [each * age**power for age, each in enumerate(column)]
        for column in (weights, [weight * weight for weight in weights])
        for power in range(_POWERS)
    ]
