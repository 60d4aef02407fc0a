"""How many answers a parent is worth is what the variance between siblings says."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.detect.drops import Classes
from worker.detect.likeness import likeness

Siblings = st.lists(st.tuples(*[st.integers(0, 1_000)] * 3), max_size=12)


def variance(promoters: float, passives: float, detractors: float) -> float:
    """Return the variance of an answer, with three quarters of a promoter and detractor more, and 1.5 passives."""
    weights = promoters + 0.75, passives + 1.5, detractors + 0.75
    mean = (weights[0] - weights[2]) / sum(weights)
    return sum(n * (value - mean) ** 2 for n, value in zip(weights, (1, 0, -1), strict=True)) / sum(weights)


def between(siblings: list[tuple[int, int, int]]) -> float:
    """Return DerSimonian and Laird's variance between siblings, by sums of squares instead of differences."""
    means = [
        (promoters - detractors) / (promoters + passives + detractors) for promoters, passives, detractors in siblings
    ]
    weights = [sum(counts) / variance(*counts) for counts in siblings]
    total, squares = sum(weights), sum(weight * weight for weight in weights)
    pairs = list(zip(weights, means, strict=True))
    products = sum(weight * mean for weight, mean in pairs)
    q = sum(weight * mean * mean for weight, mean in pairs) - products * products / total
    return (q - (len(siblings) - 1)) / (total - squares / total)


@given(Siblings)
def test_it_is_the_variance_of_an_answer_by_that_between_siblings(siblings: list[tuple[int, int, int]]) -> None:
    large = [counts for counts in siblings if sum(counts) >= 50]
    if len(large) < 3:
        expected = 0.0
    else:
        mean = sum(variance(*counts) for counts in large) / len(large)
        # Of less than this, more answers are allowed than there may be.
        expected = mean / max(between(large), mean / 500)

    assert pytest.approx(expected, rel=1e-6) == likeness([(float(p), float(n), float(d)) for p, n, d in siblings])


def test_siblings_that_are_all_the_same_are_worth_the_most() -> None:
    assert likeness([(500.0, 300.0, 200.0)] * 5) == 500


def test_siblings_that_differ_hardly_more_than_chance_makes_them_are_worth_no_more() -> None:
    siblings = [(500, 300, 200), (513, 299, 188), (487, 301, 212)]

    assert 0 < between(siblings) < 1e-4
    assert likeness([(float(p), float(n), float(d)) for p, n, d in siblings]) == 500


def test_siblings_that_have_nothing_in_common_are_worth_little() -> None:
    assert 0 < likeness([(900.0, 50.0, 50.0), (500.0, 300.0, 200.0), (100.0, 200.0, 700.0)]) < 2


@pytest.mark.parametrize("siblings", [[], [(500.0, 300.0, 200.0)] * 2])
def test_fewer_than_three_siblings_say_nothing(siblings: list[Classes]) -> None:
    assert likeness(siblings) == 0


@pytest.mark.parametrize(("n", "expected"), [(49, 0), (50, 500)])
def test_siblings_of_fewer_than_50_answers_say_nothing(n: int, expected: float) -> None:
    assert expected == likeness([(500.0, 300.0, 200.0), (250.0, 150.0, 100.0), (n - 25.0, 15.0, 10.0)])


@given(Siblings, st.randoms(use_true_random=False))
def test_their_order_makes_no_difference(siblings: list[tuple[int, int, int]], chance: random.Random) -> None:
    shuffled = siblings[:]
    chance.shuffle(shuffled)

    assert pytest.approx(likeness(siblings)) == likeness(shuffled)


@pytest.mark.parametrize("spread", [5, 10, 20])
def test_of_many_siblings_it_is_what_they_were_drawn_with(spread: int) -> None:
    """An answer's variance is .61 on average; a spread of ten points is one of .01, so 60 answers weigh as much."""
    chance = random.Random(4)
    siblings, true = [], []
    for _ in range(300):
        half = chance.gauss(0, spread) / 200
        mix = 0.5 + half, 0.3, 0.2 - half
        kinds = chance.choices(range(3), mix, k=400)
        siblings.append((float(kinds.count(0)), float(kinds.count(1)), float(kinds.count(2))))
        true.append(mix[0] + mix[2] - (mix[0] - mix[2]) ** 2)

    assert pytest.approx(sum(true) / 300 / (spread / 100) ** 2, rel=0.25) == likeness(siblings)
