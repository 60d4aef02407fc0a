"""The plans of receivers on webhooks and chats: size limits, what a chat leaves out, erasures, and rows from before."""

from collections import Counter
from typing import Any

import pytest
from flow.records import NOW, Record
from notify.bundles import CAPPED, HOUR, MINUTE, Desk, alert_of, desk, planner_of
from notify.mailboxes import line
from notify.test_silences import Hushed

from schemas.alert import Severity
from worker.flow import events
from worker.notify import mailbox, planning
from worker.notify.attempts import Fate
from worker.notify.digest import MOST, split
from worker.notify.forwarded import HELD_KEY, Spread, read_held
from worker.notify.holding import Holding
from worker.notify.schedule import MailRef
from worker.notify.silenced import NOT_HELD, KnownSilences
from worker.routing.bundling import Bundling

CHANNELS = pytest.mark.parametrize("channel", ["email", "webhook", "chat"])
CRM = Spread(3, lambda name: len(name) % 3, events.WEBHOOK_NOTICES)


def place_of(channel: str, bundling: Bundling | None = CAPPED, **more: Any) -> Hushed:
    return Hushed(planner=planner_of(desk(bundling, channel), channel=channel, **more))


@CHANNELS
def test_a_flood_is_a_few_posts_that_list_each_alert_once_the_critical_ones_first(channel: str) -> None:
    place = place_of(channel)
    for number in range(300):
        place.alert(number, severity=Severity.CRITICAL if number % 100 == 7 else Severity.WARNING)
    place.deliver()
    place.wait(HOUR)
    place.deliver()

    assert len(place.inbox) <= 4 + 2 + 1
    assert Counter(about for post in place.inbox for about in post.about) == Counter(f"a-{n}" for n in range(300))
    assert {one["channel"] for one in place.log} == {channel}
    assert [post.about for post in place.inbox[:2]] == [["a-0"], ["a-1"]]
    assert [post.about for post in place.inbox if set(post.about) & {"a-7", "a-107"}][:2] == [["a-107"], ["a-7"]]


@CHANNELS
def test_a_receiver_without_caps_gets_each_notice_at_once_from_its_outbox(channel: str) -> None:
    place = place_of(channel, None)
    for number in range(9):
        place.alert(number)

    assert [post.about for post in place.deliver()] == [[f"a-{number}"] for number in range(9)]
    assert (place.plans, place.notices) == ({}, [])


@CHANNELS
def test_the_first_notice_of_a_capped_receiver_waits_for_nothing(channel: str) -> None:
    place = place_of(channel)
    place.alert(1)
    assert [(post.at, post.about) for post in place.deliver()] == [(NOW, ["a-1"])]


def test_a_digest_of_a_webhook_is_split_by_its_size() -> None:
    place = place_of("webhook", Bundling(mails_per_hour=20), digest_bytes=20_000)
    for number in range(80):
        place.alert(number, comment="x" * 900)
    place.wait(5 * MINUTE)
    posts = [post for post in place.deliver() if post.is_digest]

    sizes = [sum(len(alert_of(0, comment="x" * 900).model_dump_json()) + 600 for _ in post.about) for post in posts]
    assert 5 < len(posts) <= 10
    assert all(15_000 < size <= 20_000 for size in sizes[:-1])
    assert len(place.inbox) - len(posts) + sum(len(post.about) for post in posts) == 80


@pytest.mark.parametrize(
    ("sizes", "most", "parts"),
    [
        ([], 10, []),
        ([4, 4, 4], 10, [[0, 1], [2]]),
        ([11, 4, 11, 11], 10, [[0], [1], [2], [3]]),
        ([5, 5, 5], 10, [[0, 1], [2]]),
        ([1] * (MOST + 1), None, [[*range(MOST)], [MOST]]),
        ([1] * 3, None, [[0, 1, 2]]),
    ],
)
def test_notices_share_a_digest_as_long_as_there_is_room(sizes: list[int], most: int | None, parts: Any) -> None:
    numbers = [*range(len(sizes))]
    assert [numbers[part] for part in split(sizes, most)] == parts


def test_what_a_chat_only_counts_is_settled_with_a_reason_of_its_own() -> None:
    place = place_of("chat")
    place.shows = 3
    for number in range(10):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    [post] = place.deliver()

    sent = {one["alert_id"]: one for one in place.log if one["status"] == "sent"}
    assert [sent[alert_id]["reason"] for alert_id in post.about] == ["in_digest"] * 3 + ["counted_in_digest"] * 5
    assert {sent[alert_id]["digest_id"] for alert_id in post.about} == {post.message_id}
    assert not place.pending_notices()


@CHANNELS
def test_a_silence_is_one_digest_at_its_end_also_without_caps(channel: str) -> None:
    place = place_of(channel, None)
    place.silence(until=NOW + HOUR)
    for number in range(3):
        place.alert(number)
    assert place.deliver() == []
    place.wait(HOUR)
    [post] = place.deliver()

    assert (post.is_digest, sorted(post.about)) == (True, ["a-0", "a-1", "a-2"])
    assert place.named == [{"s-1": 3}]


@pytest.mark.parametrize("is_over", [False, True])
def test_what_a_version_without_plans_had_held_back_comes_in_a_digest_too(is_over: bool) -> None:
    place = place_of("webhook", None)
    place.silence(until=NOW + HOUR)
    with_plans, place.of_outbox = place.of_outbox, Holding(place.silencer.known, place.planner.routing)
    for number in range(2):
        place.alert(number)
    place.mark()
    [mail] = mailbox.decode(place.outbox[b"c-1"]).mails
    assert (mail.status, mail.silence, mail.due) == ("deferred", "s-1", NOW + HOUR)

    place.of_outbox = with_plans  # the worker is replaced by one of this version
    if is_over:
        place.wait(HOUR)
    else:
        place.end()
        place.mark()
    place.post()
    place.wait(1)
    [post] = place.deliver()
    assert (post.is_digest, sorted(post.about)) == (True, ["a-0", "a-1"])
    assert place.named == [{"s-1": 2}]


# Erasures


def erased(place: Desk) -> tuple[bytes, mailbox.Mail, bytes]:
    """Erase a customer; return the mailbox about that, its only mail and its content."""
    place.erase("c-1")
    [key] = [key for key in place.outbox if mailbox.is_erasure(key) and mailbox.is_box(key)]
    [mail] = mailbox.decode(place.outbox[key]).mails
    return key, mail, place.outbox[mailbox.pending_notice_key(key, mail.delivery_id)]


def test_the_report_of_an_erasure_is_handed_over_and_comes_after_what_the_plan_has_sent() -> None:
    place = place_of("webhook", reports_erasures=True)
    for number in range(4):
        place.alert(number, customer_id="c-1")
    place.deliver()
    key, mail, content = erased(place)
    assert not place.pending_notices(), "what waited about the customer is erased in the plan at once"

    notice = mailbox.notice(mail, key, content)
    silenced = Holding(KnownSilences(), place.planner.routing, spread=CRM).silenced(
        MailRef(0, key, "d"), mail, notice, 5
    )
    assert silenced is not None
    assert (silenced.fate, silenced.place) == (Fate.HAND_OVER, CRM.place_of("desk"))
    assert silenced.hold is not None
    assert silenced.hold.version == NOT_HELD

    place.mark()
    assert key not in place.outbox, "the report is settled here, and leaves no row"
    handed = [record for record in place.notices if record.key == HELD_KEY]
    assert [read_held(Record(record.value)).key for record in handed] == [key]
    [waiting] = place.waiting(key)
    assert waiting.delivery_id == mail.delivery_id
    assert [line["reason"] for line in place.log if line["delivery_id"] == mail.delivery_id] == [
        "planned",
        "handed_over",
    ]

    place.notice(*handed)  # a crash repeats the message
    assert len(place.waiting(key)) == 1


def test_no_plan_reports_an_erasure_by_itself() -> None:
    place = place_of("webhook", reports_erasures=True)
    place.erase("c-1")
    assert place.plans == {}


def test_the_erasure_for_a_removed_endpoint_stays_in_the_outbox_which_knows_who_else_gets_it() -> None:
    place = place_of("webhook", reports_erasures=True)
    key, mail, content = erased(place)
    gone = planner_of(channel="webhook").routing
    silenced = Holding(KnownSilences(), gone, spread=CRM)
    assert silenced.silenced(MailRef(0, key, "d"), mail, mailbox.notice(mail, key, content), 5) is None


def test_what_is_forwarded_goes_to_the_topic_of_the_channel() -> None:
    planner = planner_of(desk(CAPPED, "webhook"), channel="webhook", reports_erasures=True)
    place = Desk(planner=planner)
    place.alert(1)
    decided = planning.plan(place.alerts, planner, lambda _: None, CRM)
    null = Record(None, b"c-1", topic="nps.alerts")
    erasing = planning.plan([null], planner, lambda _: None, CRM)

    assert [(one.topic, one.partition) for one in decided.outputs] == [("webhook-notices", 4 % 3)]
    forwarded = [(one.topic, one.partition) for one in erasing.outputs if one.topic != "deliveries"]
    assert forwarded == [("webhook-notices", partition) for partition in range(3)]
    assert [line(one)["reason"] for one in erasing.outputs if one.topic == "deliveries"] == ["planned"]
