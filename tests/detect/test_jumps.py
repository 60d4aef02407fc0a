"""Promoters that appear in one segment alone are a question to ask, and those that appear elsewhere too are none."""

import pytest
from detect.hourly import watching
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.detect.drops import Classes
from worker.detect.jumps import jump
from worker.detect.watch import Watch
from worker.nps.jump import Jump

DAY = 24
NOW = 100 * DAY
SINCE = NOW - 14 * DAY
#: Promoters, passives and detractors before the last two weeks, and in them.
History = tuple[tuple[int, int, int], tuple[int, int, int]]
Counts = st.tuples(*[st.integers(0, 200)] * 3)
Histories = st.tuples(Counts, Counts)

STEADY: History = (500, 300, 200), (50, 30, 20)
JUMPED: History = (100, 60, 40), (45, 5, 0)


def watch(*histories: History) -> Watch:
    """Return what is watched of a segment that has the answers of all these: in the hour before, and in that since."""
    before, after = ([sum(kind) for kind in zip(*each, strict=True)] for each in zip(*histories, strict=True))
    return watching([(SINCE - 1, before[0], before[1], before[2]), (SINCE, after[0], after[1], after[2])])


def look(own: History, *others: History) -> Jump | None:
    return jump(watch(own), watch(own, *others), NOW)


def promoters(n: int, share: float) -> tuple[int, int, int]:
    return round(n * share), n - round(n * share), 0


def share_of(classes: Classes) -> float:
    return classes[0] / sum(classes)


def chi_squared(own: History) -> float:
    """Return Pearson's statistic of promoters or not, before or after; it is the square of the test's z."""
    (a, *others), (c, *later) = own
    b, d = sum(others), sum(later)
    expected = (a + b) * (c + d) * (a + c) * (b + d)
    return (a + b + c + d) * (a * d - b * c) ** 2 / expected if expected else 0.0


def test_promoters_that_appear_in_one_segment_alone_are_found_with_their_figures() -> None:
    assert Jump(SINCE, 0.5, 0.9, 50, 0.5, 0.5) == look(JUMPED, STEADY)


def test_the_figures_of_the_neighbours_are_without_the_segments_own() -> None:
    found = look(JUMPED, STEADY, ((200, 100, 100), (24, 16, 10)))

    assert found is not None
    assert (700 / 1_400, 74 / 150) == (found.others_before, found.others_since)


def test_what_the_neighbours_share_is_none() -> None:
    assert look(JUMPED, JUMPED, JUMPED, JUMPED) is None


@pytest.mark.parametrize(("rise", "found"), [(0.0, True), (0.13, True), (0.14, False), (-0.2, True)])
def test_the_neighbours_may_rise_by_a_third_of_it(rise: float, *, found: bool) -> None:
    others = promoters(1_000, 0.5), promoters(1_000, 0.5 + rise)

    assert found == (look((promoters(1_000, 0.3), promoters(1_000, 0.7)), others) is not None)


@pytest.mark.parametrize(
    ("before", "after", "found"), [(99, 40, False), (100, 40, True), (500, 29, False), (500, 30, True)]
)
def test_of_few_answers_of_its_own_nothing_is_said(before: int, after: int, *, found: bool) -> None:
    assert found == (look(((0, before, 0), (after, 0, 0)), STEADY) is not None)


@pytest.mark.parametrize(
    ("before", "after", "found"), [(99, 40, False), (100, 40, True), (500, 29, False), (500, 30, True)]
)
def test_with_few_answers_elsewhere_nothing_is_found(before: int, after: int, *, found: bool) -> None:
    assert found == (look(JUMPED, ((0, before, 0), (0, after, 0))) is not None)


@pytest.mark.parametrize(("rise", "found"), [(0.14, False), (0.16, True), (-0.3, False), (0.0, False)])
def test_a_small_rise_is_none_however_sure_it_is(rise: float, *, found: bool) -> None:
    own = promoters(100_000, 0.5), promoters(10_000, 0.5 + rise)

    assert found == (look(own, STEADY) is not None)


@pytest.mark.parametrize(("after", "found"), [((61, 23, 0), False), ((58, 21, 0), True)])
def test_a_rise_that_chance_may_make_is_none(after: tuple[int, int, int], *, found: bool) -> None:
    own = (500, 500, 0), after
    assert (chi_squared(own) >= 4 * 4) == found

    assert found == (look(own, STEADY) is not None)


@given(Histories, Histories)
def test_it_is_found_by_the_test_of_two_proportions_and_the_bounds(own: History, others: History) -> None:
    enough = min(sum(own[0]), sum(others[0])) >= 100 and min(sum(own[1]), sum(others[1])) >= 30
    found = look(own, others)
    if not enough:
        assert found is None
        return
    figures = [share_of(classes) for classes in (*own, *others)]
    rise, others_rise = figures[1] - figures[0], figures[3] - figures[2]
    assume(min(abs(rise - 0.15), abs(chi_squared(own) - 16), abs(others_rise - rise / 3)) > 1e-9)
    is_one = rise > 0.15 and chi_squared(own) > 16 and others_rise < rise / 3

    assert (Jump(SINCE, figures[0], figures[1], sum(own[1]), *figures[2:]) if is_one else None) == found


def test_only_the_last_two_weeks_are_compared_with_what_was_before() -> None:
    watch = watching([(SINCE - 40, 100, 60, 40), (SINCE - 1, 45, 5, 0), (NOW - 1, 20, 12, 8)])

    assert jump(watch, watching([(SINCE - 40, 600, 360, 240), (NOW - 1, 70, 42, 28)]), NOW) is None


def test_siblings_that_have_reported_less_have_no_promoters_rather_than_fewer_than_zero() -> None:
    found = jump(watch(JUMPED), watch(((50, 400, 200), (20, 40, 40))), NOW)

    assert Jump(SINCE, 0.5, 0.9, 50, 0.0, 0.0) == found


def test_a_parent_that_has_reported_less_than_its_child_is_no_error() -> None:
    assert jump(watch(JUMPED), Watch(), NOW) is None
    assert jump(Watch(), Watch(), NOW) is None
