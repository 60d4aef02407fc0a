"""The smoothed NPS is a weighted mean of the days, and its interval covers what is true."""

import random
from collections.abc import Sequence
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.nps.buckets import Buckets, MutableBuckets
from worker.nps.histogram import BINS
from worker.nps.interval import interval
from worker.nps.smoothed import Indicator, Smoothed
from worker.nps.spans import Spans
from worker.nps.windows import DAY

_TODAY = 20_000
Counts = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
Histories = st.dictionaries(st.integers(0, 364), Counts, min_size=1, max_size=40)


def ask(history: dict[int, tuple[int, int, int]]) -> Indicator | None:
    """Ask a segment that had so many promoters, passives and detractors on days of these ages."""
    opened = MutableBuckets(Buckets())
    for age, (promoters, passives, detractors) in history.items():
        first = (_TODAY - age) * BINS
        opened.add({first + 10: promoters, first + 7: passives, first: detractors})
    return Spans(until=_TODAY * DAY, buckets={DAY: opened.frozen()}).indicator()


def found(history: dict[int, tuple[int, int, int]]) -> Indicator:
    result = ask(history)
    assert result is not None
    return result


def answers(history: dict[int, tuple[int, int, int]], life: int) -> list[tuple[float, int, int]]:
    """Return weight, value and age of every single answer."""
    return [
        (2.0 ** (-age / life), value, age)
        for age, counts in history.items()
        if age <= 10 * life
        for value, n in zip((1, 0, -1), counts, strict=True)
        for _ in range(n)
    ]


@given(Histories)
def test_it_is_the_weighted_mean_of_all_answers_and_as_sure_as_their_effective_number(
    history: dict[int, tuple[int, int, int]],
) -> None:
    result = ask(history)
    if result is None:
        assert not any(sum(counts) for age, counts in history.items() if age <= 70)
        return
    figure = result.smoothed
    single = answers(history, figure.half_life)
    total = sum(weight for weight, _, _ in single)
    p, d = (sum(weight for weight, value, _ in single if value == sign) / total for sign in (1, -1))
    n_eff = total**2 / sum(weight**2 for weight, _, _ in single)
    low, high = interval(n_eff * p, n_eff * (1 - p - d), n_eff * d)

    assert pytest.approx((100 * (p - d), low, high, n_eff), abs=1e-6) == figure[:4]


@pytest.mark.parametrize(("per_day", "life"), [(1, 81), (2, 40), (3, 27), (20, 7), (1_000, 7)], ids=str)
def test_the_half_life_is_time_for_81_answers_from_a_week_to_a_quarter(per_day: int, life: int) -> None:
    assert life == found(dict.fromkeys(range(365), (per_day, 0, 0))).smoothed.half_life


@pytest.mark.parametrize(
    ("history", "life"),
    [({0: 1, 30: 1, 89: 1, 90: 500}, 90), ({0: 10, 1: 10, 2: 10, 364: 1}, 8), ({100: 50}, 90)],
)
def test_the_rhythm_is_that_of_the_last_quarter(history: dict[int, int], life: int) -> None:
    assert life == found({age: (n, 0, 0) for age, n in history.items()}).smoothed.half_life


def test_n_eff_is_2_885_times_what_a_half_life_brings() -> None:
    assert pytest.approx(2.885 * 3 * 27, rel=0.02) == found(dict.fromkeys(range(365), (3, 0, 0))).smoothed.n_eff


def test_what_is_older_than_ten_half_lives_is_no_figure_any_more() -> None:
    assert ask({89: (2_000, 0, 0), 0: (0, 0, 0)}) is None
    assert ask({}) is None
    assert Spans().indicator() is None


def test_of_one_answer_there_is_a_figure_and_no_trend() -> None:
    assert found({0: (1, 0, 0)}) == Indicator(Smoothed(100.0, *interval(1, 0, 0), 1.0, 81), None)


def poisson(rate: float, chance: random.Random) -> int:
    n, product, least = 0, chance.random(), exp(-rate)
    while product > least:
        n, product = n + 1, product * chance.random()
    return n


def drawn(rate: float, mix: Sequence[float], chance: random.Random) -> Indicator:
    """Draw 150 days."""
    history = {}
    for age in range(150):
        kinds = chance.choices(range(3), mix, k=poisson(rate, chance))
        history[age] = (kinds.count(0), kinds.count(1), kinds.count(2))
    newest = min(age for age, counts in history.items() if any(counts))
    return found({age - newest: counts for age, counts in history.items() if any(counts)})


@pytest.mark.unmeasured
@pytest.mark.parametrize(("rate", "mix"), [(1.0, (0.5, 0.3, 0.2)), (4.0, (0.5, 0.3, 0.2)), (4.0, (0.9, 0.08, 0.02))])
def test_the_smoothed_interval_covers_the_true_score(rate: float, mix: Sequence[float]) -> None:
    chance = random.Random(2)
    figures = [drawn(rate, mix, chance).smoothed for _ in range(400)]

    assert 0.917 <= sum(low <= 100 * (mix[0] - mix[2]) <= high for _, low, high, *_ in figures) / 400 <= 0.983
