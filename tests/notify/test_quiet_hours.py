"""Mails by a tree of routes: to receivers by name, held in their quiet hours, and never dropped."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from flow.records import Record
from hypothesis import given
from hypothesis import strategies as st
from notify.mailboxes import EMAIL, KEY, id_of, kept, line, lines, mails, record_of

from schemas.alert import Alert, Severity
from schemas.delivery import DeliveryStatus
from schemas.incident import Incident
from schemas.response import Customer
from worker.flow.batch import Decided
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox, planning
from worker.notify.attempts import AttemptResult, write_down
from worker.notify.mailbox import Mailbox
from worker.notify.planning import Planner
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.routing.calendar import calendar_of, is_working
from worker.routing.hours import CalendarSettings
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

OFFICE = calendar_of(CalendarSettings(time_zone="Europe/Paris", hours=["mon-fri 09:00-17:00"]))


def paris(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Paris")).timestamp()) * 1_000


#: A Friday evening and the Monday after it.
EVENING, MONDAY = paris("2026-06-05T19:00"), paris("2026-06-08T09:00")


def receiver(name: str, **more: Any) -> Receiver:
    return Receiver(name, {"email": [f"{name}@example.org"]}, quiet_except=frozenset({Severity.CRITICAL}), **more)


def by_tree(*routes: dict[str, Any], receivers: tuple[str, ...] = ("care",), **more: Any) -> Planner:
    """Return a planner with the receivers care, who works in the office, and night and chat, who always do."""
    root = RootRoute.model_validate({"receivers": [*receivers], "routes": [*routes]} | more)
    known = [receiver("care", calendar=OFFICE), receiver("night"), Receiver("chat", {"chat": ["room"]})]
    routing = Routing(tree(root), {one.name: one for one in known}, {"marie petit": "night"})
    return Planner(EMAIL.channel, routing, ["opened", "resolved", "withdrawn"], IntakePolicy(), str.casefold)


CARE = by_tree()


class _OlderMail(msgspec.Struct, array_like=True):
    """A mail as version 0.2.0 knows it."""

    delivery_id: str
    alert_id: str
    route: str
    status: DeliveryStatus
    attempts: int
    planned: int
    due: int
    left: list[str] | None = None
    action: str = ""
    reason: str = ""
    revision: int = 0
    merged: list[str] = []
    unsure: bool = False


class _OlderMailbox(msgspec.Struct, array_like=True):
    mails: list[_OlderMail]


_OLDER = msgspec.msgpack.Decoder(_OlderMailbox)


def plan(*records: Record, rows: dict[bytes, bytes] | None = None, planner: Planner = CARE) -> Decided:
    return planning.plan(records, planner, (rows or {}).get)


def step(make_alert: MakeAlert, at: int = EVENING, event_id: str = "e-1", **changes: Any) -> Record:
    usual: dict[str, Any] = {"severity": Severity.ERROR}
    return record_of(make_alert(**(usual | changes)), event_id, timestamp=at)


def test_in_quiet_hours_a_mail_is_deferred_until_the_next_working_time_with_a_line(make_alert: MakeAlert) -> None:
    decided = plan(step(make_alert))
    [mail] = mails(decided)

    assert lines(decided) == [("pending", "planned"), ("deferred", "quiet_hours")]
    assert line(decided.outputs[1])["next_attempt_at"] == "2026-06-08T07:00:00Z"
    assert (mail.status, mail.due, mail.attempts, mail.quiet) == (DeliveryStatus.DEFERRED, MONDAY, 0, True)
    assert len({header for output in decided.outputs for header in output.headers if header[0] == "ce_id"}) == 2


@pytest.mark.parametrize(
    ("at", "severity", "held"),
    [
        (EVENING, Severity.CRITICAL, False),
        (EVENING, Severity.WARNING, True),
        (paris("2026-06-05T16:59"), Severity.WARNING, False),
        (paris("2026-06-05T17:00"), Severity.WARNING, True),
        (MONDAY, Severity.WARNING, False),
    ],
)
def test_only_what_is_not_critical_waits_and_only_outside_the_hours(
    make_alert: MakeAlert, at: int, severity: Severity, *, held: bool
) -> None:
    [mail] = mails(plan(step(make_alert, at, severity=severity)))

    assert (mail.due == 0) is not held
    assert mail.quiet is held


def test_an_incident_is_held_as_an_alert_is(make_incident: MakeIncident) -> None:
    decided = plan(record_of(make_incident(severity=Severity.ERROR), timestamp=EVENING))

    assert lines(decided) == [("pending", "planned"), ("deferred", "quiet_hours")]


def test_a_replay_defers_it_once_and_until_the_same_time(make_alert: MakeAlert) -> None:
    first = plan(step(make_alert))
    again = plan(step(make_alert), rows=kept(first))

    assert again.outputs == []
    assert mails(again) == mails(first)
    assert plan(step(make_alert)) == first


def test_a_step_that_is_critical_ends_the_wait(make_alert: MakeAlert) -> None:
    rows = kept(plan(step(make_alert)))
    more: dict[str, Any] = {"action": "updated", "reason": "corrected", "revision": 1}
    lower = plan(step(make_alert, EVENING + 1, "e-2", severity=Severity.WARNING, **more), rows=rows)
    higher = plan(step(make_alert, EVENING + 1, "e-2", severity=Severity.CRITICAL, **more), rows=rows)

    assert [(mail.status, mail.due, mail.quiet) for mail in mails(lower)] == [("deferred", MONDAY, True)]
    assert [(mail.status, mail.due, mail.quiet) for mail in mails(higher)] == [("pending", 0, False)]


def test_a_withdrawal_cancels_what_waits_and_is_no_news(make_alert: MakeAlert) -> None:
    rows = kept(plan(step(make_alert)))
    decided = plan(step(make_alert, EVENING + 1, "e-2", action="withdrawn", reason="moved"), rows=rows)

    assert lines(decided) == [("cancelled", "withdrawn"), ("cancelled", "no_longer_news")]


def test_the_end_goes_to_whoever_got_the_beginning_and_to_nobody_else(make_alert: MakeAlert) -> None:
    planner = by_tree({"name": "vip", "tiers": ["vip"], "receivers": ["night"]})
    rows = kept(plan(step(make_alert, MONDAY), planner=planner))
    box = mailbox.decode(rows[KEY])
    EMAIL.succeed(box.mails[0], MONDAY)
    # The answer has moved to another customer, so the step does not say of which tier this one was.
    gone = step(make_alert, MONDAY + 1, "e-2", action="withdrawn", reason="moved", customer=Customer())
    decided = plan(gone, rows={KEY: mailbox.encode(box)}, planner=planner)

    assert [(mail.addressee, mail.route) for mail in mails(decided)] == [("night", "vip"), ("night", "vip")]


def test_a_mail_keeps_the_name_of_its_receiver_and_of_the_route_that_named_it(make_alert: MakeAlert) -> None:
    planner = by_tree({"name": "fr", "segment": "fr", "receivers": ["night", "care", "chat"]})
    decided = plan(step(make_alert, MONDAY), planner=planner)

    assert [(mail.route, mail.receiver, mail.addressee) for mail in mails(decided)] == [
        ("fr", "night", "night"),
        ("fr", "care", "care"),
    ]
    assert [mail.delivery_id for mail in mails(decided)] == [id_of("e-1", "night"), id_of("e-1", "care")]
    assert [(line(output)["route"], line(output)["receiver"]) for output in decided.outputs] == [
        ("fr", "night"),
        ("fr", "care"),
    ]


def test_two_routes_that_name_one_receiver_cause_one_mail(make_alert: MakeAlert) -> None:
    routes: list[dict[str, Any]] = [
        {"name": "a", "receivers": ["night"], "then_continue": True},
        {"name": "b", "receivers": ["night"]},
    ]

    assert len(mails(plan(step(make_alert, MONDAY), planner=by_tree(*routes)))) == 1


def test_the_account_owner_gets_it_at_any_time_of_the_owners_own_calendar(make_alert: MakeAlert) -> None:
    customer = Customer(owner=" Marie PETIT")
    [mail] = mails(plan(step(make_alert, customer=customer), planner=by_tree(to_owner=True)))

    assert (mail.addressee, mail.due) == ("night", 0)


@pytest.mark.parametrize(
    ("planner", "reason"),
    [
        (by_tree(receivers=()), "no_route"),
        (by_tree({"name": "x", "receivers": []}), "no_receivers"),
        (by_tree(receivers=(), to_owner=True), "owner_unknown"),
    ],
)
def test_an_alert_for_nobody_has_a_line_with_the_reason_and_no_mail(
    make_alert: MakeAlert, planner: Planner, reason: str
) -> None:
    decided = plan(step(make_alert), planner=planner)

    assert lines(decided) == [("nobody", reason)]
    assert (line(decided.outputs[0])["route"], line(decided.outputs[0])["receiver"]) == ("", "")
    assert mails(decided) == []
    assert decided.outputs == plan(step(make_alert), planner=planner).outputs


def test_what_another_channel_delivers_is_not_for_nobody(make_alert: MakeAlert) -> None:
    assert plan(step(make_alert), planner=by_tree(receivers=("chat",))).outputs == []


def test_a_step_that_is_not_mailed_is_not_for_nobody(make_alert: MakeAlert) -> None:
    more: dict[str, Any] = {"action": "updated", "reason": "corrected", "revision": 1}

    assert plan(step(make_alert, **more), planner=by_tree(receivers=())).outputs == []


def test_a_retry_that_falls_into_quiet_hours_is_held_with_a_line_of_its_own(make_alert: MakeAlert) -> None:
    planner = by_tree(receivers=("night",))
    rows = kept(plan(step(make_alert, EVENING), planner=planner))
    [mail] = mailbox.decode(rows[KEY]).mails
    ref = MailRef(0, KEY, mail.delivery_id)
    held = AttemptResult(None, "night", "default", [], held_until=MONDAY)
    first = write_down({ref: held}, rows.get, EVENING, EMAIL, RetryPolicy())
    later = write_down({ref: held._replace(held_until=MONDAY + 1)}, rows.get, EVENING, EMAIL, RetryPolicy())

    [waiting] = mailbox.decode(first.rows[KEY] or b"").mails
    assert (waiting.status, waiting.due, waiting.attempts, waiting.quiet) == ("deferred", MONDAY, 0, True)
    assert mailbox.pending_notice_key(KEY, mail.delivery_id) not in first.rows
    assert not held.is_accepted
    assert not held.may_be_accepted
    ids = {dict(written.lines[0].headers)["ce_id"] for written in (first, later)}
    assert len(ids) == 2


def test_a_row_of_the_version_before_is_read_and_its_mail_goes_where_it_went() -> None:
    # msgpack of [[delivery_id, alert_id, route, status, attempts, planned, due, left, action, reason, revision, merged,
    # unsure]], as version 0.2.0 writes it.
    older = mailbox._encoder.encode(
        [[["d-1", "a-1", "desk", "deferred", 1, 5, 9, ["b@x.org"], "opened", "x", 2, [], True]]]
    )
    [mail] = mailbox.decode(b"\x01" + older).mails

    assert (mail.addressee, mail.route, mail.receiver, mail.quiet) == ("desk", "desk", "", False)
    assert (mail.due, mail.left, mail.unsure) == (9, ["b@x.org"], True)


def test_the_version_before_reads_a_row_of_this_one() -> None:
    mail = mailbox.Mail("d-1", "a-1", "fr", DeliveryStatus.DEFERRED, 0, 5, 9, receiver="care", quiet=True)
    row = mailbox.encode(Mailbox([mail]))
    [read] = _OLDER.decode(row[1:]).mails

    assert (read.delivery_id, read.route, read.due, read.unsure) == ("d-1", "fr", 9, False)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["opened", "updated", "withdrawn"]),
            st.sampled_from(Severity),
            st.integers(min_value=0, max_value=6 * 86_400_000),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_no_mail_is_dropped_or_due_in_quiet_hours_unless_it_is_critical(
    make_alert: MakeAlert, steps: list[tuple[str, Severity, int]]
) -> None:
    rows: dict[bytes, bytes] = {}
    at = EVENING
    severity, is_over = Severity.WARNING, False
    for number, (action, severity, wait) in enumerate(steps):
        at += wait
        more: dict[str, Any] = {"action": action, "reason": "x", "severity": severity, "revision": number}
        decided = plan(step(make_alert, at, f"e-{number}", **more), rows=rows)
        rows |= kept(decided)
        is_over = action == "withdrawn"

    box = mailbox.decode(rows[KEY])
    opened = [mail for mail in box.mails if mail.action == "opened"]
    assert len(opened) == sum(action == "opened" for action, _, _ in steps)
    for mail in box.mails:
        if mail.action == "withdrawn" or not is_over:
            continue
        assert mail.status is DeliveryStatus.CANCELLED
    for mail in (mail for mail in box.mails if mail.is_open):
        assert mail.quiet is (mail.status is DeliveryStatus.DEFERRED)
        if mail.quiet:
            assert mail.planned < mail.due
            assert is_working(OFFICE, mail.due)
