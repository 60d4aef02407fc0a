"""The geometry of charts: everything lies in the frame, in the right order, and ticks are round."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.board.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Event,
    Scale,
    bounds,
    line_chart,
    place,
    sparkline,
    stacked,
    ticks,
    whisker,
)
from worker.board.series import Period, Smooth

Points = st.floats(-100, 100)
TODAY = 20_788


def smooth(day: int, one: float, two: float, three: float) -> Smooth:
    low, nps, high = sorted((one, two, three))
    return Smooth(day, nps, low, high)


Line = st.lists(st.builds(smooth, st.integers(0, 90), Points, Points, Points), unique_by=lambda each: each.day).map(
    lambda line: sorted(each._replace(day=TODAY - 90 + each.day) for each in line)
)
Raw = st.lists(
    st.builds(
        lambda day, classes: Period(TODAY - 90 + day, TODAY - 90 + day, classes),
        st.integers(0, 90),
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    )
)
Events = st.lists(
    st.builds(
        lambda first, length, number: Event(
            TODAY - 120 + first, None if length is None else TODAY - 120 + first + length, number
        ),
        st.integers(0, 200),
        st.none() | st.integers(0, 60),
        st.integers(1, 9),
    )
)


def numbers(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[0-9.]+) (-?[0-9.]+)", path)]


@given(Raw, Line, Events)
def test_everything_lies_in_the_frame(raw: list[Period], line: list[Smooth], events: list[Event]) -> None:
    chart = line_chart(raw, line, events, TODAY - 90, TODAY)
    dots = [(dot.x, dot.y) for dot in chart.dots]
    for x, y in [*dots, *numbers(chart.line), *numbers(chart.band)]:
        assert LEFT - 0.01 <= x <= RIGHT + 0.01
        assert TOP - 0.01 <= y <= BOTTOM + 0.01
    assert len(line) == len(numbers(chart.line)) == len(numbers(chart.band)) / 2
    assert (chart.last is None) == (not line)
    for mark in chart.marks:
        assert LEFT <= mark.x <= mark.end <= RIGHT
    assert all(TOP - 0.01 <= tick.at <= BOTTOM + 0.01 for tick in chart.values)
    assert RIGHT == chart.days[-1].at
    assert not chart.days[-1].spare


@given(Line)
def test_a_higher_nps_is_higher_and_a_later_day_is_further_right(line: list[Smooth]) -> None:
    chart = line_chart([], line, [], TODAY - 90, TODAY)
    places = numbers(chart.line)
    for (one, (x, y)), (other, (next_x, next_y)) in zip(
        zip(line, places, strict=True), zip(line[1:], places[1:], strict=True), strict=False
    ):
        assert x < next_x
        if abs(one.nps - other.nps) > 1:
            assert (one.nps < other.nps) == (y > next_y)


@given(Points, Points, st.integers(3, 9))
def test_ticks_are_round_few_and_evenly_spaced(one: float, other: float, most: int) -> None:
    low, high = min(one, other), max(one, other) + 1
    found = ticks(low, high, most)
    assert 1 <= len(found) <= most
    assert all(low - 1e-6 <= tick <= high + 1e-6 for tick in found)
    steps = {round(after - before, 6) for before, after in pairwise(found)}
    assert len(steps) <= 1
    for step in steps:
        assert any(pytest.approx(step) == nice * 10.0**power for nice in (1, 2, 2.5, 5) for power in range(-3, 4))


@given(st.lists(Points))
def test_bounds_hold_all_values_and_do_not_make_drama_of_chance(values: list[float]) -> None:
    low, high = bounds(values)
    assert all(low <= value <= high for value in values)
    assert -100 <= low
    assert high <= 100
    assert high - low >= 10


def test_bounds_at_the_end_of_the_scale_stay_there() -> None:
    assert (90.0, 100.0) == bounds([100.0])
    assert (-100.0, 100.0) == bounds([-95.0, 93.0])
    assert (10.0, 30.0) == bounds([20.0])


@given(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)))
def test_stacked_bars_fill_the_frame(classes: tuple[int, int, int]) -> None:
    bars = stacked(classes)
    if not sum(classes):
        assert [] == bars
        return
    ends = [start + width for start, width in bars]
    assert [0.0, *ends[:-1]] == [start for start, _ in bars]
    assert pytest.approx(100.0) == ends[-1]


@given(Points, Points, Points)
def test_a_whisker_is_in_order(one: float, two: float, three: float) -> None:
    low, nps, high = sorted((one, two, three))
    found = whisker(nps, low, high, (-50.0, 50.0))
    assert 2.0 <= found.low <= found.point <= found.high <= 98.0
    assert 50.0 == place(0.0, (-50.0, 50.0))


@given(Line)
def test_a_sparkline_ends_at_its_last_point(line: list[Smooth]) -> None:
    path, last = sparkline(line, TODAY - 90, TODAY)
    assert (last is None) == (not line) == (not path)
    if last is not None:
        assert numbers(path)[-1] == pytest.approx((last.x, last.y), abs=0.01)


def test_a_single_day_has_a_chart() -> None:
    chart = line_chart([Period(TODAY, TODAY, (3, 0, 1))], [], [Event(TODAY - 9, TODAY - 5, 1)], TODAY, TODAY)
    assert [True] == [dot.few for dot in chart.dots]
    assert [] == chart.marks
    assert "" == chart.line == chart.band


def test_a_scale_keeps_values_inside() -> None:
    assert [0.0, 0.0, 50.0, 100.0] == [Scale(10, 20, 0, 100).at(value) for value in (0, 10, 15, 99)]
