"""A change of an NPS is split into what its children did and what the shares of their answers did."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.detect.drops import Classes
from worker.detect.mix import fallen, mix_of
from worker.detect.split import Split

Counts = st.tuples(*[st.integers(0, 300)] * 3)
Children = st.dictionaries(st.sampled_from("abcde"), st.builds(Split, Counts, Counts), min_size=2)
GOOD, BAD = (0.7, 0.2, 0.1), (0.35, 0.35, 0.3)


def of(n: float, shares: Classes) -> Classes:
    return n * shares[0], n * shares[1], n * shares[2]


def whole(children: dict[str, Split]) -> Split:
    before, after = (tuple(map(sum, zip(*side, strict=True))) for side in zip(*children.values(), strict=True))
    return Split(before, after)  # type: ignore[arg-type]


def moved(after_good: Classes = GOOD) -> dict[str, Split]:
    """Return children whose shares go from 80 and 20 % to 20 and 80 %."""
    return {"a": Split(of(800, GOOD), of(100, after_good)), "b": Split(of(200, BAD), of(400, BAD))}


def nps(classes: Classes) -> float:
    return 100 * (classes[0] - classes[2]) / sum(classes)


def test_if_only_the_shares_changed_all_of_it_is_mix() -> None:
    found = mix_of(whole(moved()), moved())

    assert found is not None
    assert found.within.points == pytest.approx(0)
    assert found.mix.points == pytest.approx(-33)
    assert found.is_cause
    assert not found.hides
    assert (found.moved.path, found.moved.before, found.moved.after) == ("b", 0.2, 0.8)


@pytest.mark.parametrize(("after", "is_cause"), [((6, 1, 2), True), ((1, 1, 7), False)], ids=["chance", "fell"])
def test_the_mix_is_the_cause_before_it_is_clear_if_chance_may_have_made_the_rest(
    after: Classes, *, is_cause: bool
) -> None:
    """Of 800 and 200 answers before, and 9 and 36 of the first hours since."""
    children = {"a": Split(of(800, GOOD), after), "b": Split(of(200, (0.3, 0.3, 0.4)), of(36, (0.28, 0.3, 0.42)))}
    found = mix_of(whole(children), children)

    assert found is not None
    assert found.is_cause is is_cause


def test_if_the_shares_stayed_none_of_it_is_mix() -> None:
    children = {"a": Split(of(800, GOOD), of(400, BAD)), "b": Split(of(200, BAD), of(100, BAD))}
    found = mix_of(whole(children), children)

    assert found is not None
    assert found.within.points == pytest.approx(-44)
    assert found.mix.points == pytest.approx(0)
    assert not found.is_cause
    assert not found.is_clear


def test_if_the_children_fell_a_better_mix_is_no_cause() -> None:
    children = {
        "a": Split(of(500, GOOD), of(800, (0.45, 0.2, 0.35))),
        "b": Split(of(500, BAD), of(50, (0.2, 0.3, 0.5))),
    }
    found = mix_of(whole(children), children)

    assert found is not None
    assert found.within.points < -30
    assert found.mix.points > 0
    assert not found.is_cause


def test_children_that_fell_while_the_level_stayed_are_hidden() -> None:
    children = {"a": Split(of(300, GOOD), of(900, (0.6, 0.2, 0.2))), "b": Split(of(700, BAD), of(100, (0.2, 0.4, 0.4)))}
    found = mix_of(whole(children), children)

    assert found is not None
    assert found.hides


def test_a_few_answers_say_nothing_about_the_mix() -> None:
    children = {"a": Split(of(40, GOOD), of(2, GOOD)), "b": Split(of(10, BAD), of(4, BAD))}
    found = mix_of(whole(children), children)

    assert found is not None
    assert not found.is_clear


def test_answers_of_no_child_count_as_a_child_without_a_name() -> None:
    children = moved()
    segment = whole({**children, "": Split(of(1_000, GOOD), of(500, GOOD))})
    found = mix_of(segment, children)

    assert found is not None
    assert found.within.points == pytest.approx(0)
    assert found.mix.points == pytest.approx(nps(segment.after) - nps(segment.before))


@pytest.mark.parametrize(
    "children",
    [{"a": Split(of(9, GOOD), of(9, GOOD))}, {name: Split(of(9, GOOD), (0.0, 0.0, 0.0)) for name in "ab"}],
)
def test_without_two_children_or_without_answers_there_is_no_mix(children: dict[str, Split]) -> None:
    assert mix_of(whole(children), children) is None


@given(Children)
def test_the_two_parts_add_up_to_the_change(children: dict[str, Split]) -> None:
    segment = whole(children)
    found = mix_of(segment, children)

    if found is not None:
        assert found.within.points + found.mix.points == pytest.approx(nps(segment.after) - nps(segment.before))
        assert found.within.low <= found.within.points <= found.within.high


def test_children_that_fell_are_named_though_the_sum_of_all_did_not() -> None:
    children = {
        "a": Split(of(300, GOOD), of(100, BAD)),
        "b": Split(of(300, BAD), of(100, GOOD)),
        "c": Split(of(900, GOOD), of(500, (0.3, 0.2, 0.5))),
        "none": Split(of(300, GOOD), (0, 0, 0)),
        "new": Split((0, 0, 0), of(300, BAD)),
    }

    assert fallen(children) == ["c", "a"]


@pytest.mark.parametrize(
    ("n", "shares", "is_named"),
    [
        (10, (0.5, 0.2, 0.3), False),  # 40 points lower, which is chance with so few answers
        (60, (0.5, 0.2, 0.3), True),
        (100_000, (0.69, 0.2, 0.11), False),  # certain, but not worth a word
    ],
)
def test_a_child_fell_if_chance_does_not_explain_it_and_it_is_worth_a_word(
    n: int, shares: Classes, *, is_named: bool
) -> None:
    children = {"a": Split(of(1_000_000, GOOD), of(n, shares)), "b": Split(of(300, GOOD), of(100, GOOD))}

    assert fallen(children) == (["a"] if is_named else [])
