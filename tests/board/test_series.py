"""The history of an NPS: its periods add up to the days, and its smoothed line ends where the smoothed score is."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.board.series import ENOUGH, Day, by_days, by_weeks, months, smoothed_line, total
from worker.nps.smoothed import Days, smoothed

TODAY = 20_788  # 1 December 2026, a Tuesday
Counts = st.integers(0, 40)
Histories = st.dictionaries(
    st.integers(TODAY - 364, TODAY), st.tuples(Counts, Counts, Counts).filter(any), min_size=1, max_size=60
).map(lambda known: [(day, *known[day]) for day in sorted(known)])


@given(Histories, st.integers(0, 364))
def test_periods_follow_one_another_and_add_up_to_the_days(days: list[Day], length: int) -> None:
    first = TODAY - length
    whole = total(days, first, TODAY)
    for periods in (by_days(days, first, TODAY), by_weeks(days, first, TODAY)):
        assert (first, TODAY) == (periods[0].first, periods[-1].last)
        assert all(one.last + 1 == other.first for one, other in pairwise(periods))
        assert whole.classes == tuple(map(sum, zip(*(each.classes for each in periods), strict=True)))


def test_a_week_begins_on_monday() -> None:
    weeks = by_weeks([(TODAY, 1, 0, 0)], TODAY - 9, TODAY)
    assert [(TODAY - 9, TODAY - 9), (TODAY - 8, TODAY - 2), (TODAY - 1, TODAY)] == [
        (week.first, week.last) for week in weeks
    ]


def test_months_are_those_of_the_calendar_and_the_last_one_is_cut() -> None:
    november = (date(2026, 11, 1) - date(1970, 1, 1)).days
    assert [(TODAY - 61, november - 1), (november, TODAY - 1), (TODAY, TODAY)] == months(TODAY, 3)


def test_a_period_has_its_nps_with_the_ends_of_its_interval() -> None:
    empty, answered = total([(TODAY, 0, 0, 1)], TODAY - 9, TODAY - 1), total([(TODAY, 0, 0, 1)], TODAY, TODAY)
    assert (None, None, 0) == (empty.nps, empty.ends, empty.n)
    assert (-100.0, 1) == (answered.nps, answered.n)
    low, high = answered.ends or (0.0, 0.0)
    assert -100.0 == low < high


@given(Histories, st.sampled_from([7, 20, 90]))
def test_the_line_ends_where_the_smoothed_score_is(days: list[Day], life: int) -> None:
    ages, promoters, passives, detractors = zip(*((TODAY - day, *counts) for day, *counts in days), strict=True)
    figure = smoothed(Days(ages, promoters, passives, detractors), life)
    line = smoothed_line(days, life, TODAY - 30, TODAY)
    if figure is None or figure.n_eff < ENOUGH - 0.01:
        assert all(point.day < TODAY for point in line)
    elif figure.n_eff > ENOUGH + 0.01:
        assert TODAY == line[-1].day
        # Rounding of sums from which old answers were taken out again.
        assert line[-1][1:] == pytest.approx(figure[:3], abs=0.05)


@given(Histories, st.integers(1, 9))
def test_the_line_is_the_same_with_fewer_points(days: list[Day], step: int) -> None:
    fine, coarse = (smoothed_line(days, 30, TODAY - 100, TODAY, each) for each in (1, step))
    assert [point for point in fine if (TODAY - point.day) % step == 0] == coarse
    assert all(point.low <= point.nps <= point.high for point in fine)


def test_without_answers_there_is_no_line() -> None:
    assert [] == smoothed_line([], 30, TODAY - 100, TODAY)
