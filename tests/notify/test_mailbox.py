"""A customer's mails: what is planned, what becomes of each attempt, and what is remembered."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from flow.records import DAY, NOW, Record
from notify.mailboxes import (
    BOSS,
    DEFAULT,
    EMAIL,
    KEY,
    id_of,
    kept,
    line,
    lines,
    mails,
    pending,
    pending_notices,
    planned,
    record_of,
    settled,
)

from schemas.alert import Alert, Severity
from schemas.delivery import DeliveryStatus
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Decided
from worker.notify import mailbox
from worker.notify.attempts import AttemptResult, write_down
from worker.notify.mailbox import Mail, Mailbox, pending_notice_key
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.routing.flat import FlatRoute

MakeAlert = Callable[..., Alert]

POLICY = RetryPolicy(first_seconds=10, longest_seconds=60, give_up_days=2)
TEMPORARY = DeliveryError("smtp_450", retry=True)
#: Of a mail that was sent, of one that nobody knows, of one in a box of settled ones, and of a customer without a box.
ORPHANS = [(KEY, "d-2"), (KEY, "d-3"), (b"c-7", "d-4"), (b"c-8", "d-5")]


# Planning


def test_an_alert_becomes_a_pending_mail_and_a_line_in_the_log(make_alert: MakeAlert) -> None:
    alert = make_alert()
    record = record_of(alert)
    decided = planned(record)
    (mail,) = mails(decided)

    delivery_id = id_of("e-1")
    expected = Mail(delivery_id, alert.alert_id, "default", DeliveryStatus.PENDING, 0, NOW, 0)
    assert msgspec.structs.replace(expected, action="opened", reason="detractor") == mail
    assert {mailbox.pending_notice_key(KEY, delivery_id): record.value} == pending_notices(decided)
    assert [alert.alert_id.encode()] == [output.key for output in decided.outputs]
    assert line(decided.outputs[0]) == {
        "delivery_id": delivery_id,
        "alert_id": alert.alert_id,
        "channel": "email",
        "route": "default",
        "receiver": "default",
        "status": "pending",
        "attempt": 0,
        "reason": "planned",
        "at": "2023-11-14T22:13:20Z",
        "next_attempt_at": None,
        "digest_id": None,
        "inhibited_by": None,
        "silence_id": None,
    }


def test_each_route_that_is_taken_gets_a_mail(make_alert: MakeAlert) -> None:
    elsewhere = FlatRoute(name="de", segment="de", to=["de@example.org"])
    decided = planned(record_of(make_alert()), routes=(BOSS, elsewhere, DEFAULT))

    assert ["boss", "default"] == [mail.route for mail in mails(decided)]
    assert len({mail.delivery_id for mail in mails(decided)}) == 2
    assert {mailbox.pending_notice_key(KEY, mail.delivery_id) for mail in mails(decided)} == pending_notices(
        decided
    ).keys()


@pytest.mark.parametrize(
    ("action", "actions", "count"),
    [
        ("opened", ("opened",), 1),
        ("updated", ("opened",), 0),
        ("withdrawn", ("opened",), 0),
        ("updated", ("opened", "updated"), 1),
        ("withdrawn", ("withdrawn",), 1),
        ("opened", (), 0),
        ("escalated", ("opened", "updated", "withdrawn"), 0),
    ],
)
def test_only_the_steps_that_are_asked_for_are_mailed(
    make_alert: MakeAlert, action: str, actions: tuple[str, ...], count: int
) -> None:
    decided = planned(record_of(make_alert(action=action)), actions=actions)

    assert count == len(decided.outputs) == len(mails(decided)) == len(pending_notices(decided))


def test_the_same_event_again_plans_nothing(make_alert: MakeAlert) -> None:
    record = record_of(make_alert())
    first = planned(record, record)

    assert len(first.outputs) == 1
    again = planned(record._replace(offset=9, timestamp=NOW + 5), rows=kept(first))
    assert (again.outputs, mails(first), {}) == ([], mails(again), pending_notices(again))


def test_it_plans_nothing_either_when_its_mail_was_sent_long_ago(make_alert: MakeAlert) -> None:
    record = record_of(make_alert())
    box = mailbox.decode(kept(planned(record))[KEY])
    EMAIL.succeed(box.mails[0], NOW)

    again = planned(record, rows={KEY: mailbox.encode(box)})

    assert ([], {}) == (again.outputs, pending_notices(again))


def test_another_step_of_the_same_alert_is_another_mail(make_alert: MakeAlert) -> None:
    records = [record_of(make_alert(), "e-1"), record_of(make_alert(revision=2), "e-2")]

    assert len(mails(planned(*records))) == 2


def test_an_event_without_id_is_told_by_its_alert(make_alert: MakeAlert) -> None:
    bare = record_of(make_alert())._replace(headers=())
    decided = planned(bare, bare)

    assert [id_of(make_alert().alert_id)] == [mail.delivery_id for mail in mails(decided)]


@pytest.mark.parametrize("event_id", [b"\xff", b"", b"\x00", None])
def test_an_id_that_is_no_text_stops_nobody(make_alert: MakeAlert, event_id: bytes | None) -> None:
    headers: Any = [("ce_id", event_id)]

    assert len(planned(record_of(make_alert())._replace(headers=headers)).outputs) == 1


def test_customers_have_a_mailbox_each(make_alert: MakeAlert) -> None:
    decided = planned(record_of(make_alert()), record_of(make_alert(), "e-2", b"c-43"), record_of(make_alert(), "e-3"))

    assert {KEY: 2, b"c-43": 1} == {key: len(mails(decided, key)) for key in kept(decided) if b"\x00" not in key}


def test_a_batch_planned_twice_gives_the_same(make_alert: MakeAlert) -> None:
    records = [record_of(make_alert(), f"e-{n}") for n in range(5)]

    assert planned(*records) == planned(*records)


# Erasure


def test_an_erasure_takes_open_and_settled_mails_alike(make_alert: MakeAlert) -> None:
    rows = kept(planned(record_of(make_alert()), record_of(make_alert(), "e-2", b"c-43")))
    box = mailbox.decode(rows[KEY])
    box.mails.append(settled(1))
    decided = planned(Record(None, KEY), rows=rows | {KEY: mailbox.encode(box)})

    assert (decided.outputs, decided.rows[KEY]) == ([], None)
    assert {KEY, mailbox.pending_notice_key(KEY, id_of("e-1"))} <= decided.rows.keys()
    assert not any(b"c-43" in key for key in decided.rows)
    assert kept(decided) == {}


def test_no_line_of_the_log_names_the_customer_who_may_be_erased(make_alert: MakeAlert) -> None:
    alert = make_alert()
    mail = pending(alert_id=alert.alert_id)
    outputs = [*planned(record_of(alert)).outputs, EMAIL.fail(mail, TEMPORARY, NOW, POLICY), EMAIL.succeed(mail, NOW)]

    for output in outputs:
        assert output.key == alert.alert_id.encode()
        assert not any(KEY in (value or b"") for value in (output.value, *(value for _, value in output.headers)))


def test_an_erasure_takes_what_the_same_batch_planned_as_well(make_alert: MakeAlert) -> None:
    decided = planned(record_of(make_alert(), "e-1"), Record(None, KEY))

    assert {KEY: None, mailbox.pending_notice_key(KEY, id_of("e-1")): None} == decided.rows


def test_the_same_alert_after_an_erasure_is_planned_again_with_its_text(make_alert: MakeAlert) -> None:
    record = record_of(make_alert())
    rows = kept(planned(record))
    for decided in (planned(record, Record(None, KEY), record), planned(Record(None, KEY), record, rows=rows)):
        assert {mailbox.pending_notice_key(KEY, id_of("e-1")): record.value} == pending_notices(decided)
        assert [id_of("e-1")] == [mail.delivery_id for mail in mails(decided)]


def test_an_erasure_of_somebody_unknown_writes_nothing(make_alert: MakeAlert) -> None:
    assert Decided([], {KEY: None}, {}) == planned(Record(None, KEY))


def test_an_alert_after_an_erasure_is_planned_and_one_before_it_is_gone(make_alert: MakeAlert) -> None:
    decided = planned(record_of(make_alert(), "e-1"), Record(None, KEY), record_of(make_alert(), "e-2"))

    assert [id_of("e-2")] == [mail.delivery_id for mail in mails(decided)]
    assert {mailbox.pending_notice_key(KEY, id_of("e-2"))} == kept(decided).keys() - {KEY}


# Withdrawal


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (DeliveryStatus.DEFERRED, DeliveryStatus.CANCELLED),
        (DeliveryStatus.PENDING, DeliveryStatus.CANCELLED),
        (DeliveryStatus.SENT, DeliveryStatus.SENT),
        (DeliveryStatus.FAILED, DeliveryStatus.FAILED),
    ],
)
def test_a_withdrawal_cancels_what_waits_for_an_attempt_be_it_the_first(
    make_alert: MakeAlert, status: DeliveryStatus, expected: DeliveryStatus
) -> None:
    alert = make_alert(action="withdrawn")
    box = Mailbox([pending(alert_id=alert.alert_id, status=status, attempts=1)])
    decided = planned(record_of(alert), rows={KEY: mailbox.encode(box)})

    assert [expected] == [mail.status for mail in mails(decided)]
    cancelled = expected is DeliveryStatus.CANCELLED
    assert ([("cancelled", "withdrawn")] if cancelled else []) == lines(decided)
    assert pending_notices(decided) == {mailbox.pending_notice_key(KEY, "d-1"): None}


def test_a_withdrawal_leaves_other_alerts_alone(make_alert: MakeAlert) -> None:
    box = Mailbox([pending(status=DeliveryStatus.DEFERRED)])
    decided = planned(record_of(make_alert(action="withdrawn")), rows={KEY: mailbox.encode(box)})

    assert [DeliveryStatus.DEFERRED] == [mail.status for mail in mails(decided)]


@pytest.mark.parametrize("status", [DeliveryStatus.SENT, DeliveryStatus.FAILED])
def test_a_withdrawal_may_be_mailed_itself(make_alert: MakeAlert, status: DeliveryStatus) -> None:
    alert = make_alert(action="withdrawn")
    box = Mailbox([pending(alert_id=alert.alert_id, status=status, attempts=1)])
    decided = planned(record_of(alert), rows={KEY: mailbox.encode(box)}, actions=("withdrawn",))

    assert lines(decided) == [("pending", "planned")]


def test_but_not_to_those_who_never_heard_of_the_alert(make_alert: MakeAlert) -> None:
    alert = make_alert(action="withdrawn")
    box = Mailbox([pending(alert_id=alert.alert_id, status=DeliveryStatus.DEFERRED, attempts=1)])
    decided = planned(record_of(alert), rows={KEY: mailbox.encode(box)}, actions=("withdrawn",))

    assert lines(decided) == [("cancelled", "withdrawn"), ("cancelled", "no_longer_news")]
    [_, said] = map(line, decided.outputs)
    assert (said["delivery_id"], said["receiver"], said["attempt"]) == (id_of("e-1"), "default", 0)
    assert [mail.delivery_id for mail in mails(decided)] == ["d-1"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (DeliveryStatus.SENT, [("boss", "pending", "planned")]),
        (DeliveryStatus.CANCELLED, [("boss", "cancelled", "no_longer_news")]),
        (DeliveryStatus.PENDING, [("boss", "cancelled", "withdrawn"), ("boss", "cancelled", "no_longer_news")]),
    ],
)
def test_a_withdrawal_goes_to_who_got_the_opening_and_not_to_whom_the_new_score_leads(
    make_alert: MakeAlert, status: DeliveryStatus, expected: list[tuple[str, str, str]]
) -> None:
    boss = BOSS.model_copy(update={"min_severity": Severity.CRITICAL, "then_continue": False})
    opened = make_alert(severity=Severity.CRITICAL)
    first = planned(record_of(opened), routes=(boss, DEFAULT))
    box = mailbox.decode(kept(first)[KEY])
    box.mails[0].status = status
    rows = {**kept(first), KEY: mailbox.encode(box)}
    withdrawn = make_alert(action="withdrawn", severity=Severity.WARNING, score=9)
    decided = planned(record_of(withdrawn, "e-2"), rows=rows, routes=(boss, DEFAULT), actions=("opened", "withdrawn"))

    assert [(one["receiver"], one["status"], one["reason"]) for one in map(line, decided.outputs)] == expected


def test_an_alert_that_is_opened_again_is_mailed_again(make_alert: MakeAlert) -> None:
    steps = [
        record_of(make_alert(), "e-1"),
        record_of(make_alert(action="withdrawn"), "e-2"),
        record_of(make_alert(), "e-3"),
    ]

    assert lines(planned(*steps)) == [("pending", "planned"), ("cancelled", "withdrawn"), ("pending", "planned")]


# Garbage


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"alert_id": "a-1", "action": "opened"}'],
    ids=lambda value: repr(value[:20]),
)
def test_garbage_becomes_a_dead_letter_and_holds_nobody_back(make_alert: MakeAlert, value: bytes) -> None:
    decided = planned(Record(value, KEY, 7, 3, topic="nps.alerts"), record_of(make_alert()))
    dead_letter = json.loads(decided.outputs[0].value or b"")

    assert [events.DEAD_LETTERS, events.DELIVERIES] == [output.topic for output in decided.outputs]
    assert ("nps.alerts", 3, 7, "wrong_type") == (
        dead_letter["topic"],
        dead_letter["partition"],
        dead_letter["offset"],
        dead_letter["reason"],
    )
    assert len(mails(decided)) == 1


@pytest.mark.parametrize("key", [b"\x00head", b"c-1\x00x", b"\x01incident:fr", b"k" * 4_001])
@pytest.mark.parametrize("is_null", [True, False])
def test_a_key_that_a_mailbox_cannot_have_touches_no_row(make_alert: MakeAlert, key: bytes, *, is_null: bool) -> None:
    record = Record(None, key) if is_null else record_of(make_alert(), key=key)
    decided = planned(record)

    assert [events.DEAD_LETTERS] == [output.topic for output in decided.outputs]
    assert decided.rows == {}


def test_an_alert_that_no_row_can_keep_is_a_dead_letter(make_alert: MakeAlert) -> None:
    """As large as Kafka takes; its row would be larger, and nothing could ever be written."""
    value = json.dumps(json.loads(make_alert().model_dump_json()) | {"x": "y" * 1_040_000}).encode()
    decided = planned(Record(value, KEY))

    assert ["too_large"] == [json.loads(output.value or b"")["reason"] for output in decided.outputs]
    assert decided.rows == {}


def test_a_severity_nobody_knows_is_garbage_too(make_alert: MakeAlert) -> None:
    value = make_alert().model_dump_json().replace('"critical"', '"apocalyptic"').encode()

    assert [events.DEAD_LETTERS] == [output.topic for output in planned(Record(value, KEY)).outputs]


# Outcomes


def test_a_mail_that_was_accepted_is_settled() -> None:
    mail = pending(left=["a@example.org"])
    found = line(EMAIL.succeed(mail, NOW + 5))

    assert pending(status=DeliveryStatus.SENT, attempts=1) == mail
    assert not mail.is_open
    assert ("sent", "accepted", 1, "2023-11-14T22:13:20.005000Z", None) == (
        found["status"],
        found["reason"],
        found["attempt"],
        found["at"],
        found["next_attempt_at"],
    )


def test_each_further_attempt_waits_longer_up_to_the_longest() -> None:
    mail, waits, now = pending(), [], NOW
    for _ in range(5):
        EMAIL.fail(mail, TEMPORARY, now, POLICY)
        waits.append((mail.due - now) / 1_000)
        now = mail.due

    assert waits == [10, 20, 40, 60, 60]
    assert (mail.status, mail.attempts) == (DeliveryStatus.DEFERRED, 5)
    assert mail.is_open


def test_a_deferral_says_when_the_next_attempt_is() -> None:
    found = line(EMAIL.fail(pending(), TEMPORARY, NOW, POLICY))

    assert ("deferred", "smtp_450", 1) == (found["status"], found["reason"], found["attempt"])
    assert datetime.fromisoformat(found["next_attempt_at"]) == datetime(2023, 11, 14, 22, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize("alarm", [False, True])
def test_a_permanent_failure_is_not_tried_again(*, alarm: bool) -> None:
    mail = pending(left=["a@example.org"])
    found = line(EMAIL.fail(mail, DeliveryError("smtp_550", retry=False, alarm=alarm), NOW, POLICY))

    assert pending(status=DeliveryStatus.FAILED, attempts=1) == mail
    assert ("failed", "smtp_550") == (found["status"], found["reason"])


def test_a_mail_is_given_up_after_as_many_attempts_as_fit_its_days() -> None:
    mail, now, waited = pending(), NOW, 0
    while mail.is_open:
        found = line(EMAIL.fail(mail, TEMPORARY, now, POLICY))
        waited, now = now - NOW, mail.due

    assert (DeliveryStatus.FAILED, "gave_up_smtp_450") == (mail.status, found["reason"])
    assert 2 * DAY - 60_000 < waited <= 2 * DAY


@pytest.mark.parametrize("jump", [-3_650 * DAY, 3_650 * DAY])
def test_a_clock_that_jumps_gives_no_mail_up(jump: int) -> None:
    mail = pending()
    EMAIL.fail(mail, TEMPORARY, NOW, POLICY)
    EMAIL.fail(mail, TEMPORARY, NOW + jump, POLICY)

    assert DeliveryStatus.DEFERRED == mail.status


def test_alerts_whose_mails_are_settled_are_orphans() -> None:
    waiting, sent = pending(delivery_id="d-1"), settled(2)
    rows = {KEY: mailbox.encode(Mailbox([waiting, sent])), b"c-7": mailbox.encode(Mailbox([settled(4)]))}
    pending_notices = {pending_notice_key(key, delivery_id): b"{}" for key, delivery_id in [(KEY, "d-1"), *ORPHANS]}

    assert {pending_notice_key(key, delivery_id) for key, delivery_id in ORPHANS} == set(
        mailbox.orphans(rows | pending_notices)
    )


def test_a_partial_refusal_narrows_the_retry_to_those_who_have_not_got_it() -> None:
    both, one = ("a@x.example", "b@x.example"), ("b@x.example",)
    errors = [DeliveryError("partly", retry=True, retry_to=again) for again in (None, both, None, one)]
    mail, left = pending(), []
    for error in errors:
        EMAIL.fail(mail, error, NOW, POLICY)
        left.append(mail.left)

    assert left == [None, list(both), list(both), list(one)]


def test_the_log_names_nobody() -> None:
    error = DeliveryError("partly", retry=True, retry_to=("a@x.example",))
    output = EMAIL.fail(pending(), error, NOW, POLICY)

    assert b"@" not in (output.value or b"")


def test_every_line_of_a_mails_life_has_an_id_of_its_own_which_a_repeat_shares() -> None:
    def life() -> list[bytes | None]:
        mail, outputs = pending(), []
        outputs.append(EMAIL.line(mail, "planned", NOW))
        outputs += [EMAIL.fail(mail, TEMPORARY, NOW, POLICY) for _ in range(3)]
        outputs.append(EMAIL.succeed(mail, NOW))
        return [dict(output.headers)["ce_id"] for output in outputs]

    assert len(set(life())) == 5
    assert life() == life()


# The row


def test_a_row_survives_being_written_and_read() -> None:
    open_mails = [
        pending(delivery_id="p"),
        pending(delivery_id="d", status=DeliveryStatus.DEFERRED, left=["a@x.example"]),
    ]
    box = Mailbox([settled(1), *open_mails])

    assert box == mailbox.decode(mailbox.encode(box))
    assert box.find("d") is box.mails[2]
    assert box.find("nobody") is None


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], False),
        ([DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED], False),
        ([DeliveryStatus.PENDING], True),
        ([DeliveryStatus.SENT, DeliveryStatus.DEFERRED], True),
    ],
)
def test_the_first_byte_says_whether_mails_are_open(statuses: list[DeliveryStatus], *, expected: bool) -> None:
    row = mailbox.encode(Mailbox([pending(status=status) for status in statuses]))

    assert expected == mailbox.has_open(row)
    assert expected == mailbox.has_open(row[:1])


def test_the_last_64_settled_mails_are_remembered_and_every_open_one() -> None:
    box = Mailbox([settled(n) for n in range(100)] + [pending(delivery_id=f"p-{n}") for n in range(100)])
    ids = [mail.delivery_id for mail in mailbox.decode(mailbox.encode(box)).mails]

    assert [f"d-{n}" for n in range(36, 100)] + [f"p-{n}" for n in range(100)] == ids


@pytest.mark.parametrize(("receivers", "each"), [(200, 8), (500, 3), (1_500, 1)])
def test_with_very_many_receivers_a_mailbox_keeps_fewer_mails_for_each_and_its_row_fits_a_record(
    receivers: int, each: int
) -> None:
    mails = [settled(n) for n in range(receivers * 10)]
    for number, mail in enumerate(mails):
        mail.alert_id = mail.delivery_id = f"{number:036}"
        mail.address_to(f"{number % receivers:063}", "r" * 63)
    row = mailbox.encode(Mailbox(mails))
    kept = Counter(mail.receiver for mail in mailbox.decode(row).mails)

    assert len(kept) == receivers
    assert min(kept.values()) == each
    assert len(row) < 600_000


def test_a_mail_settled_after_long_is_remembered_as_the_newest() -> None:
    box = mailbox.decode(mailbox.encode(Mailbox([pending(delivery_id="late"), *(settled(n) for n in range(64))])))
    late = box.find("late")
    assert late is not None
    EMAIL.succeed(late, NOW)
    ids = [mail.delivery_id for mail in mailbox.decode(mailbox.encode(box)).mails]

    assert (len(ids), ids[-1], ids[0]) == (64, "late", "d-1")


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (AttemptResult(TEMPORARY, "default", "default", []), DeliveryStatus.DEFERRED),
        (AttemptResult(None, "default", "default", []), DeliveryStatus.SENT),
        (AttemptResult(DeliveryError("smtp_550", retry=False), "default", "default", []), DeliveryStatus.FAILED),
        (AttemptResult(None, "default", "default", [], "receivers_removed"), DeliveryStatus.CANCELLED),
    ],
)
def test_with_a_mails_outcome_its_alert_is_dropped_but_for_a_mail_that_waits(
    result: AttemptResult, status: DeliveryStatus
) -> None:
    row = mailbox.encode(Mailbox([settled(1), pending(delivery_id="d-2"), pending(delivery_id="d-3")]))
    lines, rows = write_down({MailRef(0, KEY, "d-2"): result}, {KEY: row}.get, NOW, EMAIL, POLICY)

    found = mailbox.decode(rows.pop(KEY) or b"").find("d-2")
    assert found is not None
    assert (len(lines), found.status) == (1, status)
    assert (
        {mailbox.pending_notice_key(KEY, "d-2"): None} if found.status is not DeliveryStatus.DEFERRED else {}
    ) == rows


@pytest.mark.parametrize(
    ("mails", "said"),
    [
        (None, ["sent"]),
        ([pending(delivery_id="d-9")], ["sent"]),
        ([settled(1)], []),
    ],
)
def test_a_mail_that_was_accepted_when_its_customer_was_erased_is_in_the_delivery_log_all_the_same(
    mails: list[Mail] | None, said: list[str]
) -> None:
    tried = pending(delivery_id="d-1")
    rows = {} if mails is None else {KEY: mailbox.encode(Mailbox(mails))}
    for result, expected in (
        (AttemptResult(None, "default", "default", [], tried=tried), said),
        (AttemptResult(TEMPORARY, "default", "default", [], tried=tried), []),
        (AttemptResult(None, "default", "default", [], "receivers_removed"), []),
    ):
        written = write_down({MailRef(0, KEY, "d-1"): result}, rows.get, NOW, EMAIL, POLICY)
        assert [json.loads(line.value or b"")["status"] for line in written.lines] == expected
        assert written.rows == {}


def test_no_two_mails_share_a_row_whatever_the_customers_are_called() -> None:
    keys = {
        mailbox.pending_notice_key(key, mail)
        for key in (b"c", b"c-1", b"", "é".encode())
        for mail in ("d", "1d", "-1d")
    }

    assert len(keys) == 12


@pytest.mark.unmeasured
@pytest.mark.parametrize(("alerts", "length"), [(150, 9_000), (2, 600_000), (2_000, 10)])
def test_a_row_stays_below_kafkas_record_limit_while_the_mail_server_is_away(
    make_alert: MakeAlert, alerts: int, length: int
) -> None:
    customer = make_alert().customer.model_copy(update={"name": "n" * length})
    decided = planned(*(record_of(make_alert(customer=customer), f"e-{n}") for n in range(alerts)))

    assert max(len(row) for row in kept(decided).values()) < 1_000_000
    assert alerts == len(pending_notices(decided))


def test_of_a_customers_open_mails_2000_wait_and_further_ones_have_failed(make_alert: MakeAlert) -> None:
    alert = make_alert(action="withdrawn")
    waiting = [pending(delivery_id=f"p-{n}") for n in range(1_998)]
    deferred = pending(delivery_id="d", alert_id=alert.alert_id, status=DeliveryStatus.DEFERRED)
    rows = {KEY: mailbox.encode(Mailbox([settled(1), *waiting, deferred]))}
    records = [record_of(make_alert(alert_id=f"a-{n}"), f"e-{n}") for n in range(4)]
    decided = planned(*records[:3], records[1], record_of(alert), records[3], rows=rows)

    failed, cancelled = ("failed", "too_many_waiting"), ("cancelled", "withdrawn")
    assert [("pending", "planned"), failed, failed, cancelled, ("pending", "planned")] == lines(decided)
    assert {mailbox.pending_notice_key(KEY, id_of(name)) for name in ("e-0", "e-3")} == kept(decided).keys() - {KEY}
    found = mails(decided)
    assert sum(mail.is_open for mail in found) == 2_000
    assert {"d-1", id_of("e-1"), id_of("e-2"), "d"} == {mail.delivery_id for mail in found if not mail.is_open}


def test_mails_to_others_are_not_counted(make_alert: MakeAlert) -> None:
    rows = {KEY: mailbox.encode(Mailbox([pending(delivery_id=f"p-{n}") for n in range(2_000)]))}

    assert lines(planned(record_of(make_alert(), key=b"c-43"), rows=rows)) == [("pending", "planned")]


# A crash while the rows are written: a large batch is several produce batches, in the order of the rows, erasures last.


def crashed_and_replayed(records: list[Record], rows: dict[bytes, bytes], written: int) -> dict[bytes, bytes]:
    first = planned(*records, rows=rows)
    rows = rows | dict(list(kept(first).items())[:written])
    again = planned(*records, rows=rows)
    rows |= kept(again)
    return {key: row for key, row in rows.items() if key not in again.rows or again.rows[key] is not None}


@pytest.mark.parametrize("written", range(6))
def test_a_crash_leaves_no_open_mail_without_its_alert(make_alert: MakeAlert, written: int) -> None:
    records = [record_of(make_alert(), f"e-{n}", key) for n, key in enumerate([KEY, b"c-43", KEY])]
    rows = crashed_and_replayed(records, {}, written)

    assert kept(planned(*records)).keys() == rows.keys()


@pytest.mark.parametrize("written", range(2))
def test_a_crash_leaves_no_alert_of_a_mail_that_was_cancelled(make_alert: MakeAlert, written: int) -> None:
    alert = make_alert(action="withdrawn")
    box = Mailbox([pending(alert_id=alert.alert_id, status=DeliveryStatus.DEFERRED, attempts=1)])
    rows = {KEY: mailbox.encode(box), mailbox.pending_notice_key(KEY, "d-1"): b"{}"}

    assert {KEY} == crashed_and_replayed([record_of(alert)], rows, written).keys()


def test_the_retry_policy_of_the_settings_is_what_counts() -> None:
    mail = pending()
    EMAIL.fail(mail, TEMPORARY, NOW, RetryPolicy())

    assert timedelta(milliseconds=mail.due - NOW) == timedelta(minutes=5)


@pytest.mark.parametrize("waits", ["for quiet hours", "after a failure"])
def test_a_mail_that_has_waited_for_something_else_after_a_silence_is_not_silenced_any_more(waits: str) -> None:
    mail = pending()
    EMAIL.silence(mail, "s-1", NOW + 1, NOW)
    if waits == "for quiet hours":
        EMAIL.hold(mail, NOW + 5, NOW)
    else:
        EMAIL.fail(mail, TEMPORARY, NOW, POLICY)
    assert (mail.status, mail.silence) == ("deferred", "")
