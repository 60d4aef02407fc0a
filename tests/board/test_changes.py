"""Why an NPS has changed: the last 30 days and the 30 before, and what the segments below have to do with it."""

import pytest
from web.boards import TODAY, put

from worker.board.board import Board
from worker.board.changes import DAYS, MOST, changed


def test_the_two_parts_add_up_to_the_change() -> None:
    found = Board()
    before, after = TODAY - DAYS, TODAY
    put(found, "", {before: (60, 20, 20), after: (40, 20, 40)})
    put(found, "a", {before: (40, 5, 5), after: (15, 3, 2)})
    put(found, "b", {before: (20, 15, 15), after: (25, 17, 38)})
    change = changed(found.history, "", ["a", "b"], TODAY)
    assert change is not None
    assert (40.0, 0.0) == (change.before.nps, change.after.nps)
    assert change.mix is not None
    assert pytest.approx(-40.0) == change.mix.within.points + change.mix.mix.points


def test_the_days_at_the_edges_count_once() -> None:
    found = Board()
    put(found, "", {TODAY - 2 * DAYS: (9, 9, 9), TODAY - 2 * DAYS + 1: (1, 0, 0), TODAY - DAYS + 1: (0, 1, 0)})
    change = changed(found.history, "", [], TODAY)
    assert change is not None
    assert ((1, 0, 0), (0, 1, 0), None) == (change.before.classes, change.after.classes, change.mix)


def test_without_answers_on_one_side_there_is_no_change() -> None:
    found = Board()
    put(found, "", {TODAY: (1, 0, 0)})
    assert changed(found.history, "", [], TODAY) is None
    put(found, "", {TODAY - DAYS: (1, 0, 0)})
    assert changed(found.history, "", [], TODAY) is None


def test_too_many_segments_are_not_compared() -> None:
    found = Board()
    put(found, "", {TODAY: (1, 0, 0), TODAY - DAYS: (1, 0, 0)})
    assert changed(found.history, "", ["a"] * MOST, TODAY) is not None
    assert changed(found.history, "", ["a"] * (MOST + 1), TODAY) is None


def test_a_segment_that_changed_is_named_and_chance_among_many_is_not() -> None:
    found = Board()
    before, after = TODAY - DAYS, TODAY
    names = [f"s{number:02}" for number in range(50)]
    put(found, "", {before: (2500, 0, 2500), after: (2500, 0, 2500)})
    for name in names:
        put(found, name, {before: (50, 0, 50), after: (50, 0, 50)})
    # By its own 95 % interval, this one would have changed.
    put(found, "s07", {before: (50, 0, 50), after: (36, 0, 64)})
    change = changed(found.history, "", names, TODAY)
    assert change is not None
    assert [] == change.movers
    alone = changed(found.history, "", ["s07"], TODAY)
    assert alone is not None
    assert ["s07"] == [each.path for each in alone.movers]
    put(found, "s07", {before: (50, 0, 50), after: (20, 0, 80)})
    put(found, "s09", {before: (50, 0, 50), after: (170, 0, 30)})
    change = changed(found.history, "", names, TODAY)
    assert change is not None
    assert [("s09", True), ("s07", False)] == [(each.path, each.low > 0) for each in change.movers]
    put(found, "s11", {before: (50, 0, 50)})
    put(found, "s12", {after: (0, 0, 500)})
    with_one_side_only = changed(found.history, "", names, TODAY)
    assert with_one_side_only is not None
    assert ["s09", "s07"] == [each.path for each in with_one_side_only.movers]
