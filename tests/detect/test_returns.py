"""A return to the level of before is told from a drop; what lies lower, or never rose, is none."""

import pytest

from worker.detect.days import Day, Days
from worker.detect.drops import Classes
from worker.detect.returns import Level, level_before_rise

#: Days are given the last one first.
RISEN = [Day(100, 4_500)] * 28
USUAL = [Day(100, 2_500)] * 56
DAYS = Days(100.0)


def since(points: float, n: int = 400) -> Classes:
    """Return answers with this NPS."""
    return n * (0.35 + points / 200), n * 0.3, n * (0.35 - points / 200)


def found(
    days: list[Day], answers: Classes, left_out: range = range(0), spread: Days = DAYS, least: float = 5.0
) -> Level | None:
    return level_before_rise(days, left_out, answers, spread, least)


def test_answers_as_good_as_before_the_rise_are_a_return() -> None:
    assert found(RISEN + USUAL, since(25)) == Level(25.0, 5_600)


@pytest.mark.parametrize(("points", "returned"), [(40, True), (25, True), (15, True), (8, False), (-10, False)])
def test_answers_that_are_lower_by_more_than_their_chance_are_none(points: float, *, returned: bool) -> None:
    """The least drop is 5 points, and two standard errors of 400 answers are 8 points."""
    assert returned == (found(RISEN + USUAL, since(points)) is not None)


def test_without_a_rise_there_is_nothing_to_return_to() -> None:
    assert found(USUAL[:28] + USUAL, since(5)) is None
    assert found([Day(100, 2_000)] * 28 + USUAL, since(0)) is None


def test_a_rise_by_less_than_the_least_drop_is_none() -> None:
    assert found([Day(100_000, 2_900_000)] * 28 + [Day(100_000, 2_500_000)] * 56, since(25)) is None
    assert found([Day(100_000, 2_900_000)] * 28 + [Day(100_000, 2_500_000)] * 56, since(25), least=3) is not None


def test_a_rise_that_the_differences_between_days_explain_is_none() -> None:
    few = [Day(100, 3_600)] * 28 + USUAL

    assert found(few, since(25)) is not None
    assert found(few, since(25), spread=Days(100.0, 400.0)) is None


def test_the_level_is_the_median_of_the_weeks_so_that_two_odd_ones_do_not_count() -> None:
    odd = RISEN + [Day(100, -6_000)] * 14 + USUAL[14:]

    assert found(odd, since(25)) == Level(25.0, 5_600)


def test_days_with_a_drop_are_left_out_and_with_fewer_than_three_weeks_nothing_is_known() -> None:
    low = RISEN + [Day(100, 0)] * 35 + USUAL[35:]

    assert found(low, since(0)) == Level(0.0, 5_600)
    level = found(low, since(25), left_out=range(28, 63))
    assert level == Level(25.0, 2_100)
    assert found(low, since(25), left_out=range(28, 77)) is None
    assert found(RISEN + USUAL, since(25), left_out=range(28)) is None


def test_weeks_with_few_answers_are_left_out() -> None:
    assert found(RISEN + [Day(2, 50)] * 56, since(25)) is None


def test_without_answers_nothing_has_returned() -> None:
    assert found(RISEN + USUAL, (0, 0, 0)) is None
    assert found([], since(25)) is None
