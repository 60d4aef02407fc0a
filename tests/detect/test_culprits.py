"""An incident is about the deepest segment that explains a drop, and few of the finds among many tests are false."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.detect.culprits import better, deepest, fell_further, is_little
from worker.detect.drops import Classes
from worker.detect.split import Split, without

Counts = st.tuples(*[st.integers(0, 500)] * 3)
Splits = st.builds(Split, Counts, Counts)


def level(n: int, fall: int = 0) -> Classes:
    """Return n answers at an NPS of 30, or so many points lower."""
    return n * (50 - fall / 2) / 100, n * 30 / 100, n * (20 + fall / 2) / 100


def fell(points: int, before: int = 4_000, after: int = 1_000) -> Split:
    return Split(level(before), level(after, points))


STEADY = fell(0, 400, 100)


class Tree:
    """Segments whose answers are those of the leaves below them. The hour is 7 everywhere."""

    def __init__(self, leaves: dict[str, Split]) -> None:
        self.leaves = leaves

    def children(self, path: str) -> Iterable[str]:
        depth = path.count("/") + 1 if path else 0
        below = [leaf for leaf in self.leaves if not path or leaf.startswith(f"{path}/")]
        return dict.fromkeys("/".join(leaf.split("/")[: depth + 1]) for leaf in below)

    def split(self, path: str, hour: int) -> Split:
        assert hour == 7
        found = [split for leaf, split in self.leaves.items() if not path or f"{leaf}/".startswith(f"{path}/")]
        before, after = (zip(*part, strict=True) for part in zip(*found, strict=True))
        return Split(total(before), total(after))


def times(classes: Classes, factor: float) -> Classes:
    return classes[0] * factor, classes[1] * factor, classes[2] * factor


def total(columns: Iterable[Iterable[float]]) -> Classes:
    promoters, passives, detractors = map(sum, columns)
    return promoters, passives, detractors


def explain(leaves: dict[str, Split], path: str = "") -> list[str]:
    return deepest(path, 7, Tree(leaves))


def five(*falls: int, above: str = "") -> dict[str, Split]:
    return {f"{above}{name}": fell(points) for name, points in zip("abcde", falls, strict=True)}


def test_a_child_that_dropped_alone_explains_it() -> None:
    assert ["c"] == explain(five(0, 0, 40, 0, 0))


def test_it_is_found_two_levels_down_too() -> None:
    leaves = {**five(0, 0, 0, 40, 0, above="fr/north/"), **five(0, 0, 0, 0, 0, above="fr/south/")}

    assert ["fr/north/d"] == explain({**leaves, **five(0, 0, 0, 0, 0, above="de/")})


def test_below_the_segment_that_is_asked_for_the_paths_are_whole() -> None:
    assert ["fr/b"] == explain({**five(0, 40, 0, 0, 0, above="fr/"), **five(0, 0, 0, 0, 0, above="de/")}, "fr")


def test_a_drop_everywhere_is_the_segments_own() -> None:
    assert [""] == explain(five(30, 30, 30, 30, 30))


def test_where_everything_below_a_child_dropped_the_child_explains_it() -> None:
    assert ["de"] == explain(
        {**five(0, 0, 0, 0, 0, above="fr/"), **five(30, 30, 30, 30, 30, above="de/")} | five(*[0] * 5)
    )


def test_a_segment_without_children_explains_its_own_drop() -> None:
    assert ["shop"] == explain({"shop": fell(30)}, "shop")


def test_two_of_five_children_explain_it_together() -> None:
    assert ["b", "d"] == explain(five(0, 40, 0, 40, 0))


def test_each_of_them_is_followed_downwards() -> None:
    leaves = {**five(0, 0, 50, 0, 0, above="fr/"), **five(0, 50, 0, 0, 0, above="de/")}

    assert ["de/b", "fr/c"] == sorted(explain(leaves | five(*[0] * 5)))


@pytest.mark.parametrize(
    ("falls", "expected"),
    [((30, 30), [""]), ((40, 0), ["a"]), ((40, 40, 0), [""]), ((40, 40, 0, 0), ["a", "b"]), ((40,), ["a"])],
)
def test_if_more_than_half_of_the_children_dropped_the_segment_itself_did(
    falls: tuple[int, ...], expected: list[str]
) -> None:
    assert expected == explain({name: fell(points) for name, points in zip("abcd", falls, strict=False)})


def test_what_chance_explains_is_nobodys() -> None:
    assert [""] == explain(five(0, 0, 0, 0, 0))
    assert [""] == explain(five(0, -40, 0, 0, 0))


def test_of_two_that_dropped_the_clearest_fall_comes_first() -> None:
    assert ["b", "a"] == explain(five(0, 0, 0, 0, 0) | {"a": fell(60, 400, 40), "b": fell(50)})


def test_an_alarm_from_below_is_explained_by_the_segment_above_if_everything_there_fell() -> None:
    leaves = {**five(20, 20, 20, 20, 20, above="fr/"), **five(0, 0, 0, 0, 0, above="de/"), **five(*[0] * 5)}

    assert ["fr"] == deepest("fr/c", 7, Tree(leaves), ["fr", ""])


def test_a_child_that_fell_alone_explains_its_own_alarm() -> None:
    leaves = {**five(0, 0, 30, 0, 0, above="fr/"), **five(0, 0, 0, 0, 0, above="de/"), **five(*[0] * 5)}

    assert ["fr/c"] == deepest("fr/c", 7, Tree(leaves), ["fr", ""])


def test_a_drop_with_another_cause_says_nothing_about_an_alarm() -> None:
    leaves = five(40, 0, 0, 0, 0) | {"b": fell(30, 4_000, 200)}

    assert ["a", "b"] == deepest("", 7, Tree(leaves))
    assert ["b"] == deepest("", 7, Tree(leaves), (), {"a"})


def test_if_only_the_mix_changed_the_segment_itself_is_named() -> None:
    good, bad = (80.0, 10.0, 10.0), (20.0, 30.0, 50.0)
    leaves = {
        "a": Split(times(good, 40), times(good, 2)),
        "b": Split(times(good, 40), times(good, 2)),
        "c": Split(times(bad, 10), times(bad, 8)),
        "d": Split(times(bad, 10), times(bad, 8)),
    }

    assert [""] == explain(leaves)
    assert ["fr"] == deepest("", 7, Tree({f"fr/{name}": split for name, split in leaves.items()} | {"de": STEADY}))


def test_an_explanation_stays_until_another_one_is_clearly_better() -> None:
    leaves = {**five(0, 0, 30, 0, 0, above="fr/"), **five(0, 0, 0, 0, 0, above="de/"), **five(*[0] * 5)}

    assert [] == better("fr/c", 7, Tree(leaves), ["fr", ""])
    assert ["fr/c"] == better("fr", 7, Tree(leaves), [""])
    assert ["fr/c"] == better("", 7, Tree(leaves))
    everywhere = five(20, 20, 20, 20, 20, above="fr/")
    assert ["fr"] == better("fr/c", 7, Tree({**everywhere, **five(*[0] * 5)}), ["fr", ""])


@pytest.mark.parametrize(("before", "after"), [(29, 40), (400, 9)])
def test_a_child_of_too_few_answers_is_not_tested(before: int, after: int) -> None:
    few = Split((float(before), 0.0, 0.0), (0.0, 0.0, float(after)))

    assert [""] == explain({"a": STEADY, "b": STEADY, "few": few})


@pytest.mark.parametrize(("before", "after"), [(30, 40), (400, 20)])
def test_a_child_of_just_enough_answers_is_tested(before: int, after: int) -> None:
    enough = Split((float(before), 0.0, 0.0), (0.0, 0.0, float(after)))

    assert ["enough"] == explain({"a": STEADY, "b": STEADY, "enough": enough})


@pytest.mark.parametrize(
    ("one", "other", "further", "why"),
    [
        (fell(60, 400, 100), fell(20), True, "40 points more"),
        (fell(20, 400, 100), fell(20), False, "the same"),
        (fell(10, 400, 100), fell(40), False, "less"),
        (fell(60, 400, 5), fell(20), False, "too few to say so"),
        (fell(50), fell(20, 40, 12), False, "too few of the other"),
    ],
    ids=str,
)
def test_one_fell_further_if_chance_does_not_make_the_difference(
    one: Split, other: Split, why: str, *, further: bool
) -> None:
    assert further == fell_further(one, other), why


@given(Splits, Splits)
def test_of_two_at_most_one_fell_further(one: Split, other: Split) -> None:
    assert not (fell_further(one, other) and fell_further(other, one))


@pytest.mark.parametrize(
    ("rest", "whole", "little", "why"),
    [
        (fell(15, 400, 20), fell(30, 400, 20), True, "half of what was lost, which chance explains"),
        (fell(10), fell(50), True, "a fifth of it"),
        (fell(25), fell(50), False, "half of it"),
        (fell(30), fell(50, 400, 100), False, "more than all of it"),
        (fell(-10), fell(50), True, "a rise"),
    ],
    ids=str,
)
def test_little_is_left_if_chance_explains_it_or_it_is_less_than_a_third(
    rest: Split, whole: Split, why: str, *, little: bool
) -> None:
    assert little == is_little(rest, whole), why


@given(Splits, st.lists(Splits, max_size=4))
def test_what_is_left_without_parts_is_never_negative(whole: Split, parts: list[Split]) -> None:
    assert min(min(classes) for classes in without(whole, parts)) >= 0


@given(st.lists(Splits, min_size=1, max_size=4), Splits)
def test_without_its_parts_a_whole_is_the_rest(parts: list[Split], rest: Split) -> None:
    whole = Split(
        total(zip(*(split.before for split in (rest, *parts)), strict=True)),
        total(zip(*(split.after for split in (rest, *parts)), strict=True)),
    )

    assert rest == without(whole, parts)


def hiding() -> dict[str, Split]:
    """Return children that all fell by 20 points, while those with a high level got a larger share of the answers."""
    high, low = (75.0, 15.0, 10.0), (30.0, 30.0, 40.0)
    fell_high, fell_low = (60.0, 25.0, 15.0), (20.0, 30.0, 50.0)
    return {
        "a": Split(times(high, 10), times(fell_high, 5)),
        "b": Split(times(high, 10), times(fell_high, 5)),
        "c": Split(times(low, 30), times(fell_low, 1.5)),
        "d": Split(times(low, 30), times(fell_low, 1.5)),
    }


def test_a_segment_whose_mix_hides_that_its_children_fell_is_not_named_and_they_are() -> None:
    leaves = {f"fr/{name}": split for name, split in hiding().items()} | {f"de/{name}": fell(0) for name in "abcd"}
    tree = Tree(leaves)
    before, after = tree.split("fr", 7)
    assert (after[0] - after[2]) / sum(after) > (before[0] - before[2]) / sum(before) - 0.05

    assert ["fr/a"] == deepest("fr/a", 7, tree, ["fr", ""])
    assert [] == better("fr/a", 7, tree, ["fr", ""])
    assert {"fr/a", "fr/b"} == set(better("fr", 7, tree, [""]))
