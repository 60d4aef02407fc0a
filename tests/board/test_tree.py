"""What drags a parent down most comes first, and adds up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores.trees import scored, tree

from worker.board.changes import MOST
from worker.board.tree import Branch, branches, counts_of, drag, dragging
from worker.lineage import parent_of

SHOP = tree(fr__shop__delivery=(10, 20, 70), fr__shop__support=(60, 30, 10), fr__sales=(50, 30, 20), be=(1, 1, 1))
Counts = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))


def paths(found: list[Branch]) -> list[str]:
    return [branch.path for branch in found]


def test_one_step_is_a_segment_and_its_children_the_heaviest_drag_first() -> None:
    assert paths(branches(SHOP, "fr/shop", "90d", depth=1)) == ["fr/shop", "fr/shop/delivery", "fr/shop/support"]
    assert paths(branches(SHOP, "fr", "90d", depth=1)) == ["fr", "fr/shop", "fr/sales"]


def test_all_the_way_down_each_child_follows_its_parent() -> None:
    found = branches(SHOP, "", "90d", depth=None)

    assert paths(found) == ["", "be", "fr", "fr/shop", "fr/shop/delivery", "fr/shop/support", "fr/sales"]
    assert [branch.depth for branch in found] == [0, 1, 1, 2, 3, 3, 2]


def test_a_small_segment_far_away_drags_less_than_a_large_one_nearby() -> None:
    found = branches(tree(small=(0, 0, 5), large=(400, 300, 300), good=(600, 300, 100)), "", "90d", depth=1)

    assert paths(found) == ["", "large", "small", "good"]


def test_what_has_no_answer_in_the_window_is_left_out_and_so_is_what_is_elsewhere() -> None:
    known = {**tree(a=(1, 0, 0)), "b": scored("b", 0, 0, 0), "a/x": scored("a/x", 0, 0, 0)}

    assert paths(branches(known, "", "90d", depth=None)) == ["", "a"]
    assert paths(branches(known, "b", "90d", depth=None)) == ["b"]


def test_surveys_are_next_to_the_segments_and_shown_when_asked_for() -> None:
    known = {**SHOP, "/survey/a": scored("/survey/a", 9, 0, 0), "/survey/b/c": scored("/survey/b/c", 0, 0, 9)}

    assert paths(branches(known, "", "90d", depth=1)) == ["", "be", "fr"]
    assert paths(branches(known, "", "90d", depth=None, surveys=True)) == ["", "/survey/b/c", "/survey/a"]


def test_a_segment_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        branches(SHOP, "de", "90d", depth=1)


@given(st.lists(Counts.filter(any), min_size=1, max_size=6))
def test_the_drags_of_all_children_add_up_to_nothing(leaves: list[tuple[int, int, int]]) -> None:
    known = tree(**{f"leaf{number}": counts for number, counts in enumerate(leaves)})
    root, *children = branches(known, "", "90d", depth=1)

    assert root.drag is None
    assert sum(child.drag or 0 for child in children) == pytest.approx(0, abs=1e-9)


def test_only_a_difference_that_chance_does_not_explain_is_marked() -> None:
    root, *children = branches(tree(bad=(10, 20, 70), same=(40, 30, 30), good=(70, 20, 10)), "", "90d", depth=1)
    few = branches(tree(bad=(0, 0, 2), good=(2, 0, 0)), "", "90d", depth=1)[1:]

    assert root.differs is None
    assert {child.path: child.differs for child in children} == {"bad": True, "same": False, "good": True}
    assert [child.differs for child in few] == [False, False]


def test_an_only_child_has_nothing_to_differ_from() -> None:
    _, child = branches(tree(only=(1, 2, 97)), "", "90d", depth=1)

    assert (child.drag, child.differs) == (0.0, False)


def dragged(number: int = 3, /, **leaves: tuple[int, int, int]) -> list[str]:
    """Return the segments that take the most points from the root's NPS. In names, __ stands for a slash."""
    known = {path: counts_of(one.windows["90d"]) for path, one in tree(**leaves).items()}
    below = {path: [child for child in known if parent_of(child) == path] for path in known}
    found = dragging("", below.__getitem__, known.__getitem__, number)
    for path, points in found:
        assert points == pytest.approx(drag(known[path], known[""]))
    assert found == sorted(found, key=lambda each: each[1])
    return [path for path, _ in found]


GOOD, BAD = (60, 30, 10), (20, 20, 60)


def test_what_drags_is_named_at_the_level_where_it_lies() -> None:
    assert ["fr/b"] == dragged(fr__a=GOOD, fr__b=BAD, fr__c=GOOD, uk__d=GOOD, uk__e=GOOD)
    assert ["fr/b/x"] == dragged(fr__a=GOOD, fr__b__x=BAD, fr__b__y=GOOD, uk__d=GOOD)


def test_a_segment_is_named_itself_if_those_below_it_drag_alike() -> None:
    assert ["fr"] == dragged(fr__a=BAD, fr__b=BAD, fr__c=BAD, uk__d=GOOD)
    assert ["fr"] == dragged(fr__only=BAD, uk__d=GOOD)
    assert ["fr"] == dragged(fr__a=(200, 200, 600), fr__b=(300, 200, 500), uk=(1200, 600, 200))  # a takes five eighths
    assert ["fr"] == dragged(fr__a=(2, 2, 6), fr__b=(9, 9, 11), uk__d=GOOD)  # so few answers say little


def test_two_segments_below_one_are_both_named() -> None:
    leaves: dict[str, tuple[int, int, int]] = {
        "fr__b": BAD,
        "fr__c": (25, 20, 55),
        **{f"fr__a{number}": (300, 150, 50) for number in range(3)},
    }

    assert ["uk", "fr/b", "fr/c"] == dragged(**leaves, uk=(1000, 500, 900))
    assert ["uk"] == dragged(1, **leaves, uk=(1000, 500, 900))


def test_a_segment_without_answers_drags_nothing() -> None:
    assert [] == dragged(a=GOOD)
    assert [] == dragging("", {"": ["a"], "a": []}.__getitem__, lambda _: (0, 0, 0), 3)


def test_with_too_many_segments_no_level_further_below_is_looked_at() -> None:
    known = tree(fr__a=GOOD, fr__b=BAD, fr__c=GOOD, uk=(300, 200, 100))
    counts = {path: counts_of(one.windows["90d"]) for path, one in known.items()}
    below = {"": ["fr", "uk"], "fr": ["fr/a", "fr/b", "fr/c"]}
    for more, expected in ((MOST - 2, "fr/b"), (MOST - 1, "fr")):
        below[""] = ["fr", "uk", *(f"empty {number}" for number in range(more))]
        found = dragging("", lambda path: below.get(path, []), lambda path: counts.get(path, (0, 0, 0)), 1)
        assert [expected] == [path for path, _ in found]
