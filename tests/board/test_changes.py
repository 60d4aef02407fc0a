"""Why an NPS has changed: the last 30 days and the 30 before, and what the segments below have to do with it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest
from web.boards import TODAY, put

from worker.board.board import Board
from worker.board.changes import DAYS, MOST, changed
from worker.lineage import lineage
from worker.nps.windows import Classes


def test_the_two_parts_add_up_to_the_change() -> None:
    found = Board()
    before, after = TODAY - DAYS, TODAY
    put(found, "", {before: (60, 20, 20), after: (40, 20, 40)})
    put(found, "a", {before: (40, 5, 5), after: (15, 3, 2)})
    put(found, "b", {before: (20, 15, 15), after: (25, 17, 38)})
    change = changed(found.history, "", found.scores.children, TODAY)
    assert change is not None
    assert (40.0, 0.0) == (change.before.nps, change.after.nps)
    assert change.mix is not None
    assert pytest.approx(-40.0) == change.mix.within.points + change.mix.mix.points


def test_the_days_at_the_edges_count_once() -> None:
    found = Board()
    put(found, "", {TODAY - 2 * DAYS: (9, 9, 9), TODAY - 2 * DAYS + 1: (1, 0, 0), TODAY - DAYS + 1: (0, 1, 0)})
    change = changed(found.history, "", found.scores.children, TODAY)
    assert change is not None
    assert ((1, 0, 0), (0, 1, 0), None) == (change.before.classes, change.after.classes, change.mix)


def test_without_answers_on_one_side_there_is_no_change() -> None:
    found = Board()
    put(found, "", {TODAY: (1, 0, 0)})
    assert changed(found.history, "", found.scores.children, TODAY) is None
    put(found, "", {TODAY - DAYS: (1, 0, 0)})
    assert changed(found.history, "", found.scores.children, TODAY) is None


def test_too_many_segments_directly_below_are_not_compared_but_the_change_itself_is_known() -> None:
    found = Board()
    put(found, "", {TODAY: (1, 0, 0), TODAY - DAYS: (1, 0, 0)})
    put(found, "s1", {TODAY: (0, 0, 99), TODAY - DAYS: (99, 0, 0)})
    children = {"": [f"s{number}" for number in range(MOST)]}
    change = changed(found.history, "", lambda path: children.get(path, []), TODAY)
    assert change is not None
    assert change.mix is not None
    assert (["s1"], 1, False) == ([each.path for each in change.movers], change.compared, change.is_cut)
    children[""].append("one more")
    change = changed(found.history, "", lambda path: children.get(path, []), TODAY)
    assert change is not None
    assert (1, 1, None) == (change.before.n, change.after.n, change.mix)
    assert ([], 0, True) == (change.movers, change.compared, change.is_cut)


def test_segments_further_below_are_compared_as_long_as_there_are_not_too_many() -> None:
    found = Board()
    worse = {TODAY - DAYS: (90, 0, 10), TODAY: (10, 0, 90)}
    for path in ("", "a", "a/x"):
        put(found, path, {day: (up + 100, middle, down + 100) for day, (up, middle, down) in worse.items()})
    put(found, "a/x/1", worse)
    children = {"": ["a"], "a": ["a/x"], "a/x": ["a/x/1", *(f"a/x/empty {number}" for number in range(MOST - 3))]}
    change = changed(found.history, "", lambda path: children.get(path, []), TODAY)
    assert change is not None
    assert (["a/x/1"], 3, False) == ([each.path for each in change.movers], change.compared, change.is_cut)
    children["a/x"].append("one more")
    change = changed(found.history, "", lambda path: children.get(path, []), TODAY)
    assert change is not None
    assert (["a/x"], 2, True) == ([each.path for each in change.movers], change.compared, change.is_cut)


def moved(found: Board, children: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Return the segments in which the change of the root lies."""
    of = found.scores.children if children is None else lambda path: children.get(path, [])
    change = changed(found.history, "", of, TODAY)
    assert change is not None
    return [each.path for each in change.movers]


def test_a_segment_that_changed_is_named_and_chance_among_many_is_not() -> None:
    found = Board()
    before, after = TODAY - DAYS, TODAY
    names = [f"s{number:02}" for number in range(50)]
    put(found, "", {before: (2500, 0, 2500), after: (2500, 0, 2500)})
    for name in names:
        put(found, name, {before: (50, 0, 50), after: (50, 0, 50)})
    # By its own 95 % interval, this one would have changed.
    put(found, "s07", {before: (50, 0, 50), after: (36, 0, 64)})
    assert [] == moved(found)
    assert ["s07"] == moved(found, {"": ["s07"]})
    put(found, "s07", {before: (50, 0, 50), after: (20, 0, 80)})
    put(found, "s09", {before: (50, 0, 50), after: (170, 0, 30)})
    change = changed(found.history, "", found.scores.children, TODAY)
    assert change is not None
    assert [("s09", 1), ("s07", -1)] == [(each.path, each.direction) for each in change.movers]
    put(found, "s11", {before: (50, 0, 50)})
    put(found, "s12", {after: (0, 0, 500)})
    put(found, "s13", {before: (5, 0, 4), after: (0, 0, 500)})
    assert ["s09", "s07"] == moved(found)


#: The answers of a segment before and after, if it stayed as it was, and if it fell.
STAYED, FELL, ROSE = ((70, 0, 30), (70, 0, 30)), ((70, 0, 30), (30, 0, 70)), ((30, 0, 70), (70, 0, 30))


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        ({"fr/lyon": STAYED, "fr/nantes": FELL, "fr/paris": STAYED, "uk/leeds": STAYED}, ["fr/nantes"]),
        ({"fr/lyon": FELL, "fr/nantes": FELL, "fr/paris": STAYED}, ["fr/lyon", "fr/nantes"]),
        ({"fr/lyon": FELL, "fr/nantes": FELL, "uk/leeds": STAYED, "uk/york": STAYED}, ["fr"]),
        ({"fr/lyon": FELL, "uk/leeds": FELL}, ["fr/lyon", "uk/leeds"]),
        ({"fr/lyon": ROSE, "fr/nantes": FELL, "fr/paris": STAYED}, ["fr/lyon", "fr/nantes"]),
        ({"fr/nantes/delivery": FELL, "fr/nantes/support": STAYED, "fr/lyon": STAYED}, ["fr/nantes/delivery"]),
        ({"fr/lyon": STAYED, "fr/nantes": STAYED}, []),
        ({"fr/a": FELL, "fr/b": FELL, "fr/c": ((21, 0, 9), (15, 0, 15)), "uk": STAYED}, ["fr"]),
        ({"fr/a": FELL, "fr/b": ((700, 0, 300), (600, 0, 400)), "uk": STAYED}, ["fr"]),
    ],
    ids=[
        "one",
        "two of three",
        "all below one",
        "a line of one each",
        "one rose",
        "two levels",
        "none",
        "one more perhaps",
        "the rest a little",
    ],
)
def test_a_change_is_named_where_it_lies(leaves: Mapping[str, tuple[Classes, Classes]], expected: list[str]) -> None:
    found = Board()
    add(found, leaves)
    assert expected == sorted(moved(found))


def add(found: Board, leaves: Mapping[str, tuple[Classes, Classes]]) -> None:
    """Let the segments have these answers before and after, and those above them their sums."""
    days: dict[str, dict[int, Classes]] = defaultdict(dict)
    for leaf, counted in leaves.items():
        for path in lineage(leaf):
            for day, (up, middle, down) in zip((TODAY - DAYS, TODAY), counted, strict=True):
                known = days[path].get(day, (0, 0, 0))
                days[path][day] = known[0] + up, known[1] + middle, known[2] + down
    for path, summed in days.items():
        put(found, path, summed)


def test_a_segment_is_named_if_the_answers_of_no_segment_below_it_fell_too() -> None:
    found = Board()
    add(found, {"fr/lyon": FELL, "fr/nantes": STAYED, "fr": FELL, "uk": STAYED})
    assert ["fr"] == moved(found)


def test_the_interval_of_a_change_contains_it() -> None:
    found = Board()
    add(found, {"fr": FELL})
    change = changed(found.history, "", found.scores.children, TODAY)
    assert change is not None
    low, high = change.interval
    assert low < -80 < high < 0
