"""How uncertain an NPS is: the adjusted-Wald interval.

Rocks, B. (2016), "Interval estimation for the Net Promoter Score", The American Statistician 70(4): three
pseudo-answers (3/4 detractor, 3/2 passive, 3/4 promoter), then Wald. It keeps its coverage at small n, where the plain
interval does not. Where nearly everybody answers alike, its middle lies so far from the NPS that the NPS itself would
lie outside: the end is then the NPS. That only widens the interval, so its coverage is no lower.
"""

from collections.abc import Sequence
from math import erfc, sqrt

#: The two-sided 95 % quantile of the normal distribution.
Z_95 = 1.959963984540054
_PSEUDO_EXTREME = 0.75
_PSEUDO = 3.0
#: Below this many answers an NPS is a hint: its interval spans more than 50 points.
INDICATIVE_BELOW = 30

Counts = Sequence[float]


def adjusted_wald(promoters: float, passives: float, detractors: float, z: float = Z_95) -> tuple[float, float]:
    """Return the interval's ends in points, within -100 and 100; the NPS itself is never outside.

    Of weighted answers, give as many as their n_eff (smoothed.py).
    """
    n = promoters + passives + detractors
    mean = (promoters - detractors) / (n + _PSEUDO)
    half = z * sqrt(adjusted_variance(promoters, detractors, n) / (n + _PSEUDO))
    found = (promoters - detractors) / n if n else mean
    return 100.0 * max(min(mean - half, found), -1.0), 100.0 * min(max(mean + half, found), 1.0)


def difference(one: Counts, other: Counts, z: float = Z_95) -> tuple[float, float]:
    """Return the ends of the interval of one NPS less another's, in points; promoters, passives and detractors of each.

    Of separate answers: a segment is compared with the rest of its parent. Each has its own adjusted variance. The
    difference itself is never outside, where both have answers.
    """
    centre, error = fall_of(one, other)
    found = _nps(one) - _nps(other) if sum(one) and sum(other) else centre
    return 100.0 * min(centre - z * error, found), 100.0 * max(centre + z * error, found)


def _nps(counts: Counts) -> float:
    promoters, passives, detractors = counts
    return (promoters - detractors) / (promoters + passives + detractors)


def chance_of_drop(before: Counts, after: Counts) -> float:
    """Return how likely chance alone makes an NPS this much lower than before: the one-sided p-value of the z-test."""
    centre, error = fall_of(before, after)
    return 0.5 * erfc(centre / error / sqrt(2.0))


def fall_of(one: Counts, other: Counts) -> tuple[float, float]:
    """Return one mean less the other's, between -2 and 2, and the standard error of that; both adjusted."""
    centre = variance = 0.0
    for sign, (promoters, passives, detractors) in ((1, one), (-1, other)):
        n = promoters + passives + detractors
        centre += sign * (promoters - detractors) / (n + _PSEUDO)
        variance += adjusted_variance(promoters, detractors, n) / (n + _PSEUDO)
    return centre, sqrt(variance)


def adjusted_variance(promoters: float, detractors: float, n: float) -> float:
    """Return the variance of one of n answers, as 1, 0 or -1, with the pseudo-answers among them."""
    p = (promoters + _PSEUDO_EXTREME) / (n + _PSEUDO)
    d = (detractors + _PSEUDO_EXTREME) / (n + _PSEUDO)
    return p + d - (p - d) ** 2
