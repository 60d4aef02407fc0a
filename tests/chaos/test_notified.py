"""The recount of notices finds each thing that may go wrong with them, in logs that are written by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from chaos.notified import Delivered, Notified, Receivers, Step, Target, recount
from chaos.received_mails import ReceivedMail
from chaos.time_limits import id_of

from worker.flow.ids import make_id

DESK, TEAM, CRM = Target("email", "desk"), Target("email", "team"), Target("webhook", "e0")
LEAD = Target("email", "lead")
RECEIVERS = Receivers(
    of_alert=lambda _: [DESK, TEAM, CRM],
    addresses={name: f"{name}@example.com" for name in ("desk", "team", "lead")},
    on={"desk": [DESK], "team": [TEAM], "crm": [CRM], "lead": [LEAD]},
)
DIGEST, OTHER = "11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222"


def opened(number: int) -> Step:
    body = {"kind": "detractor", "action": "opened", "reason": "detractor", "customer_id": f"c-{number}"}
    return Step(f"e-{number}", {**body, "alert_id": f"a-{number}"})


def updated(number: int, reason: str) -> Step:
    return Step(f"u-{number}", {**opened(number).body, "action": "updated", "reason": reason})


def of_case(number: int, action: str, **more: Any) -> Step:
    body = {"kind": "case", "action": action, "reason": "", "customer_id": f"c-{number}", "alert_id": f"a-{number}"}
    return Step(f"s-{number}", {**body, **more})


def delivery(step: Step, target: Target) -> str:
    return id_of("delivery", target.channel, step.id, target.receiver)


def line(step: Step, target: Target, status: str, reason: str, digest_id: str | None = None) -> dict[str, Any]:
    return {
        "delivery_id": delivery(step, target),
        "alert_id": step.body["alert_id"],
        "channel": target.channel,
        "receiver": target.receiver,
        "status": status,
        "reason": reason,
        "digest_id": digest_id,
    }


def mail(step: Step, target: Target, delivery_id: str | None = None) -> ReceivedMail:
    about = step.body["alert_id"]
    return ReceivedMail(
        f"<{delivery_id or delivery(step, target)}@localhost>", about, (f"{target.receiver}@example.com",), False
    )


def digest(*alert_ids: str, page: Iterable[str] | None = None, digest_id: str = DIGEST) -> ReceivedMail:
    listed = tuple(alert_ids)
    in_page = listed if page is None else tuple(page)
    return ReceivedMail(f"<{digest_id}@localhost>", digest_id, ("team@example.com",), False, listed, in_page)


#: The line about a digest itself.
SENT_DIGEST = {
    "delivery_id": DIGEST,
    "alert_id": DIGEST,
    "channel": "email",
    "receiver": "team",
    "status": "sent",
    "reason": "accepted",
    "digest_id": None,
}

FIRST, SECOND = opened(1), opened(2)
STEPS = [FIRST, SECOND]
LOG = [
    *(line(step, DESK, "pending", "planned") for step in STEPS),
    *(line(step, DESK, "sent", "accepted") for step in STEPS),
    *(line(step, TEAM, "deferred", "grouped", "gathering") for step in STEPS),
    *(line(step, TEAM, "sent", "in_digest", DIGEST) for step in STEPS),
    *(line(step, CRM, "sent", "accepted") for step in STEPS),
    SENT_DIGEST,
]
MAILS = [mail(FIRST, DESK), mail(SECOND, DESK), digest("a-1", "a-2")]
ACCEPTED = {"e0": {delivery(step, CRM): 1 for step in STEPS}}


def found(
    steps: list[Step] = STEPS,
    log: list[dict[str, Any]] = LOG,
    mails: list[ReceivedMail] = MAILS,
    accepted: Mapping[str, Mapping[str, int]] = ACCEPTED,
    erased: Iterable[str] = (),
) -> Notified:
    return recount(steps, log, Delivered(mails, accepted), RECEIVERS, [*erased])


def only(notified: Notified, *beginnings: str) -> bool:
    """Say whether there is a line for each of these beginnings, and no other."""
    return len(notified.wrong) == len(beginnings) and all(
        one.startswith(begin) for one, begin in zip(sorted(notified.wrong), sorted(beginnings), strict=True)
    )


def without(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in LOG if one not in lines]


def test_alerts_that_are_sent_alone_and_listed_in_a_digest_are_all_right() -> None:
    notified = found([*STEPS, *STEPS])

    assert (notified.wrong, notified.open, notified.doubtful.total()) == ([], 0, 0)
    assert notified.conditions == {"sent": 4, "listed": 2}


def test_the_ids_of_deliveries_are_those_that_the_contract_describes() -> None:
    assert id_of("delivery", "email", "e-1", "desk") == make_id("delivery", "email", "e-1", "desk")


def test_an_alert_that_was_planned_for_nobody_is_found() -> None:
    notified = found(log=[one for one in LOG if one["delivery_id"] != delivery(FIRST, CRM)])

    assert only(notified, "I9 alert for e0 on webhook: a-1 was never planned")
    assert notified.open == 1


def test_an_alert_that_waits_is_found_unless_it_may_wait_for_hours() -> None:
    waiting = without(line(FIRST, DESK, "sent", "accepted"))
    deferred = [*waiting, line(FIRST, DESK, "deferred", "smtp_451")]
    quiet = [*waiting, line(FIRST, DESK, "deferred", "quiet_hours")]

    for log in (waiting, deferred):
        notified = found(log=log, mails=MAILS[1:])
        assert only(notified, "I9 alert for desk on email: a-1 still waits")
        assert notified.open == 1
    assert found(log=quiet, mails=MAILS[1:]).wrong == []


def test_an_alert_that_is_sent_and_then_refused_is_in_doubt() -> None:
    both = [*LOG, line(FIRST, DESK, "cancelled", "withdrawn")]

    assert found(log=both).wrong == []
    assert found(log=both).doubtful == {"I9 alert for desk on email: in several conditions": 1}


def test_an_alert_that_is_sent_alone_and_in_a_digest_is_found() -> None:
    notified = found(log=[*LOG, line(FIRST, TEAM, "sent", "accepted")], mails=[*MAILS, mail(FIRST, TEAM)])

    assert only(
        notified,
        "I9 a-1 has come to team more often than there are reasons",
        "I9 alert for team on email: a-1 was sent or listed twice",
    )


def test_what_was_sent_before_a_silence_held_it_back_may_come_again_if_nobody_had_noted_that() -> None:
    log, mails = [*LOG, line(FIRST, TEAM, "sent", "accepted")], [*MAILS, mail(FIRST, TEAM)]
    notified = recount(STEPS, log, Delivered(mails, ACCEPTED, {("team", "a-1")}), RECEIVERS)

    assert notified.wrong == []
    assert notified.doubtful == {
        "I9 alert for team on email: in several conditions": 1,
        "I9 notices that came, and again after a silence": 1,
    }


def test_what_waits_for_a_silence_is_found_unless_the_silence_is_active() -> None:
    waiting = without(line(FIRST, DESK, "sent", "accepted"))
    log = [*waiting, line(FIRST, DESK, "deferred", "silenced") | {"silence_id": "strike"}]
    active = replace(RECEIVERS, may_wait=["silenced by strike"])

    assert only(found(log=log, mails=MAILS[1:]), "I9 alert for desk on email: a-1 still waits (silenced by strike)")
    assert recount(STEPS, log, Delivered(MAILS[1:], ACCEPTED), active).wrong == []


def test_a_refusal_has_a_reason() -> None:
    refused = [*without(line(FIRST, DESK, "sent", "accepted")), line(FIRST, DESK, "failed", "smtp_550")]
    silent = [*without(line(FIRST, DESK, "sent", "accepted")), line(FIRST, DESK, "cancelled", "")]

    assert found(log=refused, mails=MAILS[1:]).wrong == []
    assert only(found(log=silent, mails=MAILS[1:]), "I9 alert for desk on email: a-1 is refused without a reason")


def test_what_is_said_to_be_sent_and_has_not_come_is_found() -> None:
    assert only(found(mails=MAILS[1:]), "I9 alert for desk on email: a-1 is said to be sent")
    elsewhere = mail(FIRST, DESK)._replace(receivers=("lead@example.com",))
    assert only(
        found(mails=[elsewhere, *MAILS[1:]]),
        "I9 alert for desk on email: a-1 is said to be sent",
        "I9 mail",
    )
    assert only(found(accepted={"e0": {delivery(FIRST, CRM): 1}}), "I9 alert for e0 on webhook: a-2 is said to be sent")
    assert only(
        found(mails=MAILS[:2]),
        "I9 alert for team on email: a-1 is said to be listed",
        "I9 alert for team on email: a-2 is said to be listed",
        "I9 digests that are said to be sent, and have not come: 1",
    )


def test_a_step_that_was_merged_into_a_mail_gives_it_its_id() -> None:
    later = updated(1, "comment_added")
    merged = mail(FIRST, DESK, delivery(later, DESK))

    assert found([*STEPS, later], mails=[merged, *MAILS[1:]]).wrong == []


def test_a_digest_that_drops_a_notice_is_found() -> None:
    short = found(mails=[*MAILS[:2], digest("a-1")])
    in_page = found(mails=[*MAILS[:2], digest("a-1", "a-2", page=["a-1"])])

    assert only(short, "I9 alert for team on email: a-2 is said to be listed", f"I9 digest {DIGEST} does not list 1")
    assert only(in_page, f"I9 digest {DIGEST}: its page")


def test_a_digest_that_lists_a_notice_twice_is_found() -> None:
    assert only(found(mails=[*MAILS[:2], digest("a-1", "a-2", "a-2")]), f"I9 digest {DIGEST} lists 1 notices twice")


def test_a_digest_that_comes_again_with_its_id_is_all_right_and_may_have_lost_a_notice_meanwhile() -> None:
    log = [*without(line(SECOND, TEAM, "sent", "in_digest", DIGEST)), line(SECOND, TEAM, "cancelled", "withdrawn")]

    # Since a notice was updated, the repeat has another Message-ID.
    for again in (MAILS[2], MAILS[2]._replace(id="<updated@localhost>")):
        assert (found(mails=[*MAILS, again]).wrong, found(mails=[*MAILS, again]).doubtful.total()) == ([], 0)
    notified = found(log=log, mails=[*MAILS, digest("a-1")])
    assert notified.wrong == []
    assert notified.doubtful == {"I9 notices that a digest lists, and that are not settled by it": 1}


def test_a_notice_in_two_digests_is_found() -> None:
    log = [*LOG, SENT_DIGEST | {"delivery_id": OTHER, "alert_id": OTHER}, line(FIRST, TEAM, "sent", "in_digest", OTHER)]
    notified = found(log=log, mails=[*MAILS, digest("a-1", digest_id=OTHER)])

    assert only(
        notified,
        "I9 a-1 has come to team more often than there are reasons",
        "I9 alert for team on email: a-1 was sent or listed twice",
    )


def test_an_update_is_a_reason_for_a_further_notice() -> None:
    later = updated(1, "comment_added")
    mails = [*MAILS, mail(later, DESK)]

    assert found([*STEPS, later], mails=mails).wrong == []
    corrected = found([*STEPS, updated(1, "corrected")], mails=mails)
    assert only(corrected, "I9 a-1 has come to desk more often than there are reasons")


@pytest.mark.parametrize("stray", [mail(FIRST, DESK, "no-delivery"), digest("a-1", digest_id="no-digest")])
def test_what_comes_without_a_reason_is_found(stray: ReceivedMail) -> None:
    assert only(found(mails=[*MAILS, stray]), f"I9 mail {stray.delivery_id} to ")
    events = found(accepted={"e0": {**ACCEPTED["e0"], "no-delivery": 1}})
    assert only(events, "I9 events to e0 that have no reason: 1")


def test_an_updated_digest_comes_to_an_endpoint_as_another_event() -> None:
    accepted = {"e0": {**ACCEPTED["e0"], "updated": 1}}

    def wrong(digest_of: dict[str, str]) -> list[str]:
        log = [*LOG, SENT_DIGEST | {"delivery_id": OTHER, "alert_id": OTHER, "channel": "webhook", "receiver": "e0"}]
        return recount(STEPS, log, Delivered(MAILS, accepted, digest_of=digest_of), RECEIVERS).wrong

    assert wrong({"updated": OTHER}) == []
    assert wrong({"updated": "no-digest"}) == wrong({}) == ["I9 events to e0 that have no reason: 1"]


def test_a_mail_to_an_address_that_is_not_in_the_settings_is_found() -> None:
    old = mail(FIRST, DESK)._replace(receivers=("old@example.com",))

    assert only(found(mails=[*MAILS, old]), "I9 a mail to an address that is not in the settings")


def test_an_escalation_reaches_each_receiver_that_it_asks() -> None:
    step = of_case(1, "escalated", escalated_to=["lead", "crm"])
    sent = [line(step, LEAD, "sent", "accepted"), line(step, CRM, "cancelled", "acknowledged")]
    mails = [*MAILS, mail(step, LEAD)]

    assert found([*STEPS, step], [*LOG, *sent], mails).wrong == []
    assert only(found([*STEPS, step], [*LOG, sent[0]], mails), "I9 escalated for e0 on webhook: a-1 was never planned")
    assert only(found([*STEPS, step], [*LOG, *sent]), "I9 escalated for lead on email: a-1 is said to be sent")


def test_a_reminder_reaches_somebody_or_the_log_says_that_nobody_is_left() -> None:
    step = of_case(1, "reminded")
    sent = line(step, DESK, "sent", "accepted")
    nobody = line(step, Target("email", ""), "nobody", "nobody_informed")

    assert found([*STEPS, step], [*LOG, sent], [*MAILS, mail(step, DESK)]).wrong == []
    assert found([*STEPS, step], [*LOG, nobody]).wrong == []
    assert only(found([*STEPS, step]), "I9 reminder of a-1: it was planned for nobody")


def test_what_people_do_is_settled_for_those_whom_it_was_planned_for() -> None:
    step = of_case(1, "acknowledged")
    planned, sent = line(step, DESK, "pending", "planned"), line(step, DESK, "sent", "accepted")

    assert found([*STEPS, step]).wrong == []
    assert found([*STEPS, step], [*LOG, planned, sent], [*MAILS, mail(step, DESK)]).wrong == []
    assert only(found([*STEPS, step], [*LOG, planned]), "I9 acknowledged for desk on email: a-1 still waits")


def test_nothing_has_to_come_about_an_erased_customer() -> None:
    assert found([*STEPS, opened(3)], erased=["c-3"]).wrong == []
    assert found([*STEPS, opened(3)]).open == 3
