"""Reminders and escalations: whom they reach, when they are cancelled, and what mails, chats and webhooks say."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from flow.records import NOW, Record
from notify.channels.email.mails import mail, part, subject
from notify.mailboxes import KEY, kept, line, lines, mails, pending_notices, record_of
from notify.test_mailbox_cases import step_of
from notify.test_quiet_hours import EVENING, MONDAY, OFFICE, receiver

from schemas.alert import Alert, Severity
from schemas.case import CASE, CaseStep
from schemas.delivery import DeliveryStatus
from schemas.export import texts
from worker.flow import events
from worker.flow.batch import Decided
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox, planning
from worker.notify.channels.chat.message import message_of
from worker.notify.channels.webhook import event
from worker.notify.content.case_words import CASE_WORDS
from worker.notify.content.pages import page_of
from worker.notify.content.readers import Readers
from worker.notify.dispatcher import Limits, Moment
from worker.notify.planning import Planner
from worker.notify.receivers import NobodyLeft, addressed
from worker.notify.servers import Servers
from worker.routing.places import by_place
from worker.routing.receiver import Language, Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree

MakeAlert = Callable[..., Alert]

DUE = datetime(2026, 8, 1, 13, 0, tzinfo=UTC)


def step(**changes: Any) -> CaseStep:
    """Return the first step of an escalation, but for the fields given."""
    usual: dict[str, Any] = {
        "alert_id": "0b8d1a3e-1111-5222-8333-444455556666",
        "kind": CASE,
        "action": "escalated",
        "reason": "not_acknowledged",
        "severity": Severity.WARNING,
        "score": 2,
        "summary": "Score 2 at fr/shop-3/delivery: escalated",
        "occurred_at": DUE + timedelta(seconds=7),
        "alert_occurred_at": DUE - timedelta(hours=1),
        "segment": "fr/shop-3/delivery",
        "touchpoint": "delivery",
        "customer_id": "c-42",
        "response_id": "r-1",
        "state": "open",
        "step": 2,
        "opening": 1,
        "opened_at": DUE - timedelta(hours=1),
        "service_level": "urgent",
        "acknowledge_due_at": DUE,
        "due_at": DUE,
        "escalation_step": 1,
        "escalated_to": ["lead", "boss"],
    }
    return CaseStep(**(usual | changes))


def reminder(**changes: Any) -> CaseStep:
    usual = {"action": "reminded", "reason": "due_soon", "escalation_step": None, "escalated_to": None}
    return step(**(usual | changes))


def said(one: CaseStep, event_id: str = "s-1", at: int = NOW) -> Record:
    """Return the record of a step as the notifier reads it."""
    headers = [("ce_id", event_id.encode()), ("ce_type", events.CASE.type)]
    return Record(one.model_dump_json().encode(), KEY, timestamp=at, headers=headers, topic="nps.alerts")


RECEIVERS = [
    receiver("care", calendar=OFFICE),
    receiver("lead", calendar=OFFICE),
    receiver("boss"),
    Receiver("room", {"chat": ["desk"]}),
]
ROUTING = Routing(tree(RootRoute(receivers=["care"])), {one.name: one for one in RECEIVERS}, {})
BY_MAIL = Planner("email", ROUTING, ["opened", "withdrawn"], IntakePolicy(), str.casefold)


def planned(*records: Record, planner: Planner = BY_MAIL, rows: dict[bytes, bytes] | None = None) -> Decided:
    return planning.plan(records, planner, (rows or {}).get)


def receivers(decided: Decided, action: str = "escalated") -> list[tuple[str, str]]:
    return [(one.addressee, one.status) for one in mails(decided) if one.action == action]


# Whom they reach


def test_an_escalation_goes_to_the_receivers_of_its_step_at_once_although_the_alert_is_a_warning_and_it_is_night(
    make_alert: MakeAlert,
) -> None:
    decided = planned(record_of(make_alert()), said(step(), at=EVENING))

    assert receivers(decided) == [("lead", "pending"), ("boss", "pending")]
    assert [one.route for one in mails(decided) if one.action == "escalated"] == ["urgent (escalation 1)"] * 2


def test_it_does_so_although_nothing_is_known_of_the_alert_any_more() -> None:
    assert receivers(planned(said(step()))) == [("lead", "pending"), ("boss", "pending")]


def test_a_reminder_goes_to_those_who_have_got_the_alert_and_respects_their_quiet_hours(make_alert: MakeAlert) -> None:
    alert = make_alert(severity=Severity.WARNING)
    rows = kept(planned(record_of(alert, timestamp=MONDAY)))
    by_day, by_night = (planned(said(reminder(), at=at), rows=rows) for at in (MONDAY, EVENING))

    assert receivers(by_day, "reminded") == [("care", "pending")]
    assert receivers(by_night, "reminded") == [("care", "deferred")]
    assert lines(by_night) == [("pending", "planned"), ("deferred", "quiet_hours")]


def test_what_waits_is_found_in_the_rows() -> None:
    servers = Servers(Limits(5, 5), 1_000, lambda _: "")
    rows = kept(planned(said(step())))
    servers.note_rows(0, rows, Moment(NOW, 0))

    assert [key for key, row in rows.items() if mailbox.has_open(row)] == [KEY]
    assert servers.pending(0) == 2
    assert mailbox.orphans(rows) == []


def test_a_step_that_comes_again_is_planned_once() -> None:
    rows = kept(planned(said(step()), said(step())))

    assert len(mails(planned(said(step()), rows=rows))) == 2
    assert planned(said(step()), rows=rows).outputs == []


@pytest.mark.parametrize(
    ("one", "reason"),
    [(reminder(), "nobody_informed"), (step(escalated_to=["gone"]), "receivers_removed")],
    ids=["reminder", "escalation"],
)
def test_if_nobody_is_there_the_delivery_log_says_so_and_no_row_is_made(one: CaseStep, reason: str) -> None:
    decided = planned(said(one))

    assert lines(decided) == [("nobody", reason)]
    assert kept(decided) == {}


def test_a_receiver_without_an_address_on_the_channel_is_reached_on_another_one() -> None:
    one = said(step(escalated_to=["room"]))
    chat = Planner(
        "chat", by_place(ROUTING, "chat", with_hours=True), ["opened"], IntakePolicy(), reports_refusals=False
    )

    assert planned(one).outputs == []
    assert receivers(planned(one, planner=chat)) == [("desk", "pending")]
    assert planned(said(step(escalated_to=["boss", "gone"])), planner=chat).outputs == []


def test_too_many_mails_of_one_customer_are_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "OPEN_KEPT", 1)

    assert lines(planned(said(step()))) == [("pending", "planned"), ("failed", "too_many_waiting")]


# When they are cancelled


@pytest.mark.parametrize("action", ["acknowledged", "resolved"])
def test_an_acknowledgement_and_the_end_cancel_what_waits(make_alert: MakeAlert, action: str) -> None:
    decided = planned(said(step()), step_of(make_alert(), action, ce_id=b"s-2"))

    assert receivers(decided) == [("lead", "cancelled"), ("boss", "cancelled")]
    assert lines(decided)[2:] == [("cancelled", action)] * 2
    assert set(pending_notices(decided).values()) == {None}


def test_an_acknowledgement_leaves_the_mail_about_the_alert_itself(make_alert: MakeAlert) -> None:
    decided = planned(record_of(make_alert()), step_of(make_alert(), "acknowledged", "acknowledged"))

    assert receivers(decided, "opened") == [("care", "pending")]


def test_the_withdrawal_of_the_alert_cancels_what_waits_and_reaches_who_was_asked(make_alert: MakeAlert) -> None:
    withdrawn = make_alert(action="withdrawn", reason="no_longer_detractor", revision=1)
    waiting = planned(said(step()), record_of(withdrawn, "e-2"))
    rows = kept(planned(said(step(escalated_to=["boss"]))))
    box = mailbox.decode(rows[KEY])
    box.mails[0].status = DeliveryStatus.SENT
    after = planned(record_of(withdrawn, "e-2"), rows={KEY: mailbox.encode(box)})

    assert receivers(waiting) == [("lead", "cancelled"), ("boss", "cancelled")]
    assert receivers(after, "withdrawn") == [("boss", "pending")]


def test_an_update_of_the_alert_does_not_change_what_an_escalation_says(make_alert: MakeAlert) -> None:
    update = record_of(make_alert(action="updated", reason="corrected", revision=3), "e-2")
    decided = planned(said(step()), update)

    for one in mails(decided):
        pending = decided.rows[mailbox.pending_notice_key(KEY, one.delivery_id)]
        assert mailbox.notice(one, KEY, pending or b"") == step()


def test_an_erasure_erases_what_waits() -> None:
    erased = Record(None, KEY, timestamp=NOW, topic="nps.alerts")
    decided = planned(said(step()), erased)

    assert set(decided.rows.values()) == {None}


def test_a_receiver_who_was_removed_gets_nothing_and_nobody_else_does() -> None:
    decided = planned(said(step()))
    gone = Planner("email", Routing(ROUTING.root, {"care": RECEIVERS[0]}, {}), ["opened"], IntakePolicy())

    with pytest.raises(NobodyLeft, match="route_removed"):
        addressed(mails(decided)[0], step(), mails(decided), gone)


def test_a_step_with_a_time_that_no_mail_can_show_is_a_dead_letter() -> None:
    decided = planned(said(step(due_at=datetime(9999, 12, 31, 23, tzinfo=UTC))))

    assert [output.topic for output in decided.outputs] == ["dead-letters"]


# What they say


def test_a_mail_says_what_is_late_and_has_the_thread_of_the_alert(make_alert: MakeAlert) -> None:
    found = mail(step())

    assert subject(found) == "[Escalated] Unhappy customer, score 2/10: fr/shop-3/delivery"
    assert found["References"] == mail(make_alert())["References"]
    text = part(found, "plain")
    for shown in (
        "Nobody has acknowledged an alert in time",
        "Customer ID: c-42",
        "Step of the escalation: 1",
        "urgent",
    ):
        assert shown in text
    assert "Time limit: " in part(found, "plain")
    assert "2 out of 10" in part(found, "html")


def test_a_mail_in_french() -> None:
    found = mail(reminder(), language="fr")

    assert subject(found) == "[Rappel] Client mécontent, note 2/10\N{NO-BREAK SPACE}: fr/shop-3/delivery"
    assert "Un délai expire bientôt" in part(found, "plain")


@pytest.mark.parametrize(
    ("response", "receiver", "expected"),
    [
        ("fr-CA", None, "Rappel"),
        ("en", None, "Reminder"),
        ("sv", None, "Reminder"),
        (None, None, "Reminder"),
        ("fr", "en", "Reminder"),
        ("en", "fr", "Rappel"),
    ],
)
def test_it_is_in_the_language_of_the_mail_about_the_alert(
    make_alert: MakeAlert, response: str | None, receiver: Language | None, expected: str
) -> None:
    readers = Readers("en", language=receiver)
    about_alert, about_case = (
        page_of(make_alert(language=response), readers),
        page_of(reminder(language=response), readers),
    )

    assert about_case.language == about_alert.language
    assert about_case.subject.startswith(f"[{expected}]")


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("reason", ["due_soon", "not_acknowledged", "not_resolved", "a later word"])
def test_every_reason_has_its_words_and_what_is_not_known_is_left_out(language: str, reason: str) -> None:
    readers = Readers(language)  # type: ignore[arg-type]
    little = step(reason=reason, score=None, segment="", due_at=None, service_level=None, escalation_step=None)
    message = message_of(little, readers)
    words = CASE_WORDS[readers.default_language]

    assert message.sentence == words.news.get(reason, words.other).sentence
    assert words.everything in message.title
    assert all(fact.value for fact in message.facts)


def test_a_case_that_is_acknowledged_says_by_whom_it_is_looked_after() -> None:
    one = reminder(reason="not_resolved", acknowledged_at=DUE, assignee="ann", state="acknowledged")
    labels = [fact.label for fact in message_of(one, Readers("en")).facts]

    assert labels[:4] == ["Time limit", "Opened", "Acknowledged", "Assigned to"]


def test_a_webhook_posts_the_event_itself() -> None:
    posted = json.loads(event.body(step(), "d-1"))

    assert posted["type"] == "nps.case.v1"
    assert posted["data"]["escalated_to"] == ["lead", "boss"]
    jsonschema.validate(posted["data"], json.loads(texts()["json/case.schema.json"]))


def test_all_lines_of_the_delivery_log_name_the_alert_and_no_customer() -> None:
    for output in planned(said(step())).outputs:
        assert line(output)["alert_id"] == step().alert_id
        assert b"c-42" not in (output.value or b"")
