"""How uncertain an NPS is: the interval in which the true NPS lies with a probability of 95 %.

The shares of promoters, passives and detractors have a Dirichlet posterior distribution. The ends of the interval are
2.5 % and 97.5 % quantiles of promoters less detractors, the outer ones of two priors. One counts half an answer in each
class (that of Jeffreys), which is right where all classes are common. The other one counts a quarter, which is better
where a class is rare (`make detector ARGS="--only intervals"`). From _FEW answers on, the quantiles follow from the
first four moments (Cornish and Fisher (1938), "Moments and cumulants in the specification of distributions"). They are
then within 0.6 points of the exact ones. For fewer answers the distribution function is integrated numerically: Imhof
(1961), "Computing the distribution of quadratic forms in normal variables".

If all answers are alike, the NPS itself lies outside these quantiles. In this case the NPS becomes the interval's end.
That only widens the interval, so its coverage is no lower. (The quantile on this side, which is not used then, is up to
one point beside the exact one.)

For the difference between two NPS, three pseudo-answers (3/4 detractor, 3/2 passive, 3/4 promoter) are added to each,
as in the adjusted-Wald interval of Rocks, B. (2016), "Interval estimation for the Net Promoter Score", The American
Statistician 70(4).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import atan, erfc, exp, log1p, pi, sin, sqrt

#: The two-sided 95 % quantile of the normal distribution.
Z_95 = 1.959963984540054
_PSEUDO_EXTREME = 0.75
_PSEUDO = 3.0
#: An NPS of fewer answers than this is only indicative: its interval spans more than 50 points.
INDICATIVE_BELOW = 30
#: How many answers of each class the two Dirichlet priors count.
_PRIORS = (1 / 4, 1 / 2)
#: The exact quantiles of fewer answers than this are computed numerically. There are 1,539 such triples of whole
#: numbers, and two priors. At 20 answers or more the other way is used, also if an n_eff of 20 is a little less by
#: rounding.
_FEW = 19.5
#: What lies above the upper and the lower end of the interval.
_TAIL = 0.025
#: The probability outside an end of the interval is found to this much, or in this number of steps. The numerical
#: integral may be wrong by 0.0003 in addition.
_EXACT, _MOST_STEPS = 0.0001, 60
#: The logarithms between which the distribution function is integrated, in units of the standard deviation, and the
#: step.
_FROM, _TO, _STEP = -9.0, 12.0, 0.4
#: Terms that are smaller than e to this power, half of it negative, add nothing to the integral.
_VANISHED = 40.0

Counts = Sequence[float]


def interval(promoters: float, passives: float, detractors: float) -> tuple[float, float]:
    """Return the ends of the 95 % interval of an NPS in points, from -100 to 100. The NPS itself always lies inside.

    If answers are weighted, the three numbers must add up to their n_eff (smoothed.py). Without any answer there is no
    interval, and ZeroDivisionError is raised.
    """
    found = (promoters - detractors) / (promoters + passives + detractors)
    quantiles = _exact if promoters + passives + detractors < _FEW else _by_moments
    ends = [quantiles(promoters + prior, passives + prior, detractors + prior) for prior in _PRIORS]
    low, high = min(ends[0][0], ends[1][0]), max(ends[0][1], ends[1][1])
    return 100.0 * max(min(low, found), -1.0), 100.0 * min(max(high, found), 1.0)


def _by_moments(promoters: float, passives: float, detractors: float) -> tuple[float, float]:
    """Return the quantiles of promoters less detractors by their Cornish-Fisher expansion; the prior is added.

    With weights α that add up to A, and an answer's central moments μ: the variance is μ2 / (A + 1), the third central
    moment 2 μ3 / ((A + 1) (A + 2)), and the fourth one (6 μ4 + 3 A μ2²) / ((A + 1) (A + 2) (A + 3)).
    """
    total = promoters + passives + detractors
    mean, extreme = (promoters - detractors) / total, (promoters + detractors) / total
    square = mean * mean
    second = extreme - square
    third = mean * (1.0 - 3.0 * extreme + 2.0 * square)
    fourth = extreme - 4.0 * square + 6.0 * square * extreme - 3.0 * square * square
    deviation = sqrt(second / (total + 1.0))
    skew = 2.0 * third * (total + 1.0) * deviation / ((total + 2.0) * second * second)
    excess = (6.0 * fourth / (second * second) + 3.0 * total) * (total + 1.0) / ((total + 2.0) * (total + 3.0)) - 3.0
    shift = (Z_95 * Z_95 - 1.0) * skew / 6.0
    half = Z_95 + (Z_95**3 - 3.0 * Z_95) * excess / 24.0 - (2.0 * Z_95**3 - 5.0 * Z_95) * skew * skew / 36.0
    return mean + deviation * (shift - half), mean + deviation * (shift + half)


@lru_cache(maxsize=4_096)
def _exact(promoters: float, passives: float, detractors: float) -> tuple[float, float]:
    """Return the quantiles of promoters less detractors; the prior is added."""
    low, high = _by_moments(promoters, passives, detractors)
    return (
        _quantile((promoters, passives, detractors), 1.0 - _TAIL, low),
        _quantile((promoters, passives, detractors), _TAIL, high),
    )


def _quantile(weights: tuple[float, float, float], above: float, guess: float) -> float:
    """Return the value that promoters less detractors exceed with a probability.

    It is found by the Illinois variant of regula falsi. The probability falls from 1 at -1 to 0 at 1; `guess`: where to
    look first.
    """
    low, high = (-1.0, 1.0 - above), (1.0, -above)
    value = min(max(guess, -0.98), 0.98)
    for _ in range(_MOST_STEPS):
        excess = _probability_above(weights, value) - above
        if abs(excess) < _EXACT:
            break
        if excess > 0.0:
            low, high = (value, excess), (high[0], high[1] / 2.0)
        else:
            low, high = (low[0], low[1] / 2.0), (value, excess)
        value = (low[0] * high[1] - high[0] * low[1]) / (high[1] - low[1])
    return value


def _probability_above(weights: tuple[float, float, float], value: float) -> float:
    """Return the probability that promoters less detractors exceed a value, of a Dirichlet distribution.

    Its shares are gamma variables, divided by their sum. So it is the probability that a sum of gamma variables with
    the factors 1 - value, -value and -1 - value is above zero, which Imhof's integral gives. The trapezoidal rule over
    the logarithm of its variable converges exponentially.
    """
    factors = 1.0 - value, -value, -1.0 - value
    terms = list(zip(weights, factors, strict=True))
    scale = 1.0 / sqrt(sum(weight * factor * factor for weight, factor in terms))
    total, place = 0.0, _FROM
    while place < _TO:
        at = scale * exp(place)
        damping = sum([weight * log1p((factor * at) ** 2) for weight, factor in terms])
        if damping > _VANISHED:
            break
        total += sin(sum([weight * atan(factor * at) for weight, factor in terms])) * exp(-0.5 * damping)
        place += _STEP
    return 0.5 + total * _STEP / pi


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
