"""The size of a drop is averaged over when it may have begun, and shrinks where chance helped."""

from math import log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import xlogy

from worker.detect.drops import Group
from worker.detect.sizes import fall_of_level

DAY = 24
Counts = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))


def groups(*counts: tuple[int, int, int], every: int = DAY) -> list[Group]:
    return [Group(1_000 + number * every, *each) for number, each in enumerate(counts)]


def recount(found: list[Group]) -> float:
    """Return the posterior mean in points, on a fine grid, from the likelihood of the whole data."""
    counts = np.array([group.classes for group in found], float)
    values = np.array([1.0, 0.0, -1.0])
    sizes = np.exp(np.linspace(log(1.9), log(160), 2_000))
    outside = np.maximum(np.maximum(np.log(5 / sizes), np.log(sizes / 60)), 0)
    weight = np.exp(-0.5 * (outside / 0.25) ** 2)

    def variance(sums: npt.NDArray[np.float64]) -> float:
        shares = (sums + np.array([0.75, 1.5, 0.75])) / (sums.sum() + 3)
        return float(shares @ values**2 - (shares @ values) ** 2)

    logs = []
    for first in range(1, len(found)):
        before, since = counts[:first].sum(0), counts[first:].sum(0)
        if before.sum() < min(30, counts[:-1].sum()):
            continue
        pooled, own = variance(before + since), variance(before)
        n = np.array([before.sum(), since.sum()])
        means = np.array([before @ values, since @ values]) / n
        # The levels that fit best, given the size, or given that nothing changed.
        weights = n / [own, max(variance(since), pooled)]
        base = (weights @ means + weights[1] * sizes / 100) / weights.sum()
        misfit = weights[0] * (means[0] - base) ** 2 + weights[1] * (means[1] - base + sizes / 100) ** 2
        unchanged = (weights * (means - weights @ means / weights.sum()) ** 2).sum()
        if means[1] < means[0]:
            unchanged = (n / pooled * (means - n @ means / n.sum()) ** 2).sum()
            logs_of = [xlogy(each, each / each.sum()).sum() for each in (before, since, before + since)]
            unchanged = min(unchanged, 2 * (logs_of[0] + logs_of[1] - logs_of[2]))
        hours = found[first].hour - found[first - 1].hour
        possible = np.where(sizes / 100 <= max(1 + means[0], 0.02), 0.0, -np.inf)
        logs.append(log(hours) + (unchanged - misfit) / 2 + possible)
    chances = np.exp(np.array(logs) - np.max(logs)).sum(0) * weight
    return float((chances * sizes).sum() / chances.sum())


def test_a_bad_evening_is_no_drop_if_evenings_are_known_to_be_bad() -> None:
    """Three blocks a day: mornings and afternoons at +30, evenings at +10. The newest answers are of an evening."""
    days = [counts for _ in range(30) for counts in [(500, 300, 200), (500, 300, 200), (400, 300, 300)]]
    found = groups(*days, every=8)
    offsets = [20 / 3, 20 / 3, -40 / 3] * 30
    known, unknown = fall_of_level(found, offsets=offsets), fall_of_level(found)
    fallen = groups(*days[:-30], *[(300, 300, 400)] * 30, every=8)
    fell = fall_of_level(fallen, offsets=[*offsets[:-30], *[-40 / 3] * 30])
    assert known is not None
    assert unknown is not None
    assert fell is not None

    assert -6 < known.points
    assert unknown.points < known.points - 5
    assert pytest.approx(-20, abs=1.5) == fell.points


@pytest.mark.unmeasured
@given(st.lists(Counts.filter(lambda counts: sum(counts) > 0), min_size=2, max_size=6), st.integers(1, 48))
def test_the_size_is_the_posterior_mean_of_the_whole_data(counts: list[tuple[int, int, int]], every: int) -> None:
    found = groups(*counts, every=every)
    size = fall_of_level(found)
    assert size is not None

    assert pytest.approx(-recount(found), rel=0.05) == size.points
    assert size.low < size.points < size.high < 0


def test_with_many_answers_it_is_the_difference() -> None:
    size = fall_of_level(groups(*[(5_000, 3_000, 2_000)] * 20, *[(4_000, 3_000, 3_000)] * 20))
    assert size is not None

    assert pytest.approx(-20, abs=0.3) == size.points
    assert -21.5 < size.low < -20 < size.high < -18.5


def test_with_few_answers_nobody_knows_more_than_the_usual_sizes() -> None:
    """Of a drop of 50 points that three answers show."""
    size = fall_of_level(groups(*[(50, 30, 20)] * 20, (0, 2, 1)))
    assert size is not None

    assert -25 < size.points < -10
    assert size.low < -55
    assert size.high > -5


@pytest.mark.parametrize("points", [30, 40])
def test_a_large_drop_that_a_hundred_answers_show_is_told_as_large_as_it_is(points: int) -> None:
    """A prior that is drawn to one size, such as 17 points, would say 25 in place of 30, and 34 in place of 40."""
    moved = points // 2
    size = fall_of_level(groups(*[(500, 300, 200)] * 30, (50 - moved, 30, 20 + moved)))
    assert size is not None

    assert pytest.approx(-points, abs=3) == size.points


def test_days_that_differ_make_the_interval_wider() -> None:
    found = groups(*[(500, 300, 200)] * 20, *[(400, 300, 300)] * 3)
    alike, differing = fall_of_level(found), fall_of_level(found, day_deviation=8.0)
    assert alike is not None
    assert differing is not None

    assert differing.high - differing.low > 1.5 * (alike.high - alike.low)


def test_a_beginning_is_not_looked_for_more_than_60_days_ago() -> None:
    """Nor is it known where there are fewer than 30 answers before."""
    old = groups(*[(80, 10, 10)] * 10, *[(40, 20, 40)] * 70)
    recent = groups(*[(80, 10, 10)] * 30, *[(40, 20, 40)] * 50)
    sizes = [fall_of_level(old), fall_of_level(recent), fall_of_level(groups((5, 0, 0), (20, 10, 10), (0, 0, 9)))]

    assert all(size is not None for size in sizes)
    assert sizes[0] is not None and sizes[1] is not None and sizes[0].points > sizes[1].points  # noqa: PT018


@pytest.mark.parametrize("counts", [[], [(5, 3, 2)], [(5, 3, 2), (0, 0, 0)]])
def test_one_group_says_nothing(counts: list[tuple[int, int, int]]) -> None:
    assert fall_of_level(groups(*counts)) is None


def test_answers_that_are_all_the_same_are_no_error() -> None:
    size = fall_of_level(groups((9, 0, 0), (9, 0, 0), (9, 0, 0)))
    far = fall_of_level(groups((10_000, 0, 0), (0, 0, 10_000)))
    assert size is not None
    assert far is not None

    assert size.high < 0
    assert far.low <= far.points < -140


@pytest.mark.parametrize("low", [(8, 0, 2), (16, 0, 4), (90, 0, 10)], ids=str)
def test_where_all_were_promoters_a_few_detractors_are_no_larger_drop_than_they_show(low: tuple[int, int, int]) -> None:
    """The answers before vary by nothing. So a single hour with a detractor seemed to have fallen by 150 points."""
    n = sum(low)
    single = [(1, 0, 0)] * low[0] + [(0, 0, 1)] * low[2]
    mixed = [single[place * (low[0] // low[2] + 1) % n] for place in range(n)]
    size = fall_of_level(groups(*[(10, 0, 0)] * 60, *mixed, every=3))
    assert size is not None

    points = 200 * low[2] / n
    assert -2 * points < size.points < -0.3 * points
    assert size.low < -points < size.high


def test_two_detractors_after_each_other_are_no_drop_of_their_own() -> None:
    """One of ten was a detractor since the drop began, and the newest two answers happen to be detractors.

    The variance of all answers is so small that these two seem to have fallen by surely far more than all the others.
    The multinomial likelihood knows that two detractors one after the other are nothing special here.
    """
    ten = [(1, 0, 0)] * 9 + [(0, 0, 1)]
    size = fall_of_level(groups(*[(10, 0, 0)] * 60, *ten * 10, (0, 0, 1), every=3))
    assert size is not None

    assert pytest.approx(-200 * 11 / 101, abs=3) == size.points
    assert -40 < size.low


def test_no_nps_falls_below_100_points_under_zero() -> None:
    """The NPS before was -80 and -100."""
    sizes = [fall_of_level(groups(*[counts] * 30, (0, 0, 40))) for counts in [(2, 1, 17), (0, 0, 20)]]

    assert all(size is not None for size in sizes)
    assert sizes[0] is not None and -26 < sizes[0].low  # noqa: PT018
    assert sizes[1] is not None and -2.1 < sizes[1].low <= sizes[1].points <= sizes[1].high < 0  # noqa: PT018
