import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import Category
from worker.nps.histogram import BINS, classify, counts, empty, nps

Histograms = st.lists(st.integers(0, 10**6), min_size=BINS, max_size=BINS)


@pytest.mark.parametrize(
    ("scores", "category"),
    [
        ((0, 1, 2, 3, 4, 5, 6), Category.DETRACTOR),
        ((7, 8), Category.PASSIVE),
        ((9, 10), Category.PROMOTER),
    ],
)
def test_a_score_has_the_class_that_reichheld_gave_it(scores: tuple[int, ...], category: Category) -> None:
    assert {category} == {classify(score) for score in scores}


def test_an_empty_histogram_has_a_bin_for_each_score_and_no_nps() -> None:
    assert [0] * 11 == empty()
    assert (0, 0, 0) == counts(empty())
    assert nps(*counts(empty())) is None


def test_each_empty_histogram_is_its_own() -> None:
    assert empty() is not empty()


@pytest.mark.parametrize(
    ("histogram", "expected", "why"),
    [
        ([0] * 10 + [4], 100.0, "only promoters"),
        ([4] + [0] * 10, -100.0, "only detractors"),
        ([0] * 7 + [2, 2, 0, 0], 0.0, "only passives"),
        ([1] * 11, 100 * (2 - 7) / 11, "one of each score"),
        ([0, 0, 0, 0, 0, 0, 2, 3, 0, 5, 0], 30.0, "5 promoters, 2 detractors of 10"),
    ],
)
def test_the_nps_is_promoters_less_detractors_in_points(histogram: list[int], expected: float, why: str) -> None:
    assert pytest.approx(expected) == nps(*counts(histogram)), why


@given(Histograms)
def test_the_counts_are_those_of_the_classified_scores(histogram: list[int]) -> None:
    expected = dict.fromkeys(Category, 0)
    for score, n in enumerate(histogram):
        expected[classify(score)] += n

    assert (expected[Category.PROMOTER], expected[Category.PASSIVE], expected[Category.DETRACTOR]) == counts(histogram)


@given(Histograms, Histograms)
def test_histograms_add_up_so_a_tree_rolls_up_exactly(left: list[int], right: list[int]) -> None:
    together = [a + b for a, b in zip(left, right, strict=True)]

    assert tuple(a + b for a, b in zip(counts(left), counts(right), strict=True)) == counts(together)


def test_an_average_of_nps_values_would_not_roll_up() -> None:
    busy, quiet = [0] * 10 + [99], [1] + [0] * 10

    assert nps(*counts([a + b for a, b in zip(busy, quiet, strict=True)])) == pytest.approx(98.0)
    assert (nps(*counts(busy)) or 0.0) + (nps(*counts(quiet)) or 0.0) == 0.0
