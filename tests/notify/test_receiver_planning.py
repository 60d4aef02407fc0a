"""Mails to receivers that have plans: caps, digests, groups, inhibition and quiet hours; nothing is lost or doubled."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest
from flow.records import DAY, NOW, Record
from hypothesis import given, settings
from hypothesis import strategies as st
from notify.bundles import CAPPED, HOUR, MINUTE, Accepted, Desk, alert_of, desk, planner_of, withdrawn
from notify.test_quiet_hours import EVENING, MONDAY, OFFICE

from schemas.alert import AlertAction, Severity
from schemas.delivery import DeliveryStatus
from schemas.incident import IncidentAction, IncidentKind
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.timestamps import from_ms, to_ms
from worker.notify import digest, forgetting, forwarded, mailbox, planning, receiver_plan, receiver_planning
from worker.notify.attempts import AttemptResult
from worker.notify.forwarded import TICK_KEY, Spread
from worker.notify.receiver_plan import CRITICAL_INTERVAL, Plan, plan_key
from worker.notify.receivers import NobodyLeft, addressed
from worker.routing.bundling import Bundling
from worker.routing.receiver import Receiver
from worker.routing.routable import Routable

CRITICAL = Severity.CRITICAL
LATER = DeliveryError("smtp_451", retry=True)
UNSURE = DeliveryError("disconnected", retry=True, unsure=True)
NEVER = DeliveryError("smtp_550", retry=False, alarm=True)


def nothing(_: bytes) -> None:
    """Read a row of a table that has none."""


def about(accepted: Sequence[Accepted]) -> list[str]:
    return sorted(alert_id for mail in accepted for alert_id in mail.about)


def test_a_calm_receiver_gets_a_mail_for_each_notice_at_once() -> None:
    place = Desk()
    place.alert(1)
    place.alert(2)

    assert [(mail.about, mail.is_digest) for mail in place.deliver()] == [(["a-1"], False), (["a-2"], False)]
    assert place.lines_of("a-1") == [("pending", "planned"), ("sent", "accepted")]
    assert not place.pending_notices()
    assert not place.wakes()


def test_a_receiver_without_a_plan_is_not_forwarded_to() -> None:
    place = Desk(desk(None))
    place.alert(1)
    place.erase("c-2")

    assert [mailbox.decode(row).mails[0].forwarded for row in place.outbox.values() if row.startswith(b"\x01")] == [
        False
    ]
    assert not place.plans


def test_above_the_cap_one_digest_lists_the_rest_and_the_log_says_so() -> None:
    place = Desk()
    for number in range(10):
        place.alert(number)
    alone = place.deliver()
    assert [mail.is_digest for mail in alone] == [False, False]

    place.wait(5 * MINUTE)
    [listed] = place.deliver()

    assert listed.is_digest
    assert listed.about == [f"a-{number}" for number in range(2, 10)]
    assert about(place.inbox) == sorted(f"a-{number}" for number in range(10))
    assert place.lines_of("a-7") == [("pending", "planned"), ("deferred", "capped"), ("sent", "in_digest")]
    [deferred, sent] = [one for one in place.log if one["alert_id"] == "a-7"][1:]
    assert sent["digest_id"] == listed.message_id
    assert deferred["digest_id"] is not None
    assert place.lines_of(listed.message_id) == [("pending", "planned"), ("sent", "accepted")]
    assert not place.pending_notices()


def test_a_digest_that_would_list_one_notice_is_that_notices_own_mail() -> None:
    place = Desk()
    for number in range(3):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)

    [mail] = place.deliver()
    assert (mail.about, mail.is_digest) == (["a-2"], False)
    assert place.lines_of("a-2")[-2:] == [("pending", "released"), ("sent", "accepted")]


def test_critical_notices_go_first_alone_then_at_once_in_digests_a_minute_apart() -> None:
    place = Desk()
    for number in range(8):
        place.alert(number)
    for number in range(10, 15):
        place.alert(number, severity=CRITICAL)
    at_once = place.deliver()
    assert {"a-10", "a-11"} <= {*about(at_once)}
    assert not any(mail.is_digest for mail in at_once)

    place.wait(1_000)
    [first] = place.deliver()
    assert (first.is_digest, first.about) == (True, ["a-12", "a-13", "a-14"])

    place.alert(20, severity=CRITICAL)
    place.wait(CRITICAL_INTERVAL - 2_000)
    assert not place.deliver()
    place.wait(2_000)
    [second] = place.deliver()
    assert (second.is_digest, second.about) == (True, ["a-20"])


def test_digests_of_critical_notices_are_a_minute_apart_also_if_no_critical_notice_is_sent_alone() -> None:
    place = Desk(desk(Bundling(mails_per_hour=4, critical_per_hour=0)))
    for number in range(3):
        place.alert(number, severity=CRITICAL)
        place.wait(10_000)
    assert [mail.about for mail in place.deliver()] == [["a-0"]]
    place.wait(CRITICAL_INTERVAL)
    assert [mail.about for mail in place.deliver()] == [["a-1", "a-2"]]
    place.wait(CRITICAL_INTERVAL)
    place.alert(9, severity=CRITICAL)
    place.wait(1_000)
    assert [mail.about for mail in place.deliver()] == [["a-9"]]


def test_what_is_due_stays_gathered_while_many_digests_wait_for_the_mail_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receiver_planning, "_MOST_OPEN", 1)
    place = Desk(desk(Bundling(group_by=("segment",), group_wait=MINUTE)))
    for segment in ("a", "b"):
        for number in range(2):
            place.alert(ord(segment) + 10 * number, segment=segment)
        place.now += 2 * MINUTE
        place.tick()
    rows = {key: id(row) for key, row in place.plans.items()}
    place.tick()
    assert {key: id(row) for key, row in place.plans.items()} == rows, "rows were written for nothing"
    assert [len(mail.about) for mail in place.deliver()] == [2]
    place.tick()
    assert [len(mail.about) for mail in place.deliver()] == [2]


def test_the_notices_of_a_digest_that_is_given_up_have_its_reason() -> None:
    place = Desk()
    for number in range(4):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    while place.waiting(mailbox.digests_key("desk")):
        place.deliver(LATER)
        place.now += DAY
    given_up = [one for one in place.log if one["status"] == "failed"]
    assert {one["reason"] for one in given_up} == {"gave_up_smtp_451"}
    assert {one["alert_id"] for one in given_up} > {"a-2", "a-3"}


def test_a_notice_of_another_program_with_a_number_that_json_has_not_is_listed_last() -> None:
    place = Desk()
    for number in range(5):
        place.alert(number)
    place.deliver()
    text = alert_of(5, severity=CRITICAL).model_dump_json().replace('{"', '{"x":NaN,"', 1)
    place._plan(Record(text.encode(), b"c-5", headers=[("ce_id", b"e-5"), ("ce_type", events.ALERT.type)]))
    place.alert(6, severity=CRITICAL)
    place.alert(7, severity=CRITICAL)
    place.alert(8, severity=CRITICAL)
    text = alert_of(9, severity=CRITICAL).model_dump_json().replace('{"', '{"x":NaN,"', 1)
    place._plan(Record(text.encode(), b"c-9", headers=[("ce_id", b"e-9"), ("ce_type", events.ALERT.type)]))
    place.wait(2_000)
    assert [mail.about for mail in place.deliver() if mail.is_digest] == [["a-7", "a-8", "a-9"]]


def test_a_digest_lists_the_most_severe_first_and_then_by_id() -> None:
    place = Desk(desk(Bundling(mails_per_hour=2)))
    place.alert(0)
    for number, severity in [(3, Severity.WARNING), (2, Severity.ERROR), (1, Severity.WARNING), (4, Severity.ERROR)]:
        place.alert(number, severity=severity)
    place.deliver()
    place.wait(5 * MINUTE)

    [mail] = place.deliver()
    assert mail.about == ["a-2", "a-4", "a-1", "a-3"]


def limited(minutes: Mapping[str, int]) -> Desk:
    """Return a desk whose alerts have a time limit of some minutes, by the segment."""

    def time_limit(event: Routable, at: int) -> int | None:
        found = minutes.get(event.segment)
        return None if found is None else at + found * MINUTE

    return Desk(planner=msgspec.structs.replace(planner_of(desk()), time_limit=time_limit))


def listed_by(place: Desk) -> list[tuple[str, int]]:
    """Return what the only digest that waits lists, with the time limits in minutes from its alert's opening."""
    [mail] = place.waiting(mailbox.digests_key("desk"))
    found = digest.opened(mail.delivery_id, place.members.of(0, mail.delivery_id), place.plans.get)
    return [(item.notice.alert_id, round((item.act_by - NOW) / MINUTE) if item.act_by else 0) for item in found.items]


def test_a_digest_lists_critical_notices_first_and_then_the_one_with_the_earliest_time_limit() -> None:
    place = limited({"soon": 30, "later": 240})
    place.planner = msgspec.structs.replace(
        place.planner,
        routing=planner_of(desk(Bundling(4, 0), calendar=OFFICE, quiet_except=frozenset())).routing,
    )
    place.now = EVENING
    for number, segment in enumerate(["none", "later", "soon", "later", "none"], start=1):
        place.alert(number, segment=segment, severity=Severity.ERROR if number == 3 else Severity.WARNING)
    place.alert(9, severity=CRITICAL, segment="none")
    place.drop("late", alert_id="a-0")
    place.now = MONDAY
    place.tick()

    assert listed_by(place) == [("a-9", 0), ("a-3", 30), ("a-2", 240), ("a-4", 240), ("a-0", 0), ("a-1", 0), ("a-5", 0)]


def test_a_later_step_keeps_the_time_limit_of_its_alert_and_a_withdrawal_has_none() -> None:
    place = limited({"soon": 30})
    alerts = [place.alert(number, segment="soon") for number in range(4)]
    place.deliver()
    later = {"action": AlertAction.UPDATED, "revision": 1, "comment": "Now.", "occurred_at": from_ms(NOW + HOUR)}
    place.take(alerts[0].model_copy(update={**later, "reason": "comment_added"}), "e-0-u")
    place.take(withdrawn(alerts[1]), "e-1-w")
    place.take(alerts[2].model_copy(update={**later, "reason": "comment_added"}), "e-2-u")
    place.alert(7, action=AlertAction.UPDATED, reason="comment_added", segment="soon")
    place.wait(5 * MINUTE)

    assert listed_by(place) == [("a-0", 30), ("a-2", 30), ("a-3", 30), ("a-1", 0), ("a-7", 0)]


def test_what_does_not_fit_into_the_mails_of_this_hour_waits_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "MOST", 3)
    place = Desk()
    for number in range(12):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    assert [len(mail.about) for mail in place.deliver()] == [3, 3]
    place.wait(HOUR - 5 * MINUTE - 1)
    assert not place.deliver()
    place.wait(2)
    assert [len(mail.about) for mail in place.deliver()] == [3, 1]
    assert about(place.inbox) == sorted(f"a-{number}" for number in range(12))


def test_with_one_mail_an_hour_a_digest_is_not_overtaken() -> None:
    place = Desk(desk(Bundling(mails_per_hour=1)))
    for number in range(3):
        place.alert(number)
    place.wait(HOUR - 1)
    place.alert(3)
    assert [mail.about for mail in place.deliver()] == [["a-0"]]
    place.wait(2)
    assert [mail.about for mail in place.deliver()] == [["a-1", "a-2", "a-3"]]


def test_digests_that_are_due_together_are_one_if_mails_are_scarce() -> None:
    rules = Bundling(mails_per_hour=2, group_by=("segment",), group_wait=MINUTE)
    place = Desk(desk(rules))
    for number, segment in enumerate(["fr/lyon", "fr/nice", "fr/lyon", "fr/brest"]):
        place.alert(number, segment=segment)
    place.wait(MINUTE)

    [mail] = place.deliver()
    assert mail.about == ["a-0", "a-1", "a-2", "a-3"]


def test_groups_wait_for_others_and_then_for_the_interval() -> None:
    rules = Bundling(group_by=("segment", "tier"), group_wait=MINUTE, group_interval=10 * MINUTE)
    place = Desk(desk(rules))
    place.alert(0)
    place.alert(1, segment="fr/nice")
    place.wait(MINUTE // 2)
    place.alert(2)
    assert not place.deliver()
    place.wait(MINUTE // 2)
    assert sorted(mail.about for mail in place.deliver()) == [["a-0", "a-2"], ["a-1"]]
    assert place.lines_of("a-0")[1] == ("deferred", "grouped")

    place.alert(3)
    place.wait(9 * MINUTE)
    assert not place.deliver()
    place.wait(MINUTE)
    assert [mail.about for mail in place.deliver()] == [["a-3"]]

    place.wait(HOUR)
    place.alert(4)
    place.wait(MINUTE)
    assert [mail.about for mail in place.deliver()] == [["a-4"]]


def test_an_open_drop_inhibits_the_mails_below_it_until_it_ends() -> None:
    place = Desk(desk(Bundling(mails_per_hour=100)))
    drop = place.drop("fr")
    place.alert(1)
    place.alert(2, segment="de")
    place.alert(3, severity=CRITICAL)
    assert about(place.deliver()) == sorted([drop.alert_id, "a-2", "a-3"])
    assert place.lines_of("a-1")[-1] == ("deferred", "inhibited")
    assert [one["inhibited_by"] for one in place.log if one["reason"] == "inhibited"] == [drop.alert_id]

    place.alert(4)
    place.wait(5 * MINUTE)
    assert [mail.about for mail in place.deliver()] == [["a-1", "a-4"]]

    place.drop("fr", action=IncidentAction.RESOLVED)
    place.alert(5)
    assert about(place.deliver()) == sorted([drop.alert_id, "a-5"])


def test_other_incidents_inhibit_nothing() -> None:
    place = Desk(desk(Bundling(mails_per_hour=100)))
    place.drop("fr", kind=IncidentKind.NO_RESPONSES)
    place.alert(1)
    assert len(place.deliver()) == 2


def test_a_plan_keeps_a_bounded_number_of_drops_and_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_plan, "_INCIDENTS_KEPT", 2)
    monkeypatch.setattr(receiver_plan, "_GROUPS_KEPT", 2)
    rules = Bundling(group_by=("segment",), group_wait=MINUTE)
    place = Desk(desk(rules))
    for number in range(4):
        place.alert(number, segment=f"s-{number}")
    place.wait(5 * MINUTE)
    assert sorted(mail.about for mail in place.deliver()) == [["a-0"], ["a-1"], ["a-2", "a-3"]]
    for number in range(4):
        place.drop(f"d-{number}")
    [plan] = place.all_plans().values()
    assert list(plan.drops) == ["i-d-2", "i-d-3"]


def test_quiet_hours_end_with_one_digest() -> None:
    place = Desk(desk(Bundling(mails_per_hour=10), calendar=OFFICE, quiet_except=frozenset({CRITICAL})))
    place.now = EVENING
    place.alert(1)
    place.alert(2)
    place.alert(3, severity=CRITICAL)
    assert [mail.about for mail in place.deliver()] == [["a-3"]]
    assert place.lines_of("a-1")[-1] == ("deferred", "quiet_hours")
    place.wait(MONDAY - EVENING)
    assert [(mail.about, mail.is_digest) for mail in place.deliver()] == [(["a-1", "a-2"], True)]


def test_what_may_be_sent_at_any_hour_since_it_has_become_more_severe_does_not_wait_for_the_morning() -> None:
    anytime = frozenset({CRITICAL, Severity.ERROR})
    place = Desk(desk(Bundling(mails_per_hour=10), calendar=OFFICE, quiet_except=anytime))
    place.now = EVENING
    alerts = [place.alert(number) for number in range(2)]
    assert not place.deliver()
    changes = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Now."}
    place.take(alerts[1].model_copy(update={**changes, "severity": Severity.ERROR}), "e-1-u")
    assert [mail.about for mail in place.deliver()] == [["a-1"]]


def test_what_is_withdrawn_resolved_or_erased_leaves_its_digest() -> None:
    place = Desk()
    alerts = [place.alert(number) for number in range(8)]
    place.deliver()
    place.take(withdrawn(alerts[2]), "e-2-w")
    place.resolve(alerts[3])
    place.erase("c-4")
    place.wait(5 * MINUTE)
    place.take(withdrawn(alerts[5]), "e-5-w")  # its digest is closed already

    [mail] = place.deliver()
    assert mail.about == ["a-6", "a-7"]
    assert place.lines_of("a-2")[-2:] == [("cancelled", "withdrawn"), ("cancelled", "no_longer_news")]
    assert place.lines_of("a-3")[-1] == ("cancelled", "resolved")
    assert not any(b"c-4" in key for key in place.plans)


def test_an_end_is_told_to_who_got_the_opening_and_the_digest_counts_it() -> None:
    place = Desk()
    alerts = [place.alert(number) for number in range(2)]
    place.deliver()
    for number, alert in enumerate(alerts):
        place.take(withdrawn(alert), f"e-{number}-w")
    place.alert(5)
    place.wait(5 * MINUTE)
    [mail] = place.deliver()
    assert sorted(zip(mail.about, mail.actions, strict=True)) == [
        ("a-0", "withdrawn"),
        ("a-1", "withdrawn"),
        ("a-5", "opened"),
    ]


def test_a_later_step_is_what_the_digest_says_and_a_critical_one_does_not_wait() -> None:
    place = Desk()
    alerts = [place.alert(number) for number in range(5)]
    place.deliver()
    changes = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Now."}
    place.take(alerts[2].model_copy(update=changes), "e-2-u")
    place.take(alerts[3].model_copy(update={**changes, "severity": CRITICAL}), "e-3-u")
    assert [mail.about for mail in place.deliver()] == [["a-3"]]
    place.wait(5 * MINUTE)
    [mail] = place.deliver()
    assert mail.about == ["a-2", "a-4"]
    # A step that was merged is told once.
    place.take(alerts[2].model_copy(update=changes), "e-2-u")
    place.wait(HOUR)
    assert not place.deliver()


def test_a_step_that_comes_while_the_digest_is_sent_gets_a_mail_of_its_own() -> None:
    place = Desk()
    alerts = [place.alert(number) for number in range(5)]
    place.deliver()
    place.wait(5 * MINUTE)
    key = mailbox.digests_key("desk")
    [mail] = place.waiting(key)
    members = [*place.members.of(0, mail.delivery_id)]
    found = digest.opened(mail.delivery_id, members, place.plans.get)
    changes = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Now."}
    place.take(alerts[3].model_copy(update=changes), "e-3-u")
    place.write_down(key, mail, result_of(mail, found))

    assert not place.waiting(key), "there is a second digest"
    assert [mail.about for mail in place.deliver()] == [["a-3"]]
    assert not place.pending_notices()


def test_a_digest_that_is_sent_again_after_a_crash_has_another_id_if_a_notice_in_it_was_updated() -> None:
    """The mail server may have the first copy, and a mailbox drops a second one with the same id."""
    place = Desk()
    alerts = [place.alert(number) for number in range(5)]
    place.deliver()
    changes = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": 1, "comment": "Now."}
    place.take(alerts[2].model_copy(update=changes), "e-2-u")  # it is in the digest from the beginning
    place.wait(5 * MINUTE)
    key = mailbox.digests_key("desk")
    [first] = place.waiting(key)
    place.take(withdrawn(alerts[4]), "e-4-w")
    [same] = place.waiting(key)
    place.take(alerts[3].model_copy(update=changes), "e-3-u")
    [second] = place.waiting(key)
    place.take(alerts[3].model_copy(update={**changes, "revision": 2, "comment": "Well."}), "e-3-v")
    [third] = place.waiting(key)

    assert first.sent_id == same.sent_id == first.delivery_id
    assert len({first.sent_id, second.sent_id, third.sent_id}) == 3
    # What comes under these ids is one digest, and nothing follows it.
    assert [mail.about for mail in place.deliver()] == [["a-2", "a-3"]]
    place.wait(HOUR)
    assert not place.deliver()
    assert not [key for key in place.plans if mailbox.is_box(key) and mailbox.has_open(place.plans[key])]


def test_a_notice_of_a_removed_receiver_goes_to_nobody_who_has_got_it() -> None:
    care = Receiver("care", {"email": ["care@example.org"]})
    place = Desk(desk(), care)
    for number in range(4):
        place.alert(number)
    place.deliver()
    new = Receiver("new", {"email": ["new@example.org"]})
    place.planner = planner_of(care)
    place.wait(5 * MINUTE)
    place.deliver(gone="route_removed")
    place.deliver()  # as if the receiver were still there: what was released is settled

    boxes = {key: mailbox.decode(row).mails for key, row in place.plans.items() if key.startswith(b"c-")}
    assert {mail.status for mails in boxes.values() for mail in mails} == {DeliveryStatus.SENT}
    assert not [mail for mails in boxes.values() for mail in mails if mail.others]

    place = Desk(desk(), care)
    for number in range(4):
        place.alert(number)
    [released] = mailbox.decode(place.plans[b"c-3"]).mails
    with pytest.raises(NobodyLeft, match="route_removed"):
        addressed(released, alert_of(3), [released], planner_of(care))
    assert addressed(released, alert_of(3), [released], planner_of(care, new)).receiver == new


def test_a_row_names_a_bounded_number_of_other_receivers() -> None:
    others = [Receiver(f"r-{number}", {"email": ["r@example.org"]}) for number in range(40)]
    place = Desk(*others, desk())
    for number in range(3):
        place.alert(number)
    assert len(mailbox.decode(place.plans[b"c-2"]).mails[0].others) == forwarded.REACHED_KEPT


def result_of(mail: mailbox.Mail, found: digest.Opened) -> AttemptResult:
    return AttemptResult(None, mail.addressee, mail.route, found.known, tried=mail, listed=found.listed)


def test_a_digest_that_fails_is_tried_again_under_the_same_id_and_its_members_with_it() -> None:
    place = Desk()
    for number in range(5):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    [mail] = place.waiting(mailbox.digests_key("desk"))
    place.deliver(LATER)
    assert place.lines_of(mail.delivery_id)[-1] == ("deferred", "smtp_451")
    assert place.lines_of("a-3")[-1] == ("deferred", "capped")
    place.deliver(UNSURE)
    place.alert(9)
    [again] = [one for one in place.deliver() if one.is_digest]
    assert (again.message_id, again.about) == (mail.delivery_id, ["a-2", "a-3", "a-4"])


def test_the_members_of_a_digest_that_fails_for_good_have_failed() -> None:
    place = Desk()
    for number in range(5):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    place.deliver(NEVER)
    assert [place.lines_of(f"a-{number}")[-1] for number in (2, 3, 4)] == [("failed", "smtp_550")] * 3
    assert not place.pending_notices()


def test_a_removed_receivers_digest_is_released_into_mails_of_their_own() -> None:
    place = Desk()
    for number in range(6):
        place.alert(number)
    place.deliver()
    place.planner = planner_of(desk(None))
    place.wait(5 * MINUTE)
    assert about(place.deliver(gone="route_removed")) == ["a-2", "a-3", "a-4", "a-5"]
    assert place.lines_of("a-4")[-2:] == [("pending", "released"), ("sent", "accepted")]


def test_a_member_whose_content_was_lost_is_tried_alone() -> None:
    place = Desk()
    for number in range(6):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    lost = next(key for key in place.pending_notices() if key.startswith(b"c-4\x00"))
    del place.plans[lost]
    [mail] = place.deliver()
    assert mail.about == ["a-2", "a-3", "a-5"]
    assert place.lines_of("a-4")[-1] == ("pending", "released")


def test_a_digest_whose_notices_are_all_gone_is_cancelled() -> None:
    place = Desk()
    alerts = [place.alert(number) for number in range(4)]
    place.deliver()
    place.wait(5 * MINUTE)
    [mail] = place.waiting(mailbox.digests_key("desk"))
    for alert in alerts:
        place.take(withdrawn(alert), f"w-{alert.alert_id}")
    place.deliver()
    assert place.lines_of(mail.delivery_id)[-1] == ("cancelled", "nothing_left")


def test_a_message_that_comes_twice_is_dropped_and_one_of_somebody_else_is_a_dead_letter() -> None:
    place = Desk()
    place.alert(1)
    place.deliver()
    before, lines = dict(place.plans), len(place.log)
    place.plan_again(1)
    assert (place.plans, len(place.log)) == (before, lines)

    for value in (b"", b"\x93", place.notices[0].value[:20] if place.notices[0].value else b""):
        batch = receiver_planning.Batch([Record(value, topic="nps.notices")], {}, lambda _: [])
        decided = receiver_planning.plan(batch, place.planner, place.plans.get)
        assert [output.topic for output in decided.outputs] == [events.DEAD_LETTERS]


def test_a_message_that_comes_again_after_an_erasure_plans_nothing() -> None:
    place = Desk()
    place.alert(1)
    place.deliver()
    place.erase("c-1")
    place.notice(place.notices[0])
    assert not place.deliver()
    assert not any(key.startswith(b"c-1") for key in place.plans)


def test_a_mail_counts_for_an_hour() -> None:
    place = Desk()
    place.alert(1)
    place.alert(2)
    place.wait(HOUR - 1)
    place.alert(3)
    assert place.lines_of("a-3")[-1] == ("deferred", "capped")
    assert about(place.deliver()) == ["a-1", "a-2"]


def test_a_message_about_something_that_is_no_notice_is_a_dead_letter() -> None:
    place = Desk()
    place.alert(1)
    forged = msgspec.msgpack.encode([0, 9, b"c-1", b"{}", b"e", b""])
    batch = receiver_planning.Batch([Record(forged, topic="nps.notices")], {}, lambda _: [])
    decided = receiver_planning.plan(batch, place.planner, place.plans.get)
    assert [output.topic for output in decided.outputs] == [events.DEAD_LETTERS]


def test_what_joins_a_digest_in_the_batch_in_which_it_is_closed_is_a_member() -> None:
    place = Desk()
    for number in range(5):
        place.alert(number)
    tick = Record(b"desk", TICK_KEY, timestamp=NOW + 5 * MINUTE)
    batch = receiver_planning.Batch([*place.notices, tick], {}, lambda _: [])
    decided = receiver_planning.plan(batch, place.planner, nothing)
    rows = {key: row for key, row in decided.rows.items() if row is not None and mailbox.is_box(key)}
    [digest_mail] = mailbox.decode(rows.pop(mailbox.digests_key("desk"))).mails
    named = [mail.digest for row in rows.values() for mail in mailbox.decode(row).mails]
    assert Counter(named) == {"": 2, digest_mail.delivery_id: 3}


def test_a_tick_for_a_receiver_that_nobody_knows_does_nothing() -> None:
    place = Desk()
    place.notice(Record(b"nobody", TICK_KEY), Record(None, TICK_KEY))
    assert not place.plans


def test_a_notice_for_a_receiver_that_was_removed_meanwhile_is_planned_all_the_same() -> None:
    """The courier finds another receiver for it, as for every mail that waits."""
    place = Desk()
    sent = planning.plan([record_of_alert(place)], place.planner, nothing, Spread(1, lambda _: 0))
    place.planner = planner_of(desk(None))
    place.notice(*(Record(output.value, output.key) for output in sent.outputs))
    assert about(place.deliver()) == ["a-1"]


def record_of_alert(place: Desk) -> Record:
    headers = [("ce_id", b"e-1"), ("ce_type", events.ALERT.type)]
    return Record(alert_of(1).model_dump_json().encode(), b"c-1", timestamp=place.now, headers=headers)


def test_a_partition_gets_one_message_about_its_receivers_and_an_erasure_reaches_all() -> None:
    names = ["a", "b", "cc"]
    planner = planner_of(*(replace(desk(), name=name) for name in names))
    spread = Spread(3, lambda name: len(name) % 3)
    place = Desk(planner=planner)
    decided = planning.plan([record_of_alert(place)], planner, nothing, spread)
    messages = {output.partition: forwarded.read(Record(output.value)) for output in decided.outputs}
    assert {partition: [to.receiver for to in found.to] for partition, found in messages.items()} == {
        1: ["a", "b"],
        2: ["cc"],
    }
    assert len(decided.outputs) == 2

    erased = planning.plan([Record(None, b"c-1")], planner, nothing, spread)
    assert [output.partition for output in erased.outputs] == [0, 1, 2]


def test_without_caps_and_groups_each_notice_is_a_mail_of_its_own_again() -> None:
    place = Desk(planner=planner_of(desk()).without_bundling())
    decided = planning.plan([record_of_alert(place)], place.planner, nothing, place.spread)
    assert [output.topic for output in decided.outputs] == [events.DELIVERIES]


def test_a_mailbox_in_which_nothing_waits_is_forgotten_and_a_plan_is_not() -> None:
    place = Desk()
    for number in range(4):
        place.alert(number)
    place.deliver()
    tick = Record(b"desk", TICK_KEY, timestamp=NOW + 10 * DAY)
    batch = receiver_planning.Batch([tick], place.arrived, lambda name: place.members.of(0, name))
    decided = forgetting.plan_receivers(batch, place.planner, place.plans, forgetting.Sweep(place.plans), 9)
    erased = {key for key, row in decided.rows.items() if row is None}
    assert erased == {b"c-0", b"c-1"}


def test_a_row_of_an_older_version_is_read() -> None:
    row = b"\x01" + msgspec.msgpack.encode([[["d-1", "a-1", "desk", "pending", 0, NOW, 0]]])
    [mail] = mailbox.decode(row).mails
    assert (mail.is_tried, mail.digest, mail.forwarded) == (True, "", False)


def test_the_row_of_a_plan_reads_as_it_was_written() -> None:
    plan = Plan([1], [2], {"capped": receiver_plan.Gathering("d", 3)}, {"i": "fr"}, {"g": 4}, 5, 6)
    assert receiver_plan.decode(receiver_plan.encode(plan)) == plan
    assert receiver_plan.receiver_of(plan_key("désk")) == "désk"
    assert receiver_plan.receiver_of(b"c-1") is None


SEGMENTS = ["fr", "fr/lyon", "de"]
SEVERITIES = [Severity.WARNING, Severity.ERROR, CRITICAL]
RULES = [
    CAPPED,
    Bundling(mails_per_hour=1, critical_per_hour=0),
    Bundling(mails_per_hour=3, critical_per_hour=1, group_by=("segment",), group_wait=MINUTE),
    Bundling(group_by=("severity",), group_interval=10 * MINUTE),
]
#: The reasons of notices that a digest has listed, or at least counted.
IN_DIGESTS = {"in_digest", "counted_in_digest"}
NUMBERS = st.integers(0, 7)
#: What happens: a word, and numbers that say to whom.
EVENTS = st.one_of(
    st.tuples(st.just("open"), NUMBERS, st.sampled_from(SEVERITIES), st.sampled_from(SEGMENTS)),
    st.tuples(st.sampled_from(["update", "withdraw", "resolve", "erase"]), NUMBERS),
    st.tuples(st.sampled_from(["drop", "recover"]), st.sampled_from(SEGMENTS)),
    st.tuples(st.just("wait"), st.sampled_from([1, 1_000, MINUTE, 7 * MINUTE, HOUR])),
    st.tuples(st.just("deliver"), st.sampled_from([None, LATER, UNSURE])),
    st.tuples(st.just("again")),
)


class Story:
    """What has happened at a desk, and what must be true of it."""

    def __init__(self, rules: Bundling, quiet: bool, channel: str = "email") -> None:
        hours: dict[str, Any] = {"calendar": OFFICE, "quiet_except": frozenset({CRITICAL})} if quiet else {}
        self.rules = rules
        more: dict[str, Any] = {"digest_bytes": 5_000} if channel == "webhook" else {}
        self.place = Desk(planner=planner_of(desk(rules, channel, **hours), channel=channel, **more))
        self.place.shows = 2 if channel == "chat" else None
        self.place.now = MONDAY - HOUR
        self.alerts: dict[int, Any] = {}
        #: The alerts of customers that were erased.
        self.erased: set[str] = set()
        self._customers: dict[str, int] = {}
        #: The severities of an alert, each with the number of lines of the log that were there before it.
        self._severities: dict[str, list[tuple[int, Severity]]] = {}
        self._steps = 0

    def happens(self, what: str, *more: Any) -> None:
        place, self._steps = self.place, self._steps + 1
        match what:
            case "open":
                number, severity, segment = more
                alert = alert_of(number, alert_id=f"a-{self._steps}", severity=severity, segment=segment)
                self.alerts[number] = alert
                self._customers[alert.alert_id] = number
                self._severities[alert.alert_id] = [(len(place.log), severity)]
                place.take(alert, f"e-{self._steps}")
            case "update" | "withdraw" | "resolve":
                self._changes(what, more[0])
            case "erase":
                place.erase(f"c-{more[0]}")
                self.erased |= {name for name, number in self._customers.items() if number == more[0]}
                self.alerts.pop(more[0], None)
            case "drop" | "recover":
                self._segment_changes(what, more[0])
            case "wait":
                place.wait(more[0])
            case "deliver":
                place.deliver(*more)
            case "again":
                # What a worker forwards again after a crash.
                place.notice(*[record for record in place.notices[-5:] if record.key != TICK_KEY])

    def _segment_changes(self, what: str, segment: str) -> None:
        place = self.place
        if what == "drop":
            place.drop(segment, alert_id=f"i-{segment}-{self._steps}")
            return
        for incident_id in [one for plan in place.all_plans().values() for one in plan.drops]:
            if incident_id.startswith(f"i-{segment}-"):
                place.drop(segment, alert_id=incident_id, action=IncidentAction.RESOLVED)

    def _changes(self, what: str, number: int) -> None:
        alert, place = self.alerts.get(number), self.place
        if alert is None:
            return
        if what == "update":
            changes = {"action": AlertAction.UPDATED, "reason": "comment_added", "revision": alert.revision + 1}
            self.alerts[number] = alert.model_copy(update={**changes, "severity": CRITICAL})
            self._severities[alert.alert_id].append((len(place.log), CRITICAL))
            place.take(self.alerts[number], f"e-{self._steps}")
        elif what == "withdraw":
            place.take(withdrawn(alert), f"e-{self._steps}")
            del self.alerts[number]
        else:
            place.resolve(alert)

    def end(self) -> None:
        for _ in range(60):
            if not self.place.wakes() and not self.waiting():
                return
            self.place.wait(HOUR)
            self.place.deliver()
        raise AssertionError("something waits for ever")

    def waiting(self) -> list[str]:
        boxes = [row for key, row in self.place.plans.items() if mailbox.is_box(key)]
        return [mail.delivery_id for row in boxes for mail in mailbox.decode(row).mails if mail.is_open]

    def check(self) -> None:
        """Each planned mail is in one state, its notice was listed once, and the caps held."""
        last: dict[str, Any] = {}
        settled: Counter[str] = Counter()
        for one in self.place.log:
            settled[one["delivery_id"]] += one["status"] in {"sent", "failed", "cancelled"}
            last[one["delivery_id"]] = one
        assert max(settled.values(), default=0) <= 1
        erased = {name for name, one in last.items() if one["alert_id"] in self.erased}
        unsettled = {name for name in last if not settled[name]}
        waiting = self.waiting()
        assert len(waiting) == len({*waiting})
        assert unsettled - erased <= {*waiting} <= unsettled
        for one in last.values():
            if one["status"] == DeliveryStatus.SENT and one["reason"] in IN_DIGESTS:
                assert last[one["digest_id"]]["status"] == DeliveryStatus.SENT
        sent = Counter(mail.message_id for mail in self.place.inbox)
        assert all(count == 1 for count in sent.values())
        self._check_lists(last)
        self._check_caps()

    def _check_lists(self, last: dict[str, Any]) -> None:
        """The alerts of what was sent are those of the inbox, each as often as it had mails."""
        said = Counter(
            one["alert_id"]
            for name, one in last.items()
            if one["status"] == DeliveryStatus.SENT and one["alert_id"] != name
        )
        listed = Counter(alert_id for mail in self.place.inbox for alert_id in mail.about)
        assert said == listed

    def _check_caps(self) -> None:
        """In no hour were more mails planned than the caps allow, as the log says."""
        lines = self.place.log
        members: dict[str, list[str]] = {}
        for one in lines:
            if one["reason"] in IN_DIGESTS:
                members.setdefault(one["digest_id"], []).append(one["alert_id"])
        counted: list[int] = []
        critical: list[int] = []
        for index, one in enumerate(lines):
            after = lines[index + 1] if index + 1 < len(lines) else {"status": ""}
            if one["status"] != DeliveryStatus.PENDING or (
                after["status"] == DeliveryStatus.DEFERRED and after["delivery_id"] == one["delivery_id"]
            ):
                continue  # it is no mail of its own
            at = to_ms(datetime.fromisoformat(one["at"]))
            is_digest = one["delivery_id"] == one["alert_id"]
            about = members.get(one["delivery_id"], []) if is_digest else [one["alert_id"]]
            if about and all(self._severity(alert_id, index) is CRITICAL for alert_id in about):
                critical += [] if is_digest else [at]
            elif about:
                counted.append(at)
        assert self.rules.mails_per_hour is None or _most_in_an_hour(counted) <= self.rules.mails_per_hour
        assert _most_in_an_hour(critical) <= self.rules.critical_per_hour

    def _severity(self, alert_id: str, index: int) -> Severity:
        """Return the severity that an alert or incident had when a line was written."""
        return [
            severity for begin, severity in self._severities.get(alert_id, [(0, Severity.ERROR)]) if begin <= index
        ][-1]


def _most_in_an_hour(times: list[int]) -> int:
    return max((sum(at - HOUR < other <= at for other in times) for at in times), default=0)


@pytest.mark.parametrize("channel", ["email", "webhook", "chat"])
@given(rules=st.sampled_from(RULES), quiet=st.booleans(), happened=st.lists(EVENTS, max_size=40))
@settings(deadline=None)
def test_every_notice_is_sent_listed_deferred_or_refused_with_a_reason(
    channel: str, rules: Bundling, quiet: bool, happened: list[tuple[Any, ...]]
) -> None:
    story = Story(rules, quiet, channel)
    for event in happened:
        story.happens(*event)
        story.check()
    story.end()
    story.check()
