"""The interval covers the true NPS as often as it says, and never leaves -100 to 100."""

import random
from collections.abc import Callable
from math import exp, lgamma, log
from statistics import NormalDist

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import beta

from bench.detector.intervals import adjusted_wald
from worker.nps.interval import INDICATIVE_BELOW, Z_95, chance_of_drop, difference, fall_of, interval

Interval = Callable[[int, int, int], tuple[float, float]]

#: Detractors, passives, promoters.
MIXES = [
    (0.20, 0.30, 0.50),
    (0.02, 0.08, 0.90),
    (0.05, 0.15, 0.80),
    (0.10, 0.20, 0.70),
    (0.15, 0.25, 0.60),
    (0.10, 0.60, 0.30),
    (0.30, 0.50, 0.20),
    (0.33, 0.34, 0.33),
    (0.45, 0.05, 0.50),
    (0.70, 0.20, 0.10),
    (0.90, 0.08, 0.02),
]
SIZES = (10, 20, 30, 50, 100, 200)
Counts = st.integers(0, 10_000)
Classes = st.tuples(Counts, Counts, Counts)


def expected(mix: tuple[float, float, float], n: int, figure: Callable[[int, int, int], float]) -> float:
    """Return a figure's expectation over samples of n answers: an exact sum over every possible outcome."""
    detractor, passive, promoter = (log(share) for share in mix)
    factorial = [lgamma(k + 1) for k in range(n + 1)]
    total = 0.0
    for p in range(n + 1):
        for pa in range(n + 1 - p):
            d = n - p - pa
            ways = factorial[n] - factorial[p] - factorial[pa] - factorial[d]
            total += figure(p, pa, d) * exp(ways + p * promoter + pa * passive + d * detractor)
    return total


def coverage(mix: tuple[float, float, float], n: int, ends: Interval) -> float:
    """Return how likely the interval of n answers holds the true NPS."""
    true = 100 * (mix[2] - mix[0])

    def covers(promoters: int, passives: int, detractors: int) -> float:
        low, high = ends(promoters, passives, detractors)
        return float(low - 1e-9 <= true <= high + 1e-9)

    return expected(mix, n, covers)


def width(promoters: int, passives: int, detractors: int) -> float:
    low, high = interval(promoters, passives, detractors)
    return high - low


def plain_wald(promoters: int, passives: int, detractors: int) -> tuple[float, float]:
    n = promoters + passives + detractors
    mean = (promoters - detractors) / n
    half = Z_95 * (((promoters + detractors) / n - mean * mean) / n) ** 0.5
    return 100 * (mean - half), 100 * (mean + half)


@pytest.mark.unmeasured
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: "/".join(map(str, mix)))
def test_it_covers_the_true_nps_in_93_to_97_of_100_samples(mix: tuple[float, float, float], n: int) -> None:
    assert 0.93 <= round(coverage(mix, n, interval), 2) <= 0.97


@pytest.mark.unmeasured
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7])
def test_of_a_handful_of_answers_it_covers_95_of_100_on_average_over_all_mixes_and_the_old_one_less_at_worst(
    n: int,
) -> None:
    shares = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
    mixes = [(low, 1 - low - high, high) for low in shares for high in shares if low + high < 0.995]
    found = [coverage(mix, n, interval) for mix in mixes]
    plain = [coverage(mix, n, adjusted_wald) for mix in mixes]

    assert 0.945 <= sum(found) / len(found) <= 0.99
    assert min(found) >= min(plain)
    assert min(found) >= 0.8


def posterior(promoters: float, passives: float, detractors: float, value: float, prior: float) -> float:
    """Return the probability that promoters less detractors are at most `value`, of the Dirichlet posterior.

    Promoters and detractors together have a beta distribution, and so has the share of promoters among them.
    """
    p, q, d = promoters + prior, passives + prior, detractors + prior
    both, share = beta(p + d, q), beta(p, d)

    def below(quantile: float) -> float:
        return float(share.cdf((1 + value / both.ppf(quantile)) / 2))

    return float(integrate.quad(below, 0, 1, limit=400)[0])


@pytest.mark.parametrize(
    "counts",
    [
        *[(1, 0, 0), (0, 1, 0), (1, 1, 1), (2, 0, 1), (5, 3, 2), (9, 0, 1), (0, 17, 2), (12, 7, 0), (2.5, 1.25, 0.5)],
        *[(10, 6, 4), (30, 1, 0), (15, 9, 6), (98, 1, 1), (0, 300, 3), (500, 300, 200), (230.7, 100.2, 55.5)],
    ],
    ids=str,
)
def test_its_ends_are_the_quantiles_of_the_posterior(counts: tuple[float, float, float]) -> None:
    """The oracle is scipy. An end may be half a point beside the quantile: that much tail lies between the two."""
    score = (counts[0] - counts[2]) / sum(counts)
    low, high = (end / 100 for end in interval(*counts))

    if low > -1 and low < score:
        assert _outer(max, counts, low - 0.005) <= 0.025 <= _outer(max, counts, low + 0.005)
    if high < 1 and high > score:
        assert _outer(min, counts, high - 0.005) <= 0.975 <= _outer(min, counts, high + 0.005)
    assert low < high


def _outer(choose: Callable[..., float], counts: tuple[float, float, float], value: float) -> float:
    return choose(posterior(*counts, value, prior) for prior in (1 / 4, 1 / 2))


def test_one_answer_says_little() -> None:
    low, high = interval(1, 0, 0)

    assert low == pytest.approx(-59, abs=0.5)
    assert high == 100


@pytest.mark.parametrize("extreme", [(20, 0, 0), (19, 1, 0), (10, 0, 10), (0, 20, 0), (12, 5, 3)], ids=str)
def test_both_ways_to_compute_it_join(extreme: tuple[int, int, int]) -> None:
    fewer = [n * 19.99 / 20 for n in extreme]

    assert pytest.approx(interval(*fewer), abs=0.6) == interval(*extreme)


def test_without_an_answer_there_is_none() -> None:
    with pytest.raises(ZeroDivisionError):
        interval(0, 0, 0)


def test_of_many_it_is_that_of_the_literature() -> None:
    assert pytest.approx(adjusted_wald(5_000_000, 3_000_000, 2_000_000), abs=0.001) == interval(
        5_000_000, 3_000_000, 2_000_000
    )
    assert pytest.approx(adjusted_wald(50, 30, 20), abs=0.5) == interval(50, 30, 20)


def test_the_plain_interval_would_not_pass_so_the_measure_can_fail() -> None:
    assert coverage((0.02, 0.08, 0.90), 10, plain_wald) == pytest.approx(0.65, abs=0.01)
    assert coverage((0.20, 0.30, 0.50), 10, plain_wald) == pytest.approx(0.89, abs=0.01)


@pytest.mark.parametrize(("n", "points"), [(10, 81), (30, 52), (50, 42), (100, 30), (200, 21)])
def test_at_an_nps_of_30_it_is_nearly_as_wide_as_the_literature_says(n: int, points: float) -> None:
    """With few answers it is a little wider, for the mixes in which a class is rare."""
    assert points == pytest.approx(expected((0.2, 0.3, 0.5), n, width), rel=0.035 if n > 10 else 0.06)


@pytest.mark.unmeasured
@pytest.mark.parametrize("n", [3, 5, 8, 12, 30])
@pytest.mark.parametrize("rare", [0.01, 0.02, 0.05])
def test_where_a_class_is_rare_it_covers_95_of_100_on_average_and_85_at_least(n: int, rare: float) -> None:
    """With Jeffreys' prior alone, it covers 74 to 85 of 100 in the worst of these mixes."""
    shares = (0.02, 0.1, 0.35, 0.6)
    mixes = [(rare, other, 1 - rare - other) for other in shares] + [
        (other, rare, 1 - rare - other) for other in shares
    ]
    found = [coverage(mix, n, interval) for mix in mixes]

    assert sum(found) / len(found) >= 0.945
    assert min(found) >= 0.85


@given(Counts, Counts, Counts)
def test_its_ends_are_in_order_and_within_the_scale(promoters: int, passives: int, detractors: int) -> None:
    assume(promoters + passives + detractors)
    low, high = interval(promoters, passives, detractors)

    assert -100.0 <= low < high <= 100.0


@given(Counts, Counts, Counts)
def test_it_mirrors_when_promoters_and_detractors_change_places(promoters: int, passives: int, detractors: int) -> None:
    assume(promoters + passives + detractors)
    low, high = interval(promoters, passives, detractors)

    mirrored = [-end for end in reversed(interval(detractors, passives, promoters))]
    assert (low, high) == pytest.approx(mirrored, abs=0.01)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_ten_times_the_answers_narrow_it(promoters: int, passives: int, detractors: int) -> None:
    assume(promoters + passives + detractors)
    assert width(10 * promoters, 10 * passives, 10 * detractors) <= width(promoters, passives, detractors)


def test_below_30_answers_an_nps_of_30_is_uncertain_by_more_than_50_points() -> None:
    assert INDICATIVE_BELOW == 30

    assert width(15, 9, 6) > 50


def test_a_difference_lies_around_what_it_estimates_and_mirrors() -> None:
    low, high = difference((500, 300, 200), (200, 300, 500))

    assert (low + high) / 2 == pytest.approx(60, abs=0.5)
    assert (-high, -low) == pytest.approx(difference((200, 300, 500), (500, 300, 200)))


@pytest.mark.unmeasured
@pytest.mark.parametrize(("n", "m"), [(15, 40), (30, 30), (50, 400)])
@pytest.mark.parametrize(("mix", "most"), [(MIXES[0], 0.98), (MIXES[9], 0.98), (MIXES[1], 1.0)], ids=str)
def test_of_two_alike_it_says_so_in_95_of_100_samples_or_more_where_nearly_all_are_of_one_class(
    mix: tuple[float, float, float], most: float, n: int, m: int
) -> None:
    chance, hits = random.Random(3), 0
    for _ in range(2_000):
        samples = [chance.choices(range(3), mix[::-1], k=size) for size in (n, m)]
        one, other = ([sample.count(kind) for kind in range(3)] for sample in samples)
        low, high = difference(one, other)
        hits += low <= 0 <= high

    assert 0.92 <= hits / 2_000 <= most


def normal(promoters: int, passives: int, detractors: int) -> NormalDist:
    """Return how the mean of answers is distributed, with three quarters of a promoter and detractor more, and 1.5."""
    weights = promoters + 0.75, passives + 1.5, detractors + 0.75
    mean = (weights[0] - weights[2]) / sum(weights)
    variance = sum(n * (value - mean) ** 2 for n, value in zip(weights, (1, 0, -1), strict=True)) / sum(weights)
    return NormalDist(mean, (variance / sum(weights)) ** 0.5)


@given(Classes, Classes)
def test_a_fall_is_that_of_the_mean_and_as_sure_as_both_are(
    before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    fall = normal(*before) - normal(*after)

    assert pytest.approx((fall.mean, fall.stdev)) == fall_of(before, after)


@given(Classes, Classes)
def test_the_chance_of_a_drop_is_that_of_so_large_a_fall_around_none(
    before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    fall = normal(*before) - normal(*after)

    assert pytest.approx(1 - NormalDist(0, fall.stdev).cdf(fall.mean), abs=1e-12) == chance_of_drop(before, after)


@given(Classes, Classes)
def test_a_drop_and_a_rise_are_all_there_is(before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    assert pytest.approx(1) == chance_of_drop(before, after) + chance_of_drop(after, before)


@given(Classes)
def test_between_two_alike_a_drop_is_as_likely_as_not(counts: tuple[int, int, int]) -> None:
    assert chance_of_drop(counts, counts) == 0.5


@given(Classes, Classes)
def test_a_drop_is_likelier_than_one_in_forty_where_the_difference_may_be_none(
    before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    low, _ = difference(before, after)

    assert (low <= 0) == (chance_of_drop(before, after) >= 0.025)


def test_of_no_answers_nothing_fell() -> None:
    assert fall_of((0, 0, 0), (0, 0, 0))[0] == 0
    assert chance_of_drop((0, 0, 0), (0, 0, 0)) == 0.5


@pytest.mark.parametrize(("n", "most"), [(50, 0.08), (300, 0.065)])
def test_where_nothing_changed_chance_finds_a_drop_as_often_as_it_says_or_hardly_more(n: int, most: float) -> None:
    """Of few answers somewhat more often: the adjustment draws their mean towards zero, which is lower here."""
    draw, finds = random.Random(7), 0
    for _ in range(2_000):
        samples = [draw.choices(range(3), (0.5, 0.3, 0.2), k=size) for size in (500, n)]
        before, after = ([sample.count(kind) for kind in range(3)] for sample in samples)
        finds += chance_of_drop(before, after) <= 0.05

    # From three standard errors below 5 %.
    assert 0.035 <= finds / 2_000 <= most


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.integers(0, 2_000))
def test_the_interval_holds_the_nps_itself(promoters: int, passives: int, detractors: int) -> None:
    assume(promoters + passives + detractors)
    low, high = interval(promoters, passives, detractors)

    score = 100.0 * (promoters - detractors) / (promoters + passives + detractors)

    assert -100 <= low <= score + 1e-9
    assert score - 1e-9 <= high <= 100


@given(st.lists(st.integers(0, 500), min_size=6, max_size=6))
def test_the_interval_of_a_difference_holds_the_difference(counts: list[int]) -> None:
    one, other = counts[:3], counts[3:]
    assume(sum(one) and sum(other))
    low, high = difference(one, other)

    points = 100.0 * ((one[0] - one[2]) / sum(one) - (other[0] - other[2]) / sum(other))

    assert low - 1e-9 <= points <= high + 1e-9
