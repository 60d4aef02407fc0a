"""What is found of the hours of a day: the profile that was put in, and little where there is none."""

import random
from array import array
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.detect.days import BLOCKS, HOURS_OF_BLOCK, Days
from worker.detect.hours import Hours, blocks, noted

VARIANCE = 6_100.0
WIDTH = 4
#: The last three blocks are worse than the others.
EVENINGS = (4.5,) * 5 + (-7.5,) * 3


def answered(a_day: int, days: int, profile: tuple[float, ...] = (0.0,) * BLOCKS, fall: float = 0.0) -> "array[int]":
    """Return the column of days with as many answers in each hour; `fall`: points a day."""
    chance = random.Random(5)
    column = array("I")
    n = a_day // 24
    for hour in range(24 * days):
        mean = (30 + profile[hour % 24 // HOURS_OF_BLOCK] - fall * hour / 24) / 100
        detractors = round(n * (0.7 - mean) / 2 + 0.5 * sqrt(n * VARIANCE) / 100 * chance.gauss(0, 1))
        detractors = min(max(detractors, 0), n)
        passives = min(round(0.3 * n), n - detractors)
        column.extend((hour, n - passives - detractors, passives, detractors))
    return column


def found(a_day: int, days: int, profile: tuple[float, ...] = (0.0,) * BLOCKS, fall: float = 0.0) -> tuple[float, ...]:
    return blocks(noted(Hours(), answered(a_day, days, profile, fall), WIDTH, days), VARIANCE, Days())


def test_a_profile_is_learned_from_many_answers() -> None:
    assert pytest.approx(EVENINGS, abs=1.5) == found(5_016, 14, EVENINGS)


def test_hours_that_do_not_differ_are_nearly_alike() -> None:
    assert max(map(abs, found(5_016, 40))) < 0.5
    assert max(map(abs, found(120, 40))) < 1.5


def test_a_level_that_falls_is_no_difference_between_hours() -> None:
    assert max(map(abs, found(5_016, 40, fall=0.5))) < 1


def test_the_mean_of_a_day_is_the_mean_of_its_blocks_by_their_answers() -> None:
    column = array("I", (0, 90, 0, 10, 23, 10, 10, 0, 24, 90, 0, 10, 47, 10, 10, 0))
    offsets = blocks(noted(Hours(), column, WIDTH, 2), VARIANCE, Days())

    assert pytest.approx(0, abs=1e-9) == 100 * offsets[0] + 20 * offsets[7]
    assert offsets[0] > 0 > offsets[7]


def test_without_answers_of_its_own_a_segment_takes_over_its_parents_hours() -> None:
    assert blocks(Hours(), VARIANCE, Days(blocks=EVENINGS)) == EVENINGS
    assert blocks(Hours(), VARIANCE, Days()) == ()
    few = blocks(noted(Hours(), answered(48, 2), WIDTH, 2), VARIANCE, Days(blocks=EVENINGS))
    assert pytest.approx(EVENINGS, abs=4) == few


def test_days_of_which_the_hours_are_not_known_say_nothing() -> None:
    column = array("I", (0, 90, 0, 10, 24, 90, 0, 10, 48, 5, 0, 5, 50, 5, 0, 0, 72, 9, 0, 1, 90, 0, 0, 10))

    assert noted(Hours(), column, WIDTH, 2) == Hours(2)
    # The hours of the first day with several may have been merged in part, by a version that did not look at hours.
    assert noted(Hours(), column, WIDTH, 3) == Hours(3)
    assert noted(Hours(), column, WIDTH, 4).sums == noted(Hours(3), column, WIDTH, 4).sums
    assert noted(Hours(2), column, WIDTH, 3).sums


@given(st.integers(1, 9), st.integers(1, 9))
def test_it_makes_no_difference_when_days_are_noted(first: int, second: int) -> None:
    column = answered(240, 10, EVENINGS)
    since = noted(Hours(), array("I"), WIDTH, 1)
    in_parts = since
    for until in sorted((first, second)):
        in_parts = noted(in_parts, column, WIDTH, until)

    assert noted(in_parts, column, WIDTH, 10) == noted(since, column, WIDTH, 10)


def test_what_was_seen_is_forgotten() -> None:
    before = noted(Hours(), answered(5_016, 100, EVENINGS), WIDTH, 100)
    flat = answered(5_016, 200)[100 * 24 * WIDTH :]

    assert max(map(abs, blocks(noted(before, flat, WIDTH, 200), VARIANCE, Days()))) < 1


def test_what_is_kept_is_small() -> None:
    assert len(noted(Hours(), answered(5_016, 20), WIDTH, 20).sums) == 4 * 2 * BLOCKS
