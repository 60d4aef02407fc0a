"""What is found of a segment's days: the week that was put in, the variance that was put in, and little of a fall."""

import random
from array import array
from math import sqrt

import pytest

from worker.detect.days import Day, Days, by_day, study

VARIANCE = 6_000.0
#: 1970-01-05, counted since 1970, was a Monday.
MONDAY = 4
WEEK = (2.0, 2.0, 2.0, 2.0, 2.0, -5.0, -5.0)


def days(
    n: int, many: int = 84, spread: float = 0.0, week: tuple[float, ...] = (0.0,) * 7, fall: float = 0.0
) -> list[Day]:
    """Return days with `n` answers each; `spread`: the standard deviation of a day's effect; `fall`: points a day."""
    chance = random.Random(7)
    found = []
    for day in range(many):
        mean = 30 + week[day % 7] + spread * chance.gauss(0, 1) - fall * day
        found.append(Day(n, round(n * mean + sqrt(n * VARIANCE) * chance.gauss(0, 1))))
    return found


def test_a_column_becomes_days_without_a_gap_up_to_the_day_that_is_asked_for() -> None:
    column = array("q", (50, 3, 2, 1, 71, 0, 0, 1, 97, 0, 5, 0, 170, 9, 9, 9))

    assert by_day(column, 4, 7) == [Day(7, 100), Day(0, 0), Day(5, 0), *[Day()] * 2][:5]
    assert by_day(column, 4, 2) == []
    assert by_day(array("q"), 4, 7) == []


def test_a_week_is_learned_from_many_answers_and_starts_on_monday() -> None:
    found = study(days(5_000, week=WEEK), MONDAY, VARIANCE, Days())

    assert pytest.approx(WEEK, abs=1) == found.offsets
    assert found.offset((MONDAY + 5) * 24 + 23) == found.offsets[5]
    assert pytest.approx(5_000) == found.usual


def test_with_few_answers_the_week_is_the_parents() -> None:
    found = study(days(5), MONDAY, VARIANCE, Days(900, 2.0, WEEK))

    assert pytest.approx(WEEK, abs=2.5) == found.offsets


def test_without_a_parent_and_with_few_answers_all_days_are_nearly_alike() -> None:
    assert max(map(abs, study(days(5), MONDAY, VARIANCE, Days()).offsets)) < 2.5


@pytest.mark.parametrize("week", [(0.0,) * 7, WEEK])
@pytest.mark.parametrize(("n", "spread"), [(5_000, 3.0), (500, 6.0), (5_000, 0.0)])
def test_the_variance_between_days_is_found(n: int, spread: float, week: tuple[float, ...]) -> None:
    found = study(days(n, spread=spread, week=week), MONDAY, VARIANCE, Days())

    assert pytest.approx(spread, abs=max(1.0, 0.3 * spread)) == sqrt(found.variance)


def test_the_chance_of_answers_is_no_variance_between_days() -> None:
    """Of 100 answers a day, it is 60 squared points."""
    assert study(days(100), MONDAY, VARIANCE, Days()).variance < 25


def test_a_slow_fall_is_no_variance_between_days() -> None:
    found = study(days(5_000, fall=0.5), MONDAY, VARIANCE, Days())

    assert found.variance < 2
    assert max(map(abs, found.offsets)) < 1


def test_a_variance_makes_a_mean_as_uncertain_as_days_are() -> None:
    """The variance of a day's mean is that of its answers and the one between days."""
    alone, between = VARIANCE / 500, 36.0

    assert pytest.approx((alone + between) / alone) == Days(500, between).inflation(VARIANCE)
    assert Days().inflation(VARIANCE) == 1


def test_two_weeks_are_too_few_only_if_they_are_not_whole() -> None:
    parent = Days(900, 2.0, WEEK)

    assert study(days(5_000, many=13), MONDAY, VARIANCE, parent) == Days(5_000, 2.0, WEEK)
    assert study(days(5_000, many=13), MONDAY, VARIANCE, Days()).offsets == ()
    assert study(days(5_000, many=14), MONDAY, VARIANCE, Days()).offsets


def test_without_answers_all_that_is_known_is_the_parents() -> None:
    parent = Days(900, 2.0, WEEK)

    assert study([Day()] * 30, MONDAY, VARIANCE, parent) == parent


def test_weekdays_without_answers_are_like_the_parents() -> None:
    """A shop that is closed on Sundays."""
    parent = Days(900, 2.0, WEEK)
    closed = [Day() if at % 7 == 6 else day for at, day in enumerate(days(5_000))]
    found = study(closed, MONDAY, VARIANCE, parent)

    assert all(abs(offset) < 1.5 for offset in found.offsets[:6])
    assert found.offsets[6] < -3
