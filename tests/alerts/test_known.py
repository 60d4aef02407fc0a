"""Which cases a person gets to see, and in which order."""

from typing import Any

import pytest
from flow.cases.following import step
from flow.records import NOW

from schemas.alert import Severity
from schemas.case import CaseState
from worker.alerts.known import Filter, beginning_with, in_order
from worker.flow.cases.case import opened
from worker.flow.cases.known import SEVERITIES, KnownCase


def known(alert_id: str = "a-1", state: CaseState = CaseState.OPEN, **changes: Any) -> KnownCase:
    case = opened(step(alert_id=alert_id, **changes))
    case.state = state
    return KnownCase("c-1", case)


def test_every_severity_has_its_place() -> None:
    assert set(SEVERITIES) == set(Severity)


def test_the_most_severe_come_first_and_of_these_the_oldest() -> None:
    cases = [
        known("a-1", severity=Severity.WARNING, at=NOW - 9),
        known("a-2", severity=Severity.CRITICAL, at=NOW),
        known("a-3", severity=Severity.CRITICAL, at=NOW - 5),
        known("a-5", severity=Severity.ERROR),
        known("a-4", severity=Severity.ERROR),
    ]

    assert [one.case.alert_id for one in in_order(cases)] == ["a-3", "a-2", "a-4", "a-5", "a-1"]


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Filter(), True),
        (Filter(states=frozenset({"open", "resolved"})), True),
        (Filter(states=frozenset({"resolved"})), False),
        (Filter(segment=""), True),
        (Filter(segment="fr"), True),
        (Filter(segment="fr/shop-3"), True),
        (Filter(segment="fr/shop-3/desk"), False),
        (Filter(segment="fr/shop"), False),
        (Filter(severities=frozenset({"critical"})), True),
        (Filter(severities=frozenset({"warning", "error"})), False),
        (Filter(opened_before=NOW), False),
        (Filter(opened_before=NOW + 1), True),
        (Filter(opened_since=NOW), True),
        (Filter(opened_since=NOW + 1), False),
        (Filter(states=frozenset({"open"}), segment="de"), False),
        (Filter(due_by=NOW + 10**12), False),  # it has no time limit
    ],
)
def test_a_filter_takes_what_all_its_parts_take(wanted: Filter, takes: bool) -> None:
    assert wanted.takes(known().case) is takes


def test_an_alert_is_found_by_the_beginning_of_its_id() -> None:
    cases = [known("abc-1"), known("abd-1"), known("ab")]

    assert [one.case.alert_id for one in beginning_with(cases, "abc")] == ["abc-1"]
    assert [one.case.alert_id for one in beginning_with(cases, "a")] == ["abc-1", "abd-1", "ab"]
    assert [one.case.alert_id for one in beginning_with(cases, "ab")] == ["ab"]
    assert beginning_with(cases, "x") == []


@pytest.mark.parametrize(
    ("state", "before_acknowledgement", "before_resolution"),
    [(CaseState.OPEN, True, True), (CaseState.ACKNOWLEDGED, False, True), (CaseState.RESOLVED, False, False)],
)
def test_a_case_is_late_by_the_limit_of_what_has_to_be_done_next(
    state: CaseState, *, before_acknowledgement: bool, before_resolution: bool
) -> None:
    one = known(state=state).case
    one.acknowledge_due, one.resolve_due = NOW + 10, NOW + 20

    assert not Filter(due_by=NOW + 9).takes(one)
    assert Filter(due_by=NOW + 10).takes(one) is before_acknowledgement
    assert Filter(due_by=NOW + 20).takes(one) is before_resolution


def test_an_open_case_that_has_only_a_limit_of_its_resolution_is_late_by_that() -> None:
    one = known().case
    one.resolve_due = NOW + 20

    assert Filter(due_by=NOW + 20).takes(one)
    assert not Filter(due_by=NOW + 19).takes(one)


def test_until_the_acknowledgement_its_time_limit_counts_although_the_other_one_is_earlier() -> None:
    one = known().case
    one.acknowledge_due, one.resolve_due = NOW + 20, NOW + 10
    before = one.next_due
    one.state = CaseState.ACKNOWLEDGED

    assert (before, one.next_due) == (NOW + 20, NOW + 10)
