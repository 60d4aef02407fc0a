"""What the steps of a case do to the mails about its alert: a resolution cancels what waits, and nothing is mailed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flow.records import NOW, Record
from notify.mailboxes import KEY, kept, lines, mails, pending_notices, planned, record_of

from schemas.alert import Alert
from schemas.case import CASE, CaseAction, CaseState, CaseStep
from schemas.delivery import DeliveryStatus
from worker.flow import events
from worker.notify import mailbox
from worker.notify.mailbox import CASE_ACTIONS

MakeAlert = Callable[..., Alert]

#: When the alert was opened, and when its customer's answer changed.
OPENED, CHANGED = datetime(2026, 8, 1, 12, 0, tzinfo=UTC), datetime(2026, 8, 1, 13, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: All steps that are known, mailed.
ALL = ("opened", "updated", "withdrawn", "resolved", "acknowledged", "assigned", "noted", "reopened")


def step_of(
    alert: Alert, action: str = "resolved", state: str = "resolved", *, at: datetime = OPENED, **headers: Any
) -> Record:
    """Return the step of a case as the notifier reads it."""
    step = CaseStep(
        alert_id=alert.alert_id,
        kind=CASE,
        action=action,
        reason="command",
        severity=alert.severity,
        summary="Score 2: resolved",
        occurred_at=CHANGED + 9 * MINUTE,
        alert_occurred_at=at,
        segment=alert.segment,
        touchpoint=alert.touchpoint,
        customer_id=alert.customer_id,
        response_id=alert.response_id,
        state=state,
        step=2,
        opening=1,
        opened_at=OPENED,
    )
    found = {"ce_id": b"s-1", "ce_type": events.CASE.type} | headers
    named = [(name, text) for name, text in found.items() if text is not None]
    return Record(step.model_dump_json().encode(), KEY, timestamp=NOW, headers=named, topic="nps.alerts")


@pytest.mark.parametrize("kind", [events.CASE.type, None, b"nps.case.v9"])
def test_a_resolution_cancels_the_mails_that_wait(make_alert: MakeAlert, kind: bytes | None) -> None:
    alert = make_alert(occurred_at=OPENED)
    decided = planned(record_of(alert), step_of(alert, ce_type=kind))

    assert lines(decided) == [("pending", "planned"), ("cancelled", "resolved")]
    assert set(pending_notices(decided).values()) == {None}


def test_also_if_they_were_planned_before(make_alert: MakeAlert) -> None:
    alert = make_alert(occurred_at=OPENED)
    rows = kept(planned(record_of(alert)))

    assert lines(planned(step_of(alert), rows=rows)) == [("cancelled", "resolved")]
    assert lines(planned(step_of(alert, at=OPENED - MINUTE), rows=rows)) == []


def test_a_mail_about_another_alert_still_waits(make_alert: MakeAlert) -> None:
    alert, other = make_alert(occurred_at=OPENED), make_alert(occurred_at=OPENED, alert_id="another")
    decided = planned(record_of(alert), record_of(other, "e-2"), step_of(alert))

    assert [mail.alert_id for mail in mails(decided) if mail.is_open] == ["another"]


@pytest.mark.parametrize("action", [action for action in CaseAction if action not in {"resolved", *CASE_ACTIONS}])
@pytest.mark.parametrize("state", CaseState)
def test_other_steps_change_no_mail_and_no_step_is_mailed(make_alert: MakeAlert, action: str, state: str) -> None:
    alert = make_alert(occurred_at=OPENED)
    rows = kept(planned(record_of(alert)))
    decided = planned(step_of(alert, action, state), rows=rows, actions=ALL)

    assert decided.outputs == []
    assert kept(decided) | rows == rows


def test_a_resolution_of_which_nobody_was_mailed_leaves_no_row(make_alert: MakeAlert) -> None:
    assert planned(step_of(make_alert()), actions=ALL).rows == {KEY: None}


def test_a_mail_that_was_sent_is_left_as_it_is(make_alert: MakeAlert) -> None:
    alert = make_alert(occurred_at=OPENED)
    box = mailbox.decode(kept(planned(record_of(alert)))[KEY])
    box.mails[0].status = DeliveryStatus.SENT
    decided = planned(step_of(alert), rows={KEY: mailbox.encode(box)})

    assert decided.outputs == []
    assert mails(decided) == box.mails


def test_a_resolution_that_comes_after_a_newer_step_of_the_alert_does_not_cancel_what_reports_that(
    make_alert: MakeAlert,
) -> None:
    """The alert's steps are published without waiting for its case, and the newer one reopens the case."""
    alert = make_alert(occurred_at=OPENED)
    withdrawn = make_alert(occurred_at=CHANGED, action="withdrawn", revision=1, score=9)
    again = make_alert(occurred_at=CHANGED + MINUTE, revision=2)
    steps = [record_of(alert), record_of(withdrawn, "e-2"), record_of(again, "e-3")]
    decided = planned(*steps, step_of(alert))
    assert lines(decided) == [("pending", "planned"), ("cancelled", "withdrawn"), ("pending", "planned")]

    updated = make_alert(occurred_at=CHANGED, action="updated", reason="comment_added", revision=1)
    decided = planned(record_of(alert), record_of(updated, "e-2"), step_of(alert))
    assert lines(decided) == [("pending", "planned"), ("cancelled", "merged")]
    decided = planned(record_of(alert), record_of(updated, "e-2"), step_of(alert, at=CHANGED))
    assert lines(decided) == [("pending", "planned"), ("cancelled", "merged"), ("cancelled", "resolved")]


def test_what_is_no_step_of_a_case_becomes_a_dead_letter(make_alert: MakeAlert) -> None:
    broken = step_of(make_alert())._replace(value=b'{"kind": "case"}')
    decided = planned(broken)

    assert [output.topic for output in decided.outputs] == [events.DEAD_LETTERS]
    assert decided.rows == {}
