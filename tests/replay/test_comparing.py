"""How the notices of two configurations are compared, and which cases are kept."""

from hypothesis import given
from hypothesis import strategies as st

from worker.replay.comparing import Change, Comparison, Place
from worker.replay.outcomes import NotReceived, Received

CARE = Place("email", "care")


def told(action: str = "opened", at: int = 1, severity: str = "error", alert: str = "a-1") -> Received:
    return Received(alert, "email", "care", "detractor", "fr", severity, action, at)


def compared(was: list[Received], would: list[Received]) -> dict[Change, int]:
    comparison = Comparison(10, {})
    comparison.add(was, [])
    comparison.add([], would)
    comparison.close()
    return {change: number for change, number in comparison.counts[CARE].changes.items() if number}


def test_notices_are_compared_step_by_step_and_those_that_are_equal_first() -> None:
    assert compared([told()], [told()]) == {}
    assert compared([told()], [told(at=2)]) == {Change.LATER: 1}
    assert compared([told(at=2)], [told()]) == {Change.EARLIER: 1}
    assert compared([told()], [told(severity="critical")]) == {Change.SEVERITY: 1}
    assert compared([told("updated"), told("updated", 9)], [told("updated", 9)]) == {Change.FEWER: 1}
    assert compared([told("opened")], [told("updated")]) == {Change.FEWER: 1, Change.MORE: 1}


def test_what_both_have_told_takes_no_memory() -> None:
    comparison = Comparison(10, {})
    for number in range(5):
        comparison.add([told(alert=str(number))], [told(alert=str(number))])

    assert comparison._open == {}
    assert comparison.counts[CARE].current == comparison.counts[CARE].new == 5


def test_a_reason_about_all_receivers_counts_if_there_is_no_other() -> None:
    comparison = Comparison(10, {})
    comparison.add(
        [told(), told(alert="a-2")], [NotReceived("a-1", "", "", "too_old"), NotReceived("a-2", *CARE, "withdrawn")]
    )
    comparison.add([], [NotReceived("a-2", "", "", "too_old")])
    comparison.close()

    assert [case.differences[0].why for case in comparison.cases] == ["too_old", "withdrawn"]
    assert comparison.differing == 2


@given(st.lists(st.integers(0, 50), unique=True, max_size=40), st.integers(0, 5))
def test_the_earliest_cases_are_kept(times: list[int], limit: int) -> None:
    comparison = Comparison(limit, {})
    for at in times:
        comparison.add([told(at=at, alert=f"a-{at}")], [])
        comparison.close()  # a partition of its own

    assert [case.at for case in comparison.cases] == sorted(times)[:limit]
    assert len(comparison._cases) <= 2 * limit + 1
    assert (comparison.differing, comparison.counts[CARE].current) == (len(times), len(times))
