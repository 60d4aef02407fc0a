"""How uncertain an NPS is: the adjusted-Wald interval.

Rocks, B. (2016), "Interval estimation for the Net Promoter Score", The American Statistician 70(4), adds three
pseudo-answers (3/4 detractor, 3/2 passive, 3/4 promoter) and then takes Wald's interval. It keeps its coverage at small
n, where the plain interval does not. If nearly everybody gives the same answer, the middle of this interval is so far
from the NPS that the NPS itself would lie outside. In this case the NPS becomes the interval's end. That only widens
the interval, so its coverage is no lower.
"""

from collections.abc import Sequence
from math import erfc, sqrt

#: The two-sided 95 % quantile of the normal distribution.
Z_95 = 1.959963984540054
_PSEUDO_EXTREME = 0.75
_PSEUDO = 3.0
#: An NPS of fewer answers than this is only indicative: its interval spans more than 50 points.
INDICATIVE_BELOW = 30

Counts = Sequence[float]


def adjusted_wald(promoters: float, passives: float, detractors: float, z: float = Z_95) -> tuple[float, float]:
    """Return the interval's ends in points, from -100 to 100. The NPS itself always lies inside.

    If answers are weighted, the three numbers must add up to their n_eff (smoothed.py). `z`: the quantile of the normal
    distribution.
    """
    n = promoters + passives + detractors
    mean = (promoters - detractors) / (n + _PSEUDO)
    half = z * sqrt(adjusted_variance(promoters, detractors, n) / (n + _PSEUDO))
    found = (promoters - detractors) / n if n else mean
    return 100.0 * max(min(mean - half, found), -1.0), 100.0 * min(max(mean + half, found), 1.0)


def difference(one: Counts, other: Counts, z: float = Z_95) -> tuple[float, float]:
    """Return the ends of the interval of one NPS less another, in points.

    `one`, `other`: the promoters, passives and detractors of each. No answer may be among both: a segment is compared
    with the rest of its parent. Each has its own adjusted variance. If both have answers, the difference itself always
    lies inside.
    """
    centre, error = fall_of(one, other)
    found = _nps(one) - _nps(other) if sum(one) and sum(other) else centre
    return 100.0 * min(centre - z * error, found), 100.0 * max(centre + z * error, found)


def _nps(counts: Counts) -> float:
    promoters, passives, detractors = counts
    return (promoters - detractors) / (promoters + passives + detractors)


def chance_of_drop(before: Counts, after: Counts) -> float:
    """Return the probability that chance alone makes an NPS fall this much: the one-sided p-value of the z-test."""
    centre, error = fall_of(before, after)
    return 0.5 * erfc(centre / error / sqrt(2.0))


def fall_of(one: Counts, other: Counts) -> tuple[float, float]:
    """Return one mean less the other, from -2 to 2, and the standard error of this difference; both are adjusted."""
    centre = variance = 0.0
    for sign, (promoters, passives, detractors) in ((1, one), (-1, other)):
        n = promoters + passives + detractors
        centre += sign * (promoters - detractors) / (n + _PSEUDO)
        variance += adjusted_variance(promoters, detractors, n) / (n + _PSEUDO)
    return centre, sqrt(variance)


def adjusted_variance(promoters: float, detractors: float, n: float) -> float:
    """Return the variance of one of n answers with values 1, 0 or -1; the pseudo-answers are among them."""
    p = (promoters + _PSEUDO_EXTREME) / (n + _PSEUDO)
    d = (detractors + _PSEUDO_EXTREME) / (n + _PSEUDO)
    return p + d - (p - d) ** 2
