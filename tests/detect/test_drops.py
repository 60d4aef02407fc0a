"""A drop is found soon, and one that is not there seldom: what the statistics promise holds for the code."""

import random
from collections.abc import Iterator
from itertools import permutations, product
from math import exp, factorial, inf, prod

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from worker.detect.days import Days
from worker.detect.drops import (
    NO_PRIOR,
    Classes,
    Detector,
    Group,
    Prior,
    dropped,
    fall_at_least,
    log_ratios,
    lowered,
    variance_of,
)

#: Half promoters, 30 % passives, 20 % detractors: a baseline of a thousand.
BASELINE = (500.0, 300.0, 200.0)
MIX = (0.5, 0.3, 0.2)
#: The sizes of the drops that are looked for by default.
DROPS = (10, 20, 30)
DAY = 24
Weights = st.tuples(st.integers(1, 1_000), st.integers(1, 1_000), st.integers(1, 1_000))
Shares = Weights.map(lambda weights: (weights[0] / sum(weights), weights[1] / sum(weights), weights[2] / sum(weights)))
#: One class may be as rare as a baseline makes it.
Rare = st.tuples(*[st.one_of(st.integers(1, 5), st.integers(1, 5_000))] * 3).map(
    lambda weights: (weights[0] / sum(weights), weights[1] / sum(weights), weights[2] / sum(weights))
)
Baselines = st.tuples(*[st.integers(0, 1_500).map(float)] * 3).filter(lambda before: sum(before) >= 200)
Ratios = st.tuples(*[st.floats(0, 1e6)] * 3)
Counts = st.tuples(*[st.integers(0, 40)] * 3).filter(any)
Groups = st.lists(Counts, max_size=30)
Points = st.one_of(st.sampled_from(DROPS), st.floats(0, 30))


def nps(shares: Classes) -> float:
    return 100 * (shares[0] - shares[2])


def estimate(before: Classes) -> Classes:
    """Return the shares with one answer more of each class."""
    n = sum(before) + 3
    return (before[0] + 1) / n, (before[1] + 1) / n, (before[2] + 1) / n


def feed(detector: Detector, *groups: tuple[int, int, int], start: int = 1_000) -> None:
    """Let a detector take a group an hour."""
    for hour, counts in enumerate(groups, start=start):
        detector.take(Group(hour, *counts), NO_PRIOR)


def opened(before: Classes = BASELINE, n: int = 40) -> Detector:
    """Return a detector with an open drop, made by `n` detractors in the hour 100."""
    detector = Detector(baseline=before)
    detector.take(Group(100, 0, 0, n), NO_PRIOR)
    assert detector.has_dropped(1_000)
    detector.open_drop()
    return detector


def outcomes(n: int) -> Iterator[tuple[int, int, int]]:
    for promoters, passives in product(range(n + 1), repeat=2):
        if promoters + passives <= n:
            yield promoters, passives, n - promoters - passives


def chance_of(counts: tuple[int, int, int], shares: Classes) -> float:
    ways = factorial(sum(counts)) // prod(map(factorial, counts))
    return ways * prod(share**n for share, n in zip(shares, counts, strict=True))


# What a drop makes of shares.


@given(Rare, Points)
def test_a_drop_takes_its_points_off_the_nps_and_an_nps_falls_to_minus_99_at_most(
    shares: Classes, points: float
) -> None:
    lowest = min(nps(shares), -99.0)

    assert pytest.approx(max(nps(shares) - points, lowest)) == nps(dropped(shares, points))


@given(Rare, Points)
def test_each_class_is_multiplied_by_a_power_of_one_number(shares: Classes, points: float) -> None:
    promoters, passives, detractors = (
        after / share for after, share in zip(dropped(shares, points), shares, strict=True)
    )

    assert pytest.approx(passives * passives) == promoters * detractors


@given(Rare, st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 25))
def test_evidence_depends_on_the_nps_of_answers_and_not_on_which_classes_a_drop_is_made_of(
    shares: Classes, promoters: int, passives: int, detractors: int, moved: int
) -> None:
    one = promoters + moved, passives, detractors + moved
    other = promoters, passives + 2 * moved, detractors

    assert log_ratios(shares, one, DROPS) == pytest.approx(log_ratios(shares, other, DROPS), rel=1e-6, abs=1e-6)


@given(Rare, Points)
def test_shares_after_a_drop_sum_to_1_and_nothing_is_impossible(shares: Classes, points: float) -> None:
    after = dropped(shares, points)

    assert pytest.approx(1) == sum(after)
    assert min(after) > 0


@given(Rare, Points)
def test_a_rise_is_a_drop_of_those_who_are_unhappy(shares: Classes, points: float) -> None:
    promoters, passives, detractors = shares

    assert pytest.approx(dropped(shares, -points)) == dropped((detractors, passives, promoters), points)[::-1]


@given(Rare, Points)
@example((0.0002, 0.0002, 0.9996), 0.02)
@example((0.0002, 0.0002, 0.9996), 10)
def test_no_drop_is_a_rise(shares: Classes, points: float) -> None:
    assert nps(dropped(shares, points)) <= nps(shares) + 1e-9


@given(Rare)
def test_a_larger_drop_is_lower(shares: Classes) -> None:
    ten, twenty, thirty = (nps(dropped(shares, points)) for points in DROPS)

    assert thirty < twenty < ten or ten < -98.9 or nps(shares) < -68


# The baseline.


@pytest.mark.parametrize(
    ("own", "weight", "learned"),
    [(199, 0, False), (200, 0, True), (49, 500, False), (50, 149, False), (50, 150, True), (120, 80, True)],
)
def test_a_baseline_is_of_200_answers_of_which_the_parent_has_no_more_than_150(
    own: int, weight: float, *, learned: bool
) -> None:
    assert learned == Detector(baseline=(0.0, float(own), 0.0)).is_learned(Prior(MIX, weight))


def test_until_there_is_a_baseline_answers_make_it_and_raise_no_alarm() -> None:
    detector = Detector()
    feed(detector, (100, 0, 0), (0, 0, 99))

    assert Detector(baseline=(100, 0, 99), learning_since=1_000, taken_until=1_001) == detector


@given(Baselines)
@example((0.0, 0.0, 5_000.0))
def test_without_a_parent_a_baseline_is_its_estimate_or_lower(before: Classes) -> None:
    assert nps(lowered(before, NO_PRIOR)) <= nps(estimate(before)) + 1e-9


@given(Baselines)
def test_it_is_a_standard_error_lower_where_there_are_promoters_enough(before: Classes) -> None:
    shares = estimate(before)
    assume(shares[0] > 0.1 and shares[1] > 0.02)
    variance = sum(share * (value - nps(shares)) ** 2 for share, value in zip(shares, (100, 0, -100), strict=True))
    error = (variance / (sum(before) + 3)) ** 0.5

    assert pytest.approx(nps(shares) - error) == nps(lowered(before, NO_PRIOR))


@given(Baselines, Shares, st.floats(0, 500))
def test_with_a_parent_it_is_as_if_this_number_of_answers_had_been_the_parents(
    before: Classes, shares: Classes, weight: float
) -> None:
    together = before[0] + weight * shares[0], before[1] + weight * shares[1], before[2] + weight * shares[2]

    assert pytest.approx(lowered(together, NO_PRIOR)) == lowered(before, Prior(shares, weight))


def test_the_more_answers_the_less_it_is_lowered() -> None:
    few, many = (nps(lowered((0.5 * n, 0.3 * n, 0.2 * n), NO_PRIOR)) for n in (200, 5_000))

    assert few < many < 30


@given(Groups)
def test_no_answer_of_a_baseline_or_after_it_is_lost_below_the_bound(groups: list[tuple[int, int, int]]) -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, *groups)
    expected = [n + sum(counts[kind] for counts in groups) for kind, n in enumerate(BASELINE)]

    assert expected == [own + since for own, since in zip(detector.baseline, detector.pending, strict=True)]


def test_a_baseline_holds_5000_answers_in_the_shares_of_all_of_them() -> None:
    detector = Detector(baseline=(3_000.0, 1_000.0, 500.0))
    feed(detector, (3_300, 700, 500))

    assert pytest.approx((3_500, 1_700 / 1.8, 1_000 / 1.8)) == detector.baseline


# What R is.


@given(Baselines, st.tuples(*[st.floats(0, 1_000)] * 3), st.integers(1, 4), st.integers(1, 24 * 7))
def test_r_less_the_days_is_a_martingale(before: Classes, ratios: Classes, n: int, hours: int) -> None:
    """Whatever comes next: R grows by one a day on average, as long as the baseline is right."""
    shares = lowered(before, NO_PRIOR)
    mean = [0.0, 0.0, 0.0]
    for counts in outcomes(n):
        detector = Detector(baseline=before, r_values=ratios, taken_until=100)
        detector.take(Group(100 + hours, *counts), NO_PRIOR)
        for size, ratio in enumerate(detector.r_values):
            mean[size] += chance_of(counts, shares) * ratio

    assert pytest.approx([ratio + hours / DAY for ratio in ratios]) == mean


@given(Baselines, Ratios, Counts)
def test_a_group_makes_of_r_its_likelihood_ratio_times_r_and_its_hour(
    before: Classes, ratios: Classes, counts: tuple[int, int, int]
) -> None:
    detector, now = Detector(baseline=before, r_values=ratios), lowered(before, NO_PRIOR)
    detector.take(Group(1, *counts), NO_PRIOR)
    expected = []
    for points, ratio in zip((10, 20, 30), ratios, strict=True):
        factors = [after / share for after, share in zip(dropped(now, points), now, strict=True)]
        grown = (ratio + 1 / DAY) * prod(factor**n for factor, n in zip(factors, counts, strict=True))
        expected.append(min(grown, 1e12))

    assert pytest.approx(expected) == detector.r_values


@given(Shares, st.lists(st.integers(0, 2), min_size=1, max_size=5))
def test_the_order_within_a_group_is_of_no_consequence(shares: Classes, kinds: list[int]) -> None:
    expected = log_ratios(shares, (kinds.count(0), kinds.count(1), kinds.count(2)), DROPS)
    for order in permutations(kinds):
        single = [log_ratios(shares, (kind == 0, kind == 1, kind == 2), DROPS) for kind in order]
        assert pytest.approx(expected) == [sum(logs) for logs in zip(*single, strict=True)]


@pytest.mark.parametrize("points", DROPS)
def test_of_a_drop_that_size_is_likeliest_which_it_has(points: int) -> None:
    promoters, passives, detractors = dropped(lowered(BASELINE, NO_PRIOR), points)
    detector = Detector(baseline=BASELINE)
    feed(detector, (round(150 * promoters), round(150 * passives), round(150 * detractors)))
    detector.open_drop()

    assert DROPS.index(points) == detector.open_size


@pytest.mark.parametrize(("ratios", "found"), [((0.0, 2_990.0, 0.0), False), ((0.0, 3_010.0, 0.0), True)])
def test_there_is_a_drop_once_the_mean_reaches_the_threshold_where_the_middle_size_counts_most(
    ratios: Classes, *, found: bool
) -> None:
    detector = Detector(baseline=BASELINE, r_values=ratios, cusums=(0.1, 0.0, 0.0))

    assert found == detector.has_dropped(2_000)


def test_however_certain_it_is_a_fall_of_less_than_the_least_points_is_no_drop() -> None:
    """With 20 million answers a fall of 4 points is certain; with those of a fall of 6 points it is told."""
    baseline = (5_000_000.0, 3_000_000.0, 2_000_000.0)
    for points, found in ((4, False), (6, True)):
        detector = Detector(baseline=baseline, days=Days(usual=1_000_000))
        promoters, passives, detractors = dropped(MIX, points)
        feed(detector, *[(round(40_000 * promoters), round(40_000 * passives), round(40_000 * detractors))] * 200)
        assert found == detector.has_dropped(1_000)


def test_with_other_least_points_other_sizes_are_looked_for() -> None:
    ten, two = Detector(baseline=(50_000.0, 30_000.0, 20_000.0)), Detector(baseline=(50_000.0, 30_000.0, 20_000.0))
    promoters, passives, detractors = dropped(MIX, 6)
    for hour in range(100, 300):
        group = Group(hour, round(100 * promoters), round(100 * passives), round(100 * detractors))
        ten.take(group, NO_PRIOR, 10.0)
        two.take(group, NO_PRIOR, 2.0)

    assert not ten.has_dropped(1_000)
    assert two.has_dropped(1_000)


def test_a_drop_that_is_open_is_not_found_again() -> None:
    detector = opened()
    feed(detector, (0, 0, 40))

    assert not detector.has_dropped(2_000)


@given(st.lists(st.tuples(*[st.sampled_from([0, 1, 10**6, 10**12])] * 3).filter(any), max_size=8), st.booleans())
def test_groups_of_any_size_overflow_nothing(groups: list[tuple[int, int, int]], is_open: bool) -> None:
    detector = opened() if is_open else Detector(baseline=BASELINE)
    feed(detector, *groups)

    assert 0 <= min(*detector.r_values, detector.recovery_r, detector.recovery_cusum, *detector.cusums)
    assert max(detector.r_values) <= 1e12
    assert detector.recovery_r <= 1e12
    assert max(detector.recovery_cusum, *detector.cusums) < inf


# The CUSUM, and what waits for it.


def test_at_the_cusums_zero_answers_join_the_baseline() -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (3, 1, 0))

    assert ((503, 301, 200), (0, 0, 0), 0) == (detector.baseline, detector.pending, detector.cusums[0])


def test_above_its_zero_answers_wait_from_the_hour_of_the_first_on() -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (3, 1, 0), (0, 0, 2), (0, 1, 1), start=70)

    assert ((503, 301, 200), (0, 1, 3), 71) == (detector.baseline, detector.pending, detector.likely_start)


def test_at_the_next_zero_they_join_it_and_the_next_ones_wait_from_their_own_hour() -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (0, 0, 2), (20, 3, 0), (0, 0, 1), start=70)

    assert ((520, 303, 202), (0, 0, 1), 72) == (detector.baseline, detector.pending, detector.likely_start)


@given(Groups)
def test_the_cusum_is_that_of_the_answers_that_wait(groups: list[tuple[int, int, int]]) -> None:
    detector = Detector(baseline=BASELINE)
    for hour, counts in enumerate(groups, start=70):
        detector.take(Group(hour, *counts), NO_PRIOR)
        own = log_ratios(lowered(detector.baseline, NO_PRIOR), detector.pending, DROPS)[0]
        assert pytest.approx(own, abs=1e-9) == detector.cusums[0]
        assert (detector.cusums[0] > 0) == any(detector.pending)


@given(Groups, st.sampled_from([NO_PRIOR, Prior((0.8, 0.1, 0.1), 300.0)]))
def test_while_a_drop_is_open_its_baseline_is_frozen(groups: list[tuple[int, int, int]], prior: Prior) -> None:
    detector = opened()
    for hour, counts in enumerate(groups, start=101):
        detector.take(Group(hour, *counts), prior)
    expected = [float(40 * (kind == 2) + sum(counts[kind] for counts in groups)) for kind in range(3)]

    assert BASELINE == detector.baseline
    assert expected == list(detector.pending)
    assert 100 == detector.likely_start


def test_it_is_frozen_even_if_the_parent_says_less_than_it_did_when_the_drop_was_found() -> None:
    detector, prior = Detector(baseline=(60.0, 20.0, 20.0)), Prior(MIX, 300.0)
    detector.take(Group(100, 0, 0, 60), prior)
    assert detector.has_dropped(1_000)
    detector.open_drop()
    detector.take(Group(101, 0, 0, 10), NO_PRIOR)

    assert ((60, 20, 20), (0, 0, 70)) == (detector.baseline, detector.pending)


# How a drop ends.


def test_an_open_drop_is_over_once_answers_are_as_before() -> None:
    detector = opened()
    found = []
    for hour, counts in enumerate([(0, 1, 5), *[(5, 3, 2)] * 40], start=101):
        feed(detector, counts, start=hour)
        found.append(detector.has_recovered)

    assert [False, True] == [found[2], found[-1]]
    assert 102 <= detector.recovering_since <= 104


def test_r_for_the_way_back_grows_like_the_other_one() -> None:
    detector, now = opened(), lowered(BASELINE, NO_PRIOR)
    after = dropped(now, fall_at_least(now, (0, 0, 40), 1.0, 5.0))
    detector.take(Group(101, 4, 2, 1), NO_PRIOR)
    detector.take(Group(103, 3, 0, 0), NO_PRIOR)
    first = 1 / DAY * prod((now[kind] / after[kind]) ** n for kind, n in enumerate((4, 2, 1)))

    assert pytest.approx((first + 2 / DAY) * (now[0] / after[0]) ** 3) == detector.recovery_r


def test_answers_that_are_worse_again_end_the_recovery_and_the_next_one_begins_later() -> None:
    detector = opened()
    feed(detector, (5, 0, 0), start=101)
    assert detector.recovering_since == 101
    feed(detector, (0, 0, 30), start=102)
    assert detector.recovering_since == 0
    feed(detector, (5, 0, 0), (5, 0, 0), start=110)

    assert detector.recovering_since == 110


def lasting(points: float, answers: int, chance: random.Random) -> Detector:
    """Return an open drop of some points, reported after 300 answers in the hour 160, and so many answers later."""
    detector = Detector(baseline=BASELINE)
    for hour in range(100, 160 + answers // 5):
        if hour == 160:
            detector.open_drop(hour=160)
        detector.take(drawn(hour, dropped(MIX, points), chance), NO_PRIOR)
    return detector


def drawn(hour: int, shares: Classes, chance: random.Random) -> Group:
    kinds = chance.choices(range(3), shares, k=5)
    return Group(hour, kinds.count(0), kinds.count(1), kinds.count(2))


def is_over(detector: Detector, better: Classes) -> bool:
    """`better`: the answers since answers became better."""
    return detector.has_recovered and detector.is_as_before(better, 5.0)


@pytest.mark.parametrize(
    ("n", "points", "as_before"),
    [
        (400, 13, False),
        (100, 0, False),
        (600, 0, True),
        (600, 3, True),
        (10_000, 5, True),
        (10_000, 7, False),
        (0, 0, True),
    ],
)
def test_answers_are_as_before_if_that_is_clearly_likelier_than_half_of_the_drop_and_they_are_not_lower(
    n: int, points: int, *, as_before: bool
) -> None:
    promoters, passives, detractors = dropped(MIX, points)
    detector = Detector(baseline=BASELINE, fall=30.0)

    assert as_before == detector.is_as_before((n * promoters, n * passives, n * detractors), 5.0)


@pytest.mark.parametrize(
    ("n", "own", "as_before"), [(10_000, 1_000, True), (2_000, 10_000, True), (20_000, 10_000, False)]
)
def test_they_are_lower_if_they_are_so_by_more_than_the_standard_error_of_the_difference(
    n: int, own: int, *, as_before: bool
) -> None:
    """They are 3.6 points lower: a baseline of 1,000 answers is uncertain by 2.5 points, and one of 10,000 by 0.8."""
    promoters, passives, detractors = dropped(MIX, 3.6)
    detector = Detector(baseline=(0.5 * own, 0.3 * own, 0.2 * own), fall=30.0)

    assert as_before == detector.is_as_before((n * promoters, n * passives, n * detractors), 5.0)


def test_a_drop_of_30_that_becomes_one_of_13_and_stays_is_not_over() -> None:
    """Its answers are closer to those of before than to a drop of 30 points, and some of them are good by chance."""
    over = 0
    for seed in range(40):
        chance = random.Random(seed)
        detector = lasting(30, 500, chance)
        better: Classes = (0.0, 0.0, 0.0)
        for hour in range(260, 860):
            group = drawn(hour, dropped(MIX, 13), chance)
            detector.take(group, NO_PRIOR)
            since = detector.recovering_since
            better = (0.0, 0.0, 0.0) if not since else group.classes if since == hour else plus(better, group.classes)
            if is_over(detector, better):
                over += 1
                break

    assert over <= 2


def plus(one: Classes, other: Classes) -> Classes:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def test_an_alarm_by_chance_ends_once_all_answers_since_then_are_no_sign_of_a_drop() -> None:
    """A drop of a little more than 10 points would take 950 answers to be told from none by the answers since then."""
    ended = []
    for seed in range(40):
        detector, chance = opened(n=25), random.Random(seed)
        detector.take(drawn(101, MIX, chance), NO_PRIOR)
        while not detector.has_vanished:
            detector.take(drawn(detector.taken_until + 1, MIX, chance), NO_PRIOR)
        ended.append(5 * (detector.taken_until - 100))
        assert not detector.is_lower(detector.pending, 8.0)

    assert sorted(ended)[20] < 600


def test_a_drop_that_lasts_does_not_vanish() -> None:
    for seed in range(20):
        detector, chance = opened(), random.Random(seed)
        for hour in range(101, 701):
            detector.take(drawn(hour, dropped(MIX, 15), chance), NO_PRIOR)
            assert not detector.has_vanished


def test_a_drop_that_was_opened_without_a_sign_of_its_own_does_not_vanish_at_once() -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (5, 0, 0), start=100)
    detector.open_drop((50, 30, 20), 101)
    assert not detector.has_vanished
    feed(detector, (1, 0, 0), start=101)

    assert not detector.has_vanished


# A further fall.


def test_a_further_fall_of_an_open_drop_is_found_and_the_level_without_one_seldom_is() -> None:
    found = {15: 0, 40: 0}
    for points in found:
        for seed in range(20):
            chance = random.Random(seed)
            detector = lasting(15, 400, chance)
            for hour in range(240, 440):
                detector.take(drawn(hour, dropped(MIX, points), chance), NO_PRIOR)
                if detector.has_fallen_further(5.0):
                    found[points] += 1
                    assert detector.further is not None
                    assert 200 <= detector.further.likely_start <= hour
                    break

    assert found[15] <= 1
    assert found[40] >= 18


def test_after_a_further_fall_the_drop_is_as_low_as_the_answers_since_then_and_settles_later() -> None:
    detector = opened()
    feed(detector, *[(2, 1, 2)] * 100, start=101)
    detector.fall_further((10, 20, 70), 900)
    since = detector.pending
    feed(detector, (1, 2, 7), start=901)

    assert ((10, 20, 70), 30) == (since, detector.fall)
    assert not detector.has_fallen_further(5.0)
    assert [False, True] == [detector.has_settled(hour) for hour in (900 + 1_439, 900 + 1_440)]


def test_without_an_open_drop_there_is_no_further_fall() -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (0, 0, 40), start=100)

    assert not detector.has_fallen_further(5.0)


def test_a_drop_that_lasts_is_not_over_by_itself() -> None:
    chance, low = random.Random(5), dropped(MIX, 30)
    over = 0
    for _ in range(20):
        detector = opened()
        for hour in range(101, 301):
            kinds = chance.choices(range(3), low, k=5)
            detector.take(Group(hour, kinds.count(0), kinds.count(1), kinds.count(2)), NO_PRIOR)
        over += detector.has_recovered

    assert over <= 2


def test_without_a_drop_nothing_has_recovered() -> None:
    assert not Detector(baseline=BASELINE, recovery_r=1e9).has_recovered


def test_after_a_recovery_the_baseline_is_that_from_before_the_drop() -> None:
    detector = opened()
    feed(detector, *[(5, 3, 2)] * 40, start=101)
    detector.restart()

    assert Detector(baseline=BASELINE, taken_until=140) == detector


@pytest.mark.parametrize(("hours", "settled"), [(60 * 24 - 1, False), (60 * 24, True)])
def test_what_lasts_for_60_days_is_the_level_now(hours: int, *, settled: bool) -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (0, 0, 3), start=100)

    assert settled == detector.has_settled(100 + hours)


@pytest.mark.parametrize(("hours", "settled"), [(60 * 24 - 1, False), (60 * 24, True)])
@pytest.mark.parametrize("has_sign", [True, False])
def test_a_drop_settles_60_days_after_it_was_reported_whether_it_has_a_sign_of_its_own_or_not(
    hours: int, *, settled: bool, has_sign: bool
) -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (0, 0, 40) if has_sign else (5, 0, 0), start=100)
    detector.open_drop((10, 10, 20), 700)
    feed(detector, (0, 0, 3), start=720)

    assert settled == detector.has_settled(700 + hours)


@pytest.mark.parametrize("has_sign", [True, False])
def test_an_open_drop_of_a_row_of_the_version_before_settles_too(*, has_sign: bool) -> None:
    """Such a row has neither the hour of the report nor a detector of a further fall."""
    own = [(9.0, 9.0, 9.0), (100, 100, 100)] if has_sign else [(0.0, 0.0, 0.0), (0, 0, 0)]
    row = [BASELINE, (10.0, 10.0, 20.0), (1e6, 1e6, 1e6), *own]
    encoded = msgspec.msgpack.encode([*row, 1, 0.5, 0.0, 0, Days(12.0), 50, 700, 17.5])
    detector = msgspec.msgpack.decode(encoded, type=Detector)
    assert not detector.has_vanished
    feed(detector, (1, 0, 0), start=720)

    assert not detector.has_vanished
    assert detector.further is not None
    assert [False, True] == [detector.has_settled((100 if has_sign else 720) + hours) for hours in (1_439, 1_440)]


def test_without_a_sign_of_a_drop_nothing_settles() -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (5, 0, 0), start=100)

    assert not detector.has_settled(1_000_000)


def test_a_level_that_is_new_is_learned_from_the_answers_that_are_named() -> None:
    detector = opened()
    feed(detector, (50, 50, 100), start=101)
    detector.restart((20.0, 30.0, 50.0))

    assert Detector(baseline=(20, 30, 50), taken_until=101) == detector


def test_without_answers_of_a_new_level_the_baseline_stays() -> None:
    detector = Detector(baseline=BASELINE)
    detector.restart((0.0, 0.0, 0.0))

    assert Detector(baseline=BASELINE) == detector


def test_the_hour_is_that_of_the_likeliest_drop() -> None:
    """A small drop seems to have begun long ago, as chance has it; a large one begins where it begins."""
    detector = Detector(baseline=BASELINE)
    feed(detector, *[(9, 6, 5)] * 30, *[(0, 2, 3)] * 30, start=100)

    assert 100 == detector.possible_starts[0]
    assert 129 <= detector.likely_start <= 131


@given(Groups, st.booleans())
def test_a_row_is_the_same_when_it_is_read_again(groups: list[tuple[int, int, int]], is_open: bool) -> None:
    detector = opened() if is_open else Detector()
    feed(detector, *groups)

    assert detector == msgspec.msgpack.decode(msgspec.msgpack.encode(detector), type=Detector)


# How soon, and how seldom.


def found_after(mix: Classes, limit: int, chance: random.Random) -> int:
    """Return after how many answers, up to eight an hour, there is an alarm; of a baseline of 2,000 answers.

    There are 108 answers on a day, and a false alarm once in 20 days.
    """
    kinds = chance.choices(range(3), MIX, k=2_000)
    detector = Detector(baseline=(float(kinds.count(0)), float(kinds.count(1)), float(kinds.count(2))))
    answers = hour = 0
    while answers < limit and not detector.has_dropped(20):
        hour += 1
        kinds = chance.choices(range(3), mix, k=chance.randint(1, 8))
        detector.take(Group(hour, kinds.count(0), kinds.count(1), kinds.count(2)), NO_PRIOR)
        answers += len(kinds)
    return answers


def test_a_drop_of_20_points_is_found_within_300_answers_in_nine_of_ten_runs() -> None:
    chance = random.Random(1)

    assert sum(found_after(dropped(MIX, 20), 400, chance) <= 300 for _ in range(100)) >= 90


@pytest.mark.unmeasured
def test_a_steady_segment_raises_an_alarm_once_in_1500_answers_or_less_often() -> None:
    chance = random.Random(2)

    # A run that is given up counts for less than it is.
    assert sum(found_after(MIX, 4_000, chance) for _ in range(100)) / 100 >= 1_500


def test_what_is_a_drop_in_a_happy_segment_is_none_in_one_that_was_always_so() -> None:
    low = dropped(MIX, 20)
    happy, unhappy = Detector(baseline=BASELINE), Detector(baseline=(1_000 * low[0], 1_000 * low[1], 1_000 * low[2]))
    for detector in (happy, unhappy):
        feed(detector, *[(4, 3, 3)] * 20)

    assert happy.has_dropped(10)
    assert not unhappy.has_dropped(10)


def test_r_forgets_what_was_good_before_a_drop() -> None:
    """Else a segment that has been well for long would have to fall for as long."""
    detector = Detector(baseline=(2_500.0, 1_500.0, 1_000.0))
    feed(detector, *[(8, 1, 1)] * 100)

    assert max(detector.r_values) < 20


# How days differ.


@given(st.integers(0, 6), st.sampled_from([-8.0, 3.0]))
def test_on_a_day_that_is_usually_worse_worse_answers_are_expected(day: int, points: float) -> None:
    """Day 4 since 1970 was a Monday. Answers are compared with the level that such a day usually has."""
    offsets = tuple(points if number == day else 0.0 for number in range(7))
    known, plain = (Detector(baseline=BASELINE, days=days) for days in (Days(0.0, 0.0, offsets), Days()))
    expected = dropped(lowered(BASELINE, NO_PRIOR), -points)
    for number in range(7):
        known.r_values = plain.r_values = (1.0, 1.0, 1.0)
        group = Group((4 + number) * DAY + 5, 3, 2, 4)
        logs = log_ratios(expected if number == day else lowered(BASELINE, NO_PRIOR), group.classes, DROPS)
        known.taken_until = group.hour - 1
        known.take(group, NO_PRIOR)
        assert pytest.approx([(1 + 1 / DAY) * exp(log) for log in logs]) == known.r_values
        known.baseline, known.pending = BASELINE, (0.0, 0.0, 0.0)


@given(st.floats(0, 500), st.floats(0, 100))
def test_the_variance_between_days_tempers_what_a_group_says(usual: float, variance: float) -> None:
    days = Days(usual, variance)
    detector = Detector(baseline=BASELINE, r_values=(1.0, 1.0, 1.0), days=days)
    detector.take(Group(100, 1, 2, 9), NO_PRIOR)
    shares = lowered(BASELINE, NO_PRIOR, days)
    logs = log_ratios(shares, (1, 2, 9), DROPS)
    inflation = days.inflation(variance_of(shares))

    assert pytest.approx([(1 + 1 / DAY) * exp(log / inflation) for log in logs]) == detector.r_values


def test_the_larger_the_variance_between_days_the_lower_is_the_baseline() -> None:
    alone, apart = (nps(lowered(BASELINE, NO_PRIOR, Days(500.0, variance))) for variance in (0.0, 36.0))

    assert apart < alone < 30


@pytest.mark.parametrize(("hours", "learned"), [(14 * 24 - 1, False), (14 * 24, True)])
def test_a_baseline_is_of_two_weeks(hours: int, *, learned: bool) -> None:
    detector = Detector()
    feed(detector, (400, 200, 100), start=1_000)
    feed(detector, (4, 2, 1), start=1_000 + hours)

    assert learned == detector.is_learned(NO_PRIOR)


@pytest.mark.parametrize(("usual", "most"), [(0.0, 5_000), (10.0, 1_500), (100.0, 4_000)])
def test_a_baseline_is_worth_40_days_and_no_fewer_than_1500_answers(usual: float, most: int) -> None:
    detector = Detector(baseline=(5_000.0, 3_000.0, 2_000.0), days=Days(usual))
    feed(detector, (5, 0, 0))

    assert pytest.approx(most) == sum(detector.baseline)


# What is a drop of the size that was seen.


@given(st.integers(1, 3_000), st.floats(0, 40), st.floats(1, 9))
def test_a_fall_is_taken_for_smaller_than_it_was_seen_by_its_uncertainty(
    n: int, points: float, inflation: float
) -> None:
    promoters, passives, detractors = dropped(MIX, points)
    found = fall_at_least(MIX, (n * promoters, n * passives, n * detractors), inflation, 5.0)

    assert 10 <= found <= max(10, min(points, 30))
    assert found <= fall_at_least(MIX, (9 * n * promoters, 9 * n * passives, 9 * n * detractors), inflation, 5.0) + 1e-9


def test_a_drop_that_goes_on_is_known_ever_better_and_a_recovery_does_not_count_for_it() -> None:
    detector, low = opened(), dropped(MIX, 20)
    counts = round(50 * low[0]), round(50 * low[1]), round(50 * low[2])
    feed(detector, *[counts] * 100, start=101)
    lasting = detector.fall
    assert 15 < lasting < 20
    feed(detector, (6, 3, 1), (6, 3, 1), (6, 3, 1), start=201)

    assert lasting == detector.fall


def test_an_open_drop_is_as_low_as_the_answers_since_it_began() -> None:
    detector = opened()
    detector.open_drop((10, 20, 30))

    assert (10, 20, 30) == detector.pending


def test_while_answers_are_better_again_a_level_does_not_settle_for_another_60_days() -> None:
    detector = opened()
    feed(detector, (5, 3, 1), (5, 3, 1), start=101)
    assert detector.recovery_cusum > 2
    assert not detector.has_settled(100 + 119 * DAY)

    assert detector.has_settled(100 + 120 * DAY)


def test_after_a_rise_the_baseline_is_the_level_before_it() -> None:
    detector = Detector(baseline=BASELINE)
    feed(detector, (0, 1, 7))
    detector.return_to(20.0, 800)

    assert pytest.approx(800) == sum(detector.baseline)
    assert pytest.approx(20) == nps(detector.baseline) / 800
    assert (0, 0, 0) == detector.pending == detector.r_values
