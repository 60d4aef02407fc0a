"""What people do about a case reaches those who have got its alert, and not who has done it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from flow.records import NOW, Record
from notify.bundles import MINUTE, Desk, desk, planner_of, withdrawn
from notify.channels.email.mails import mail, part, subject
from notify.mailboxes import KEY, line, record_of
from notify.test_case_notices import BY_MAIL, DUE, ROUTING, reminder, said, step
from notify.test_quiet_hours import EVENING, MONDAY

from schemas.alert import Alert, Severity
from schemas.case import CaseOutcome, CaseStep
from schemas.delivery import DeliveryStatus
from worker.flow.batch import Decided
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox, planning
from worker.notify.channels.chat.message import message_of
from worker.notify.content.readers import Readers
from worker.notify.planning import Planner
from worker.rebuild.records import apply
from worker.routing.bundling import Bundling
from worker.routing.flat import FlatRoute, flat_routing
from worker.routing.places import by_place
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree
from worker.settings import Settings

MakeAlert = Callable[..., Alert]

ALL = ("acknowledged", "resolved", "reopened")
TELLING = msgspec.structs.replace(BY_MAIL, case_actions=ALL)
#: The number of each step in a case that is acknowledged, resolved and reopened.
NUMBERS = {"acknowledged": 3, "resolved": 4, "reopened": 5}


def news(action: str = "acknowledged", **changes: Any) -> CaseStep:
    state = "open" if action == "reopened" else action
    usual: dict[str, Any] = {
        "action": action,
        "reason": "command",
        "state": state,
        "step": NUMBERS[action],
        "occurred_at": DUE,
        "due_at": None,
        "escalation_step": None,
        "escalated_to": None,
        "actor": "ann",
    }
    return step(**(usual | changes))


class Office:
    """An outbox whose mails are accepted at once, unless they wait for quiet hours."""

    def __init__(self, planner: Planner = TELLING) -> None:
        self.planner = planner
        self.rows: dict[bytes, bytes] = {}
        self.log: list[tuple[str, str, str]] = []

    def take(self, *records: Record, sends: bool = True) -> None:
        for record in records:
            decided: Decided = planning.plan([record], self.planner, self.rows.get)
            apply(self.rows, decided.rows)
            self.log += [(one["receiver"], one["status"], one["reason"]) for one in map(line, decided.outputs)]
            if sends and KEY in self.rows:
                self.settle(DeliveryStatus.SENT)

    def settle(self, status: DeliveryStatus) -> None:
        box = mailbox.decode(self.rows[KEY])
        for one in box.mails:
            one.status = status if one.status is DeliveryStatus.PENDING else one.status
        self.rows[KEY] = mailbox.encode(box)

    def about(self, action: str) -> list[tuple[str, str]]:
        """Return to whom there are mails about a step, and their statuses."""
        return [(one.addressee, one.status) for one in mailbox.decode(self.rows[KEY]).mails if one.action == action]


def opened(make_alert: MakeAlert, planner: Planner = TELLING, at: int = MONDAY) -> Office:
    office = Office(planner)
    office.take(record_of(make_alert(severity=Severity.WARNING), timestamp=at))
    return office


def by_routes(*receivers: str, planner: Planner = TELLING) -> Planner:
    """Return the planner after the routes have changed."""
    routing = Routing(tree(RootRoute(receivers=[*receivers])), ROUTING.receivers, {})
    return msgspec.structs.replace(planner, routing=routing)


# Whom it reaches


@pytest.mark.parametrize("action", ALL)
def test_a_step_reaches_who_got_the_opening_whatever_the_routes_say_by_now(make_alert: MakeAlert, action: str) -> None:
    office = opened(make_alert)
    office.planner = by_routes("boss")
    office.take(said(news(action), "s-9", at=MONDAY))

    assert office.about(action) == [("care", "sent")]
    office.take(said(news(action), "s-9", at=MONDAY + 5))
    assert office.about(action) == [("care", "sent")]


def test_it_reaches_who_was_asked_by_an_escalation_too(make_alert: MakeAlert) -> None:
    office = opened(make_alert)
    office.take(said(step(), at=MONDAY), said(news(), "s-2", at=MONDAY))

    assert sorted(office.about("acknowledged")) == [("boss", "sent"), ("care", "sent"), ("lead", "sent")]


@pytest.mark.parametrize("status", [DeliveryStatus.FAILED, DeliveryStatus.CANCELLED])
def test_it_does_not_reach_who_has_got_nothing(make_alert: MakeAlert, status: DeliveryStatus) -> None:
    office = Office()
    office.take(record_of(make_alert()), sends=False)
    office.settle(status)
    office.take(said(news(), "s-2"), said(news("resolved"), "s-3"))

    assert office.about("acknowledged") == office.about("resolved") == []
    assert office.log == [("care", "pending", "planned")]


def test_a_resolution_in_quiet_hours_ends_what_waits_and_says_nothing_to_who_knows_nothing(
    make_alert: MakeAlert,
) -> None:
    office = opened(make_alert, at=EVENING)
    resolved = news("resolved", alert_occurred_at=make_alert().occurred_at)
    office.take(said(resolved, "s-3", at=EVENING + 1))

    assert office.log[1:] == [("care", "deferred", "quiet_hours"), ("care", "cancelled", "resolved")]


def test_an_acknowledgement_in_quiet_hours_waits_as_the_alert_does_and_the_end_replaces_it(
    make_alert: MakeAlert,
) -> None:
    office = opened(make_alert)
    office.take(said(news(), "s-2", at=EVENING))
    assert office.about("acknowledged") == [("care", "deferred")]
    assert office.log[-1] == ("care", "deferred", "quiet_hours")

    # What comes again, because of a crash, takes nothing back.
    office.take(said(news("resolved"), "s-3", at=EVENING), said(news(), "s-2", at=EVENING))
    office.take(said(news("resolved"), "s-3", at=EVENING))
    assert office.about("acknowledged") == [("care", "cancelled")]
    assert office.about("resolved") == [("care", "deferred")]


def test_an_acknowledgement_that_comes_again_leaves_its_own_mail(make_alert: MakeAlert) -> None:
    office = opened(make_alert)
    office.take(said(news(), "s-2", at=EVENING), said(news(), "s-2", at=EVENING + 1))

    assert office.about("acknowledged") == [("care", "deferred")]


# A case that an answer of the customer reopens


def again(*routed_to: str, revision: int | None = 1, **changes: Any) -> CaseStep:
    """Return the step by which another revision of the answer reopens a case."""
    named = {"routed_to": [*routed_to] or None, "revision": revision, "actor": None}
    return news("reopened", reason="detractor_again", **(named | changes))


def corrected(make_alert: MakeAlert, reason: str = "corrected", action: str = "updated") -> Record:
    return record_of(make_alert(action=action, reason=reason, revision=1), "e-1-1", timestamp=MONDAY)


def resolved_case(make_alert: MakeAlert) -> Office:
    """Return an outbox that has sent an alert and its resolution to care."""
    office = opened(make_alert)
    office.take(said(news("resolved"), "s-4", at=MONDAY))
    return office


def test_who_has_got_the_alert_and_whom_the_routes_name_now_learn_that_the_case_is_open_again(
    make_alert: MakeAlert,
) -> None:
    office = resolved_case(make_alert)
    # A correction is no mail of its own, unless the settings ask for it.
    office.take(corrected(make_alert), said(again("boss", "room", "gone"), "s-5", at=MONDAY))

    assert sorted(office.about("reopened")) == [("boss", "sent"), ("care", "sent")]
    # From now on, both learn what becomes of it.
    office.take(said(news(step=6), "s-6", at=MONDAY))
    assert sorted(office.about("acknowledged")) == [("boss", "sent"), ("care", "sent")]


def test_who_gets_a_mail_about_the_answer_itself_gets_no_other_one(make_alert: MakeAlert) -> None:
    office = resolved_case(make_alert)
    office.take(corrected(make_alert, "comment_added"), said(again("care", "boss"), "s-5", at=MONDAY))

    assert office.about("updated") == [("care", "sent")]
    assert office.about("reopened") == [("boss", "sent")]


def test_an_alert_that_is_opened_again_goes_to_whom_the_routes_name_and_the_others_learn_of_it(
    make_alert: MakeAlert,
) -> None:
    office = opened(make_alert)
    office.planner = by_routes("boss")
    office.take(corrected(make_alert, action="withdrawn"))
    again_opened = make_alert(action="opened", revision=2)
    office.take(record_of(again_opened, "e-1-2", timestamp=MONDAY), said(again("boss", revision=2), "s-5", at=MONDAY))

    assert office.about("opened") == [("care", "sent"), ("boss", "sent")]
    assert office.about("reopened") == [("care", "sent")]


def test_who_was_to_get_the_alert_and_did_not_is_informed_if_the_routes_still_name_the_receiver(
    make_alert: MakeAlert,
) -> None:
    office = opened(make_alert, at=EVENING)
    office.take(said(news("resolved", alert_occurred_at=make_alert().occurred_at), "s-4", at=EVENING))
    office.take(said(again("boss"), "s-5", at=MONDAY), sends=False)
    assert office.about("reopened") == [("boss", "pending")]
    office.take(said(again("care", step=7), "s-7", at=MONDAY))

    assert office.about("reopened")[-1] == ("care", "sent")


def test_an_event_of_an_older_version_does_not_say_who_learns_of_it(make_alert: MakeAlert) -> None:
    office = resolved_case(make_alert)
    office.take(said(again(revision=None), "s-5"))

    assert office.about("reopened") == []


@pytest.mark.parametrize("action", ALL)
def test_only_the_steps_of_the_settings_are_mailed(make_alert: MakeAlert, action: str) -> None:
    others = tuple(one for one in ALL if one != action)
    office = opened(make_alert, msgspec.structs.replace(TELLING, case_actions=others))
    office.take(said(news(action), "s-2"))

    assert office.about(action) == []


def test_by_default_all_channels_report_all_three() -> None:
    settings = Settings()

    assert [tuple(one.case_actions) for one in (settings.email, settings.chat, settings.webhook)] == [ALL] * 3
    assert settings.planner("email").case_actions == [*ALL]
    assert settings.planner("webhook").case_actions == [*ALL]


# Who has acted


def two(*addresses: str) -> Planner:
    routing = flat_routing([FlatRoute(name="care", to=[*addresses])], "email")
    return Planner("email", routing, ["opened"], IntakePolicy(), str.casefold, case_actions=ALL)


@pytest.mark.parametrize(
    ("actor", "addresses", "left"),
    [
        ("ann", ["a@x.org", "b@x.org"], ["a@x.org", "b@x.org"]),
        ("A@X.org", ["a@x.org", "b@x.org"], ["b@x.org"]),
        ("care", ["a@x.org", "b@x.org"], ["a@x.org", "b@x.org"]),
        ("Ann (care)", ["a@x.org"], ["a@x.org"]),
        ("care", ["a@x.org"], []),
        ("a@x.org", ["a@x.org"], []),
    ],
)
def test_who_has_acted_gets_no_mail_about_it_if_that_is_known(
    make_alert: MakeAlert, actor: str, addresses: Sequence[str], left: Sequence[str]
) -> None:
    office = opened(make_alert, two(*addresses))
    office.take(said(news(actor=actor), "s-2"))
    found = [one for one in mailbox.decode(office.rows[KEY]).mails if one.action == "acknowledged"]

    assert [one.left or [*addresses] for one in found] == ([left] if left else [])
    assert office.log[-1] == ("care", "pending", "planned") if left else ("care", "cancelled", "own_step")


def test_a_chat_has_many_readers_so_it_gets_also_what_one_of_them_has_done(make_alert: MakeAlert) -> None:
    receivers = {"room": Receiver("room", {"chat": ["room"]})}
    routing = by_place(Routing(tree(RootRoute(receivers=["room"])), receivers, {}), "chat", with_hours=True)
    office = opened(make_alert, Planner("chat", routing, ["opened"], IntakePolicy(), case_actions=ALL))
    office.take(said(news(actor="room"), "s-2"))

    assert office.about("acknowledged") == [("room", "sent")]


# Receivers with plans


def closed_loop(bundling: Bundling) -> Desk:
    planner = msgspec.structs.replace(planner_of(desk(bundling)), case_actions=ALL)
    return Desk(planner=planner)


def tell(place: Desk, alert: Alert, action: str = "acknowledged", **changes: Any) -> None:
    one = news(action, alert_id=alert.alert_id, customer_id=alert.customer_id, **changes)
    place.say(said(one, f"s-{alert.alert_id}-{action}")._replace(key=alert.customer_id.encode()))


def test_who_got_the_alert_in_a_digest_gets_the_news_once_and_its_mail_counts_for_the_cap() -> None:
    place = closed_loop(Bundling(mails_per_hour=20, group_wait=MINUTE))
    alerts = [place.alert(number) for number in range(12)]
    place.wait(2 * MINUTE)
    [digest] = place.deliver()
    assert (digest.is_digest, len(digest.about)) == (True, 12)
    for alert in alerts:
        tell(place, alert)
    found = place.deliver()

    # Half of the mails of an hour are kept for digests, one of which was sent.
    assert [one.about for one in found] == [[alert.alert_id] for alert in alerts[:9]]
    assert {one.actions[0] for one in found} == {"acknowledged"}
    assert [place.lines_of(alert.alert_id)[-1] for alert in alerts[9:]] == [("cancelled", "capped")] * 3
    assert len({one.message_id for one in place.inbox}) == len(place.inbox) == 10
    # The outbox before the plans sends nothing of its own.
    assert not any(mailbox.has_open(row) for key, row in place.outbox.items() if mailbox.is_box(key))


def test_who_has_a_plan_gets_no_news_of_an_alert_that_left_its_digest() -> None:
    place = closed_loop(Bundling(mails_per_hour=20, group_wait=MINUTE))
    alert, other = place.alert(1), place.alert(2)
    tell(place, alert, "resolved", alert_occurred_at=alert.occurred_at)
    place.take(withdrawn(other), "e-2-w")
    tell(place, other, "reopened")
    place.wait(2 * MINUTE)

    assert place.deliver() == []
    assert place.lines_of("a-1")[-1] == ("cancelled", "resolved")


def test_no_cap_holds_back_that_a_case_is_open_again_and_each_learns_of_it_once() -> None:
    place = closed_loop(Bundling(mails_per_hour=1, group_wait=MINUTE))
    alerts = [place.alert(number) for number in range(3)]
    place.wait(2 * MINUTE)
    [digest] = place.deliver()
    waiting = place.alert(3)
    tell(place, waiting, "resolved", alert_occurred_at=waiting.occurred_at)
    for alert in [*alerts, waiting]:
        for _ in range(2):  # it comes again because of a crash
            tell(place, alert, "reopened", reason="detractor_again", revision=1, routed_to=["desk"])
    found = place.deliver()

    assert digest.is_digest
    assert sorted(one.about[0] for one in found) == ["a-0", "a-1", "a-2", "a-3"]
    assert {one.actions[0] for one in found} == {"reopened"}
    assert not any(mailbox.has_open(row) for key, row in place.outbox.items() if mailbox.is_box(key))


def test_an_erasure_erases_news_that_wait(make_alert: MakeAlert) -> None:
    office = opened(make_alert)
    office.take(said(news(), "s-2", at=EVENING))
    office.take(Record(None, KEY, timestamp=NOW, topic="nps.alerts"))

    assert office.rows == {}


# What it says


@pytest.mark.parametrize(
    ("action", "expected"),
    [("acknowledged", "[Acknowledged] "), ("resolved", "[Resolved] "), ("reopened", "[Reopened] ")],
)
def test_a_mail_says_who_has_done_what_in_the_thread_of_the_alert(
    make_alert: MakeAlert, action: str, expected: str
) -> None:
    ended: dict[str, Any] = {"outcome": CaseOutcome.CALLED_BACK, "cause": "delivery"} if action == "resolved" else {}
    found = mail(news(action, **ended))
    text = part(found, "plain")

    assert subject(found) == expected + "Unhappy customer, score 2/10: fr/shop-3/delivery"
    assert found["References"] == mail(make_alert())["References"]
    assert "By: ann" in text
    assert ("Outcome: the customer was called back" in text) == (action == "resolved")
    assert ("Cause: delivery" in text) == (action == "resolved")
    assert "Step of the escalation" not in text


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_step_has_words_of_its_own(language: Any) -> None:
    shown = [message_of(news(action), Readers(language)) for action in ALL] + [message_of(again(), Readers(language))]
    other = message_of(step(action="later", reason="later"), Readers(language))

    assert len({one.sentence for one in [*shown, other]}) == 5
    assert len({one.title for one in [*shown, other]}) == 4


def test_a_reminder_after_the_news_goes_to_who_got_the_alert_and_not_to_who_only_got_the_news(
    make_alert: MakeAlert,
) -> None:
    office = opened(make_alert)
    office.take(said(step(), at=MONDAY), said(news(), "s-2", at=MONDAY))
    office.take(said(reminder(step=4, state="acknowledged"), "s-3", at=MONDAY))

    assert office.about("reminded") == [("care", "sent")]
