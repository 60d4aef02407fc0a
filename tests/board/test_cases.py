"""The book of the cases: one by its alert, and lists by time limit, filtered, a page at a time."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from flow.cases.following import FORGOTTEN, POLICY
from flow.records import HOUR, NOW
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Severity
from schemas.case import CaseState
from worker.board.cases import _MANY, CaseBook, CaseQuery
from worker.board.figures import FIELDS, grouped, overdue_of, with_overdue
from worker.board.newest import PAGE
from worker.board.unreadable import UNREADABLE
from worker.flow.cases.case import Case, Cases, encode_cases


def case(alert_id: str = "a-1", due: int | None = NOW + HOUR, **changes: object) -> Case:
    """Return a case that was opened NOW."""
    usual = Case(
        alert_id, CaseState.OPEN, NOW, NOW, "r-1", 0, "autumn", "fr/shop-3", Severity.ERROR, 3, NOW, NOW, NOW,
        acknowledge_due=due,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(usual, name, value)
    return usual


def row(*cases: Case) -> bytes:
    return encode_cases(Cases([*cases]))


def book(**customers: list[Case]) -> CaseBook:
    found = CaseBook(POLICY)
    for customer, cases in customers.items():
        found.take(customer.encode(), row(*cases))
    return found


def ids(found: CaseBook, query: CaseQuery | None = None, now: int = NOW) -> list[str]:
    return [known.case.alert_id for known in found.listed(query or CaseQuery(), now).cases]


def test_the_time_limit_comes_first_then_the_severity_and_the_age() -> None:
    found = book(
        c1=[case("later", NOW + 2 * HOUR, severity=Severity.CRITICAL), case("never", None)],
        c2=[case("soon"), case("critical", severity=Severity.CRITICAL), case("older", opened_at=NOW - HOUR)],
    )
    assert ids(found) == ["critical", "older", "soon", "later", "never"]


def test_what_is_overdue_says_which_time_limit_is_over() -> None:
    found = book(
        c1=[case("a-1", NOW, receivers=["care"]), case("a-2"), case("a-3", NOW, opened_at=NOW - HOUR)],
        c2=[case("b-1", None, resolve_due=NOW, segment="de")],
        c3=[case("c-1", state=CaseState.ACKNOWLEDGED, resolve_due=NOW, segment="it")],
    )
    late = {(one.segment, one.is_resolution): number for one, number in found.overdue(NOW, "segment").items()}
    assert late == {("fr/shop-3", False): 2, ("de", True): 1, ("it", True): 1}
    assert {
        one.receivers: number for one, number in found.overdue(NOW, "receiver", since=NOW).items() if one.receivers
    } == {("care",): 1}
    assert sum(found.overdue(NOW, "cause", since=NOW).values()) == 3
    assert [one.segment for one in found.overdue(NOW, "segment", visible=("it",))] == ["it"]
    assert [one.segment for one in found.overdue(NOW, "segment", "fr")] == ["fr/shop-3"]


@pytest.mark.parametrize("by", FIELDS)
@pytest.mark.parametrize("since", [0, NOW])
def test_the_page_counts_overdue_cases_as_the_command_does(by: str, since: int) -> None:
    found = book(
        c1=[case("a-1", NOW), case("a-2", NOW, receivers=["care", "lyon"]), case("a-3", NOW, opened_at=NOW - HOUR)],
        c2=[case("b-1", None, resolve_due=NOW, segment="de", severity=Severity.CRITICAL)],
        c3=[case("c-1", state=CaseState.ACKNOWLEDGED, resolve_due=NOW, segment="it", cause="price")],
    )
    cases = [known.case for known in found.listed(CaseQuery(), NOW).cases]
    one_by_one = Counter(one for each in cases if (one := overdue_of(each, NOW, since)) is not None)
    of_command = with_overdue(grouped([], by, ""), one_by_one, by, "")
    of_page = with_overdue(grouped([], by, ""), found.overdue(NOW, by, since=since), by, "")

    assert of_page == of_command
    assert of_page.whole.resolve_limits


def test_each_filter_takes_what_fits() -> None:
    found = book(
        c1=[case("a-1", segment="fr/a", assignee="Ann", receivers=["care"], cause="price", severity=Severity.CRITICAL)],
        c2=[case("a-2", segment="fr/ab"), case("b-3", state=CaseState.ACKNOWLEDGED, acknowledged_by="Bob")],
    )
    for query, expected in (
        (CaseQuery(segment="fr/a"), ["a-1"]),
        (CaseQuery(segment="fr"), ["a-1", "a-2", "b-3"]),
        (CaseQuery(severities=frozenset({"critical", "other"})), ["a-1"]),
        (CaseQuery(states=frozenset({"acknowledged"})), ["b-3"]),
        (CaseQuery(owner="Ann"), ["a-1"]),
        (CaseQuery(owner="Bob"), ["b-3"]),
        (CaseQuery(owner=""), ["a-2"]),
        (CaseQuery(receiver="care"), ["a-1"]),
        (CaseQuery(cause="price"), ["a-1"]),
        (CaseQuery(cause=""), ["a-2", "b-3"]),
        (CaseQuery(customer_id="c2"), ["a-2", "b-3"]),
        (CaseQuery(customer_id="c3"), []),
        (CaseQuery(alert_id="a-"), ["a-1", "a-2"]),
        (CaseQuery(visible=("fr/a", "fr/shop-3")), ["a-1", "b-3"]),
        (CaseQuery(visible=()), []),
    ):
        assert sorted(ids(found, query)) == expected, query


def test_totals_count_what_the_query_wants_and_what_is_overdue() -> None:
    found = book(c1=[case("a-1"), case("a-2", NOW), case("a-3", state=CaseState.RESOLVED)])
    totals = found.listed(CaseQuery(), NOW).totals
    assert totals == found.totals(CaseQuery(), NOW)
    assert (totals.all, totals.overdue, totals.states) == (3, 1, {"open": 2, "resolved": 1})
    assert ids(found, CaseQuery(overdue=True)) == ["a-2"]
    assert ids(found, CaseQuery(overdue=True), NOW + HOUR) == ["a-2", "a-1"]


@given(st.integers(0, 3 * PAGE), st.randoms(use_true_random=False))
def test_the_pages_have_each_case_once_and_in_order(number: int, chance: random.Random) -> None:
    cases = [
        case(f"a-{one:03}", NOW + chance.randrange(3), opened_at=NOW + chance.randrange(3)) for one in range(number)
    ]
    found, seen, after = book(c=cases), list[str](), ""
    while True:
        page = found.listed(CaseQuery(after=after), NOW)
        assert page.totals.all == number
        seen += [known.case.alert_id for known in page.cases]
        after = page.next
        if not after:
            break
    expected = sorted(cases, key=lambda one: (one.acknowledge_due, one.opened_at, one.alert_id))
    assert seen == [one.alert_id for one in expected]


@pytest.mark.parametrize("cursor", ["x", "1.2", "1.2.x.a-1", "²...", "1" * 30 + ".1.1.a"])
def test_a_cursor_that_somebody_has_made_up_begins_at_the_first_page(cursor: str) -> None:
    assert ids(book(c1=[case()]), CaseQuery(after=cursor)) == ["a-1"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 5)), max_size=40))
def test_the_order_after_changes_is_that_of_sorting_all_of_them(changes: list[tuple[int, int, int]]) -> None:
    found = CaseBook(POLICY)
    for customer, due, looks in changes:
        cases = [case(f"a-{customer}-{one}", NOW + due) for one in range(due % 3)]
        found.take(b"c-%d" % customer, row(*cases) if due else None)
        if not looks:
            ids(found)
    last = {customer: due for customer, due, _ in changes}
    expected = sorted((due, f"a-{customer}-{one}") for customer, due in last.items() for one in range(due % 3))
    assert ids(found) == [alert_id for _, alert_id in expected]
    assert len(found) == len(expected)


@given(
    st.lists(st.tuples(st.sampled_from([*CaseState]), st.integers(-3, 3)), max_size=3 * PAGE),
    st.frozensets(st.sampled_from([*CaseState])),
    st.integers(0, 40),
)
def test_a_list_by_states_alone_is_that_of_a_list_by_all_severities(
    cases: list[tuple[CaseState, int]], states: frozenset[str], removed: int
) -> None:
    found = CaseBook(POLICY)
    for number, (state, due) in enumerate(cases):
        found.take(b"c-%d" % number, row(case(f"a-{number}", NOW + due, state=state, resolve_due=NOW + due)))
    for number in range(min(removed, len(cases))):
        found.take(b"c-%d" % number, None)
    plain, slow = CaseQuery(states=states), CaseQuery(states=states, severities=frozenset({*Severity}))
    for _ in range(4):
        assert found.listed(plain, NOW) == found.listed(slow, NOW)
        assert found.totals(plain, NOW) == found.listed(slow, NOW).totals
        after = found.listed(plain, NOW).next
        plain, slow = plain._replace(after=after), slow._replace(after=after)


def test_many_changes_at_once_are_sorted_as_well_and_most_entries_are_in_order_before() -> None:
    found, chance = CaseBook(POLICY), random.Random(1)
    due = {number: NOW + chance.randrange(10_000) for number in range(4 * _MANY)}
    for round_ in range(3):
        for number in chance.sample([*due], len(due) if not round_ else 2 * _MANY):
            due[number] += chance.randrange(10_000)
            found.take(b"c-%d" % number, row(case(f"a-{number:04}", due[number])))
        gone, _ = due.popitem()
        found.take(b"c-%d" % gone, None)
        before = [due_of for due_of, *_ in (entry.key for entry in found._entries.values())]
        in_order = sum(one <= other for one, other in pairwise(before))
        expected = sorted((at, f"a-{number:04}") for number, at in due.items())

        assert ids(found) == [alert_id for _, alert_id in expected][:PAGE]
        assert [entry.key[3] for entry in found._order] == [alert_id for _, alert_id in expected]
        assert not round_ or in_order > 0.7 * len(before)  # what has changed is at the end, in any order


def test_the_same_receivers_are_kept_once() -> None:
    found = book(c1=[case("a-1", receivers=["care", "lyon"])], c2=[case("a-2", receivers=["care", "lyon"])])
    one, other = found._entries.values()
    assert one.receivers == ("care", "lyon")
    assert one.receivers is other.receivers


@pytest.mark.parametrize("number", [_MANY - 1, _MANY, _MANY + 1, 2 * _MANY])
def test_changes_take_little_memory_until_somebody_asks_for_a_list(number: int) -> None:
    found = book(c=[case("first", NOW - 1)])
    assert ids(found) == ["first"]
    for one in range(number):
        found.take(b"c-%d" % one, row(case(f"a-{one:04}", NOW + one)))
        found.take(b"c-%d" % one, row(case(f"a-{one:04}", NOW - one)) if one < 2 else None)
    found.take(b"c", None)
    assert len(found._changed) <= _MANY + 1
    assert ids(found) == ["a-0001", "a-0000"]


def test_a_case_is_found_until_it_is_forgotten_or_erased() -> None:
    found = book(c1=[case()])
    known = found.find("a-1", NOW)
    assert known is not None
    assert (known.customer_id, known.case) == ("c1", case())
    assert [one.case.alert_id for one in found.of_customer("c1", NOW)] == ["a-1"]
    assert (found.find("a-1", FORGOTTEN), ids(found, now=FORGOTTEN)) == (None, [])
    found.take(b"c1", None)
    assert (found.find("a-1", NOW), ids(found), found.of_customer("c1", NOW)) == (None, [], [])


def test_a_case_that_is_forgotten_does_not_make_lists_look_at_each_of_the_others() -> None:
    found = book(c1=[case()])
    found.take(b"c2", row(case("a-2", opened_at=FORGOTTEN, changed_at=FORGOTTEN)))
    assert found.totals(CaseQuery(), NOW).all == 2
    assert (ids(found, now=FORGOTTEN), found.totals(CaseQuery(), FORGOTTEN).all) == (["a-2"], 1)
    assert found._first_until > FORGOTTEN
    found.take(b"c1", row(case()))  # the same row again
    assert (ids(found, now=FORGOTTEN), found.totals(CaseQuery(), FORGOTTEN).all) == (["a-2"], 1)


def test_a_case_that_moved_to_another_row_is_known_there() -> None:
    found = CaseBook(POLICY)
    found.take(b"c1", row(case()), 0)
    found.take(b"c2", row(case()), 1)
    found.take(b"c1", row(), 0)
    known = found.find("a-1", NOW)
    assert known is not None
    assert known.customer_id == "c2"
    found.take(b"c1", row(case()), 0)
    found.forget(0)
    assert (found.find("a-1", NOW), ids(found), found.of_customer("c2", NOW)) == (None, [], [])


def test_what_there_is_to_choose_from_is_of_the_segments_that_a_person_may_see() -> None:
    found = book(
        c1=[case(assignee="Ann", receivers=["care"], cause="price"), case("a-2", segment="de", assignee="Bob")]
    )
    assert found.choices() == (["Ann", "Bob"], ["care"], ["price"])
    assert found.choices(("de",)) == (["Bob"], [], [])


def test_what_is_no_row_is_refused() -> None:
    found = book(c1=[case()])
    with pytest.raises(UNREADABLE):
        found.take(b"c1", b"no row")
    assert ids(found) == ["a-1"]
