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
