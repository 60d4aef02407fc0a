"""The trend: the slope of a line through the last weeks, and the word for it, which does not change from week to week.

Only complete weeks count, so a usual cycle of the week does not look like a trend. The line goes through so many weeks
that its slope has a standard error of about one point in TREND_DAYS, but through a quarter at least: a segment with few
answers needs more time to show a trend. Weeks often differ by more than chance in the answers explains, and a good week
often follows a good one. Both are estimated from how far the weeks lie from a line, and widen the interval of the slope
(quasi-likelihood: McCullagh and Nelder (1989), "Generalized linear models", section 4.5).

A word stays until there is clear evidence against it (hysteresis). What was said in the weeks before is not stored. It
is computed again from the same weeks. So it does not depend on when answers and corrections have arrived.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from operator import mul
from statistics import NormalDist
from typing import NamedTuple

from worker.nps.interval import INDICATIVE_BELOW, adjusted_variance

#: A trend is given in points per this number of days.
TREND_DAYS = 30
#: The number of weeks before the current one that are looked at. The days of a year are kept.
WEEKS = 52
_WEEK = 7
#: The line goes through this number of weeks or more: a quarter.
_SHORTEST = 13
#: How far weeks lie from a line is taken from this number of weeks or more: half a year.
_SCATTER_WEEKS = 26
#: The number of answers, times the square of the days among which they are spread evenly, of which the slope has a
#: standard error of a point in TREND_DAYS: 12 times the variance of an answer, divided by the square of this error. At
#: an NPS of +30 the variance is about 0.6.
_ENOUGH = 12 * 0.6 * (100 * TREND_DAYS) ** 2
#: If fewer weeks than this have answers, there is no trend.
_FEWEST_WEEKS = 5
#: 'Rising' or 'falling' is first said when the slope lies beyond zero with this probability, and at least so many
#: points. It is then said until the slope is within so many standard errors of zero, or below half of these points.
_SURE, _LEAST, _LEAVES = 0.985, 1.0, 1.0
#: 'Steady' is first said when the whole interval lies within so many points of zero.
_NEGLIGIBLE = 3.0
#: The number of earlier weeks whose word is computed again.
_EARLIER = 13
#: The correlation between successive weeks is taken to be this at most.
_MOST_CORRELATION = 0.45
_POINTS = 100.0


class Direction(StrEnum):
    """Where the trend goes."""

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


class Weeks(NamedTuple):
    """The answers of complete weeks, the latest week first. Weeks without answers are among them."""

    n: list[int]
    promoters: list[int]
    detractors: list[int]


class _Slope(NamedTuple):
    """The slope of the line that ends with some week, in points per TREND_DAYS."""

    change: float
    error: float
    #: Degrees of freedom of the error.
    freedom: int

    @property
    def half(self) -> float:
        """Half of the width of the 95 % interval."""
        return self.error * _student(0.975, self.freedom)

    @property
    def clear(self) -> Direction | None:
        """The word that this slope alone is enough for; None if it is not 'rising' or 'falling'."""
        if abs(self.change) < max(_LEAST, self.error * _student(_SURE, self.freedom)):
            return None
        return Direction.RISING if self.change > 0 else Direction.FALLING

    def keeps(self, word: Direction) -> bool:
        """Say whether a word that was said a week before is still said, although this slope is not enough for it."""
        if word is Direction.STEADY:
            return max(self.half, abs(self.change)) < _NEGLIGIBLE
        sign = 1 if word is Direction.RISING else -1
        return word is not Direction.UNCLEAR and sign * self.change > max(_LEAST / 2, _LEAVES * self.error)


def trend(weeks: Weeks) -> Trend | None:
    """Return the trend up to the latest week; None if too few weeks have answers, or if there are fewer than 30."""
    lines = _Lines(weeks)
    slope = lines.slope(0)
    if slope is None:
        return None
    return Trend(_word(lines, 0), slope.change, slope.change - slope.half, slope.change + slope.half)


def _word(lines: "_Lines", ago: int) -> Direction:
    """Return the word for the slope up to some weeks ago.

    Earlier weeks are looked at only if they make a difference.
    """
    slope = lines.slope(ago)
    if slope is None:
        return Direction.UNCLEAR
    if slope.clear is not None:
        return slope.clear
    is_steady = abs(slope.change) + slope.half < _NEGLIGIBLE
    may_stay = [word for word in Direction if slope.keeps(word)]
    if ago < _EARLIER and may_stay and not (is_steady and may_stay == [Direction.STEADY]):
        before = _word(lines, ago + 1)
        if before in may_stay:
            return before
    return Direction.STEADY if is_steady else Direction.UNCLEAR


class _Lines:
    """Lines through weeks, of which each ends some weeks ago."""

    def __init__(self, weeks: Weeks) -> None:
        self._weeks = weeks
        self._known: dict[int, _Slope | None] = {}

    def slope(self, ago: int) -> _Slope | None:
        """Return the slope of the line that ends with the week `ago` weeks before the latest; None if it has none."""
        if ago not in self._known:
            self._known[ago] = self._slope(ago)
        return self._known[ago]

    def _slope(self, ago: int) -> _Slope | None:
        n, promoters, detractors = (counts[ago:WEEKS] for counts in self._weeks)
        length = _length(n)
        used = n[:length]
        total = sum(used)
        if total < INDICATIVE_BELOW or sum(map(bool, used)) < _FEWEST_WEEKS:
            return None
        balance = [more - less for more, less in zip(promoters, detractors, strict=True)]
        _, slope, spread = _line(used, balance[:length])
        scatter, freedom = _scatter(
            *(counts[: max(length, _SCATTER_WEEKS)] for counts in (n, balance, promoters, detractors))
        )
        variance = adjusted_variance(sum(promoters[:length]), sum(detractors[:length]), total)
        unit = _POINTS * TREND_DAYS / _WEEK
        return _Slope(unit * slope, unit * sqrt(scatter * variance / spread), freedom)


def _length(n: Sequence[int]) -> int:
    """Return the number of weeks, from the latest on, that the line goes through."""
    for length, total in enumerate(accumulate(n), start=1):
        if length >= _SHORTEST and total * (_WEEK * length) ** 2 >= _ENOUGH:
            return length
    return len(n)


def _line(n: Sequence[int], balance: Sequence[int]) -> tuple[float, float, float]:
    """Return the line through weeks by weighted least squares: its mean in the latest week, its slope, its spread.

    `balance`: the promoters less the detractors of each week. Means lie between -1 and 1, the slope is that of a week.
    The spread is the sum of n times the squared distance from the mean week.
    """
    total, weeks = sum(n), range(len(n))
    middle = sum(map(mul, n, weeks)) / total
    distance = [middle - week for week in weeks]
    moments = list(map(mul, n, distance))
    spread = sum(map(mul, moments, distance))
    slope = sum(map(mul, balance, distance)) / spread
    return sum(balance) / total + slope * middle, slope, spread


def _scatter(
    n: Sequence[int], balance: Sequence[int], promoters: Sequence[int], detractors: Sequence[int]
) -> tuple[float, int]:
    """Return how much more weeks vary around their line than chance in the answers explains, and degrees of freedom.

    It is 1 or more: chance in the answers is always there.
    """
    latest, slope, _ = _line(n, balance)
    residuals = [
        (less - count * (latest - slope * week)) / sqrt(count) if count else 0.0
        for week, (count, less) in enumerate(zip(n, balance, strict=True))
    ]
    squares = sum(map(mul, residuals, residuals))
    freedom = sum(map(bool, n)) - 2
    variance = adjusted_variance(sum(promoters), sum(detractors), sum(n))
    correlation = sum(map(mul, residuals, residuals[1:])) / squares if squares else 0.0
    correlated = 1 + 2 * min(max(correlation, 0.0), _MOST_CORRELATION)
    return max(1.0, correlated * squares / variance / freedom), freedom


@lru_cache(maxsize=256)
def _student(probability: float, freedom: int) -> float:
    """Return a quantile of Student's distribution (Abramowitz and Stegun (1964), 26.7.5). Three degrees are enough.

    It is exact to one part in a hundred.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / float(freedom) ** power for power, term in enumerate(terms))
