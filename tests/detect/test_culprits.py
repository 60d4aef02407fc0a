"""An incident is about the deepest segment that explains a drop, and few of the finds among many tests are false."""

from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.detect.culprits import Split, benjamini_hochberg, deepest, fell_further, is_little, without
from worker.detect.drops import Classes
from worker.nps.interval import chance_of_drop

Counts = st.tuples(*[st.integers(0, 500)] * 3)
Splits = st.builds(Split, Counts, Counts)
#: Off the grid of ranks, so that no test is decided by how a number is rounded.
Chances = st.lists(st.integers(0, 999).map(lambda chance: (chance + 0.1234567) / 1_000), max_size=20)


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


def test_of_two_that_dropped_one_may_explain_nearly_all() -> None:
    leaves = five(0, 0, 0, 0, 0) | {"a": fell(60, 400, 40), "b": fell(50)}

    assert chance_of_drop(*leaves["a"]) < 0.001
    assert ["b"] == explain(leaves)


def test_a_child_that_leaves_most_of_the_drop_to_others_does_not_explain_it() -> None:
    """The others fell too little each to be found, and together more than chance makes of them."""
    leaves = {f"small-{number}": fell(25, 60, 20) for number in range(20)} | {"large": fell(40, 300, 60)}
    tested = {name: chance_of_drop(*split) for name, split in leaves.items()}

    assert ["large"] == benjamini_hochberg(tested)
    assert [""] == explain(leaves)


@pytest.mark.parametrize(("before", "after"), [(29, 40), (400, 9)])
def test_a_child_of_too_few_answers_is_not_tested(before: int, after: int) -> None:
    few = Split((float(before), 0.0, 0.0), (0.0, 0.0, float(after)))

    assert [""] == explain({"a": STEADY, "b": STEADY, "few": few})


@pytest.mark.parametrize(("before", "after"), [(30, 40), (400, 20)])
def test_a_child_of_just_enough_answers_is_tested(before: int, after: int) -> None:
    enough = Split((float(before), 0.0, 0.0), (0.0, 0.0, float(after)))

    assert ["enough"] == explain({"a": STEADY, "b": STEADY, "enough": enough})


#: Their own example: fifteen comparisons of a treatment of myocardial infarction, of which four are found.
PUBLISHED = (
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0000,
)


def test_benjamini_and_hochberg_find_what_they_published() -> None:
    chances = {f"{number:02}": chance for number, chance in enumerate(PUBLISHED, start=1)}

    assert ["01", "02", "03", "04"] == benjamini_hochberg(chances, 0.05)


@given(Chances, st.sampled_from([0.05, 0.1, 0.2]))
def test_they_find_the_largest_set_none_of_which_is_likelier_than_its_share_of_false_finds(
    chances: list[float], false_finds: float
) -> None:
    named = {f"{number:02}": chance for number, chance in enumerate(chances)}
    expected: set[str] = set()
    for k in range(1, len(named) + 1):
        within = {name for name, chance in named.items() if chance <= false_finds * k / len(named)}
        expected = within if len(within) >= k else expected

    assert expected == set(benjamini_hochberg(named, false_finds))


@given(st.lists(st.integers(0, 999).map(lambda chance: (chance + 0.1234567) / 1_000), max_size=7))
def test_no_other_set_is_larger(chances: list[float]) -> None:
    named = {str(number): chance for number, chance in enumerate(chances)}
    allowed = [
        size
        for size in range(1, len(named) + 1)
        for chosen in combinations(named.values(), size)
        if max(chosen) <= 0.1 * size / len(named)
    ]

    assert max(allowed, default=0) == len(benjamini_hochberg(named, 0.1))


def test_finds_that_are_as_likely_are_in_the_order_of_their_names() -> None:
    assert ["a", "b", "c"] == benjamini_hochberg({"c": 0.01, "a": 0.01, "b": 0.01})


def test_without_tests_there_are_no_finds() -> None:
    assert [] == benjamini_hochberg({})


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
