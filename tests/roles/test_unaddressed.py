"""Alerts that nobody gets are said in the log, once in a while, unless a setting says so."""

from collections.abc import Callable

import pytest
from notify import test_case_notices as case_notices
from notify.mailboxes import planned, record_of
from notify.test_quiet_hours import by_tree, plan, step

from schemas.alert import Alert
from worker.roles.unaddressed import Unaddressed

MakeAlert = Callable[..., Alert]

NOBODY = by_tree(receivers=())


def test_the_first_is_said_at_once_and_many_are_counted(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    unaddressed = Unaddressed(lambda: now)
    for second in (0.0, 59.0, 60.0):
        now = second
        steps = [step(make_alert, event_id=f"e-{number}", alert_id=f"a-{second:.0f}-{number}") for number in range(2)]
        unaddressed.note(plan(*steps, planner=NOBODY).outputs)

    why = "is for nobody (no_route): no route takes it, and [route] has no receivers"
    assert caplog.messages == [
        f"alert a-0-1 {why}; alerts and incidents for nobody since the start: 2",
        f"alert a-60-1 {why}; alerts and incidents for nobody since the start: 6",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_the_account_owner_is_named_as_the_reason(make_alert: MakeAlert, caplog: pytest.LogCaptureFixture) -> None:
    Unaddressed().note(plan(step(make_alert), planner=by_tree(receivers=(), to_owner=True)).outputs)

    assert "(owner_unknown): no receiver stands for the customer's account owner" in caplog.text
    assert "Jean" not in caplog.text


def test_an_escalation_whose_receivers_were_removed_is_said(caplog: pytest.LogCaptureFixture) -> None:
    Unaddressed().note(case_notices.planned(case_notices.said(case_notices.step(escalated_to=["gone"]))).outputs)

    assert "(receivers_removed): the settings have none of the receivers" in caplog.text


def test_a_route_without_receivers_on_purpose_and_mails_that_are_planned_say_nothing(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    unaddressed = Unaddressed()
    unaddressed.note(plan(step(make_alert), planner=by_tree({"name": "x", "receivers": []})).outputs)
    unaddressed.note(planned(record_of(make_alert(alert_id="nobody"))).outputs)
    unaddressed.note(planned(record_of(make_alert())._replace(value=b"{}")).outputs)

    assert caplog.messages == []
