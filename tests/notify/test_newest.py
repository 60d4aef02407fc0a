"""What a mail says is the newest that is known: later steps of an alert replace what waits, or follow what was sent."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from flow.records import NOW, Record
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
)

from schemas.alert import Alert
from schemas.delivery import DeliveryStatus
from schemas.response import Consent
from worker.errors import DeliveryError
from worker.notify import mailbox
from worker.notify.attempts import AttemptResult, write_down
from worker.notify.mailbox import Mail, Mailbox, pending_notice_key
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.routing.flat import FlatRoute

MakeAlert = Callable[..., Alert]

POLICY = RetryPolicy()
UNSURE = DeliveryError("disconnected", retry=True, unsure=True)
PARTLY = DeliveryError("recipients_refused_partly", retry=True, partly=True, retry_to=("boss@example.org",))


def updated(make_alert: MakeAlert, event_id: str = "e-2", reason: str = "comment_added", **changes: Any) -> Record:
    usual: dict[str, Any] = {"action": "updated", "reason": reason, "revision": 1, "comment": "Nobody answers."}
    return record_of(make_alert(**(usual | changes)), event_id)


def open_rows(make_alert: MakeAlert, **changes: Any) -> dict[bytes, bytes]:
    """Return the rows after an alert was opened and its mail has got so far."""
    rows = kept(planned(record_of(make_alert())))
    box = mailbox.decode(rows[KEY])
    box.mails[0] = msgspec.structs.replace(box.mails[0], **changes)
    return rows | {KEY: mailbox.encode(box)}


def said(rows: dict[bytes, bytes], delivery_id: str) -> Alert:
    """Return what a mail says if it goes out now."""
    mail = mailbox.decode(rows[KEY]).find_open(delivery_id)
    assert mail is not None
    found = mailbox.notice(mail, KEY, rows[pending_notice_key(KEY, delivery_id)])
    assert isinstance(found, Alert)
    return found


def rows_after(*records: Record, rows: dict[bytes, bytes], **options: Any) -> dict[bytes, bytes]:
    decided = planned(*records, rows=rows, **options)
    return {key: row for key, row in (rows | kept(decided)).items() if decided.rows.get(key, row) is not None}


@pytest.mark.parametrize("status", [DeliveryStatus.PENDING, DeliveryStatus.DEFERRED])
def test_a_mail_that_waits_says_what_a_later_step_says_as_an_alert_that_is_new(
    make_alert: MakeAlert, status: DeliveryStatus
) -> None:
    later = updated(make_alert, reason="corrected", score=5, consent=Consent(callback=False))
    rows = rows_after(later, rows=open_rows(make_alert, status=status))

    found = said(rows, id_of("e-1"))
    assert (found.score, found.consent.callback, found.comment) == (5, False, "Nobody answers.")
    assert (found.action, found.reason) == ("opened", "detractor")
    assert len(mailbox.decode(rows[KEY]).mails) == 1


@pytest.mark.parametrize("reason", ["comment_added", "comment_changed", "consent_changed"])
@pytest.mark.parametrize("actions", [(), ("opened",), ("opened", "updated")])
def test_a_comment_or_consent_that_comes_later_is_always_mailed(
    make_alert: MakeAlert, reason: str, actions: tuple[str, ...]
) -> None:
    rows = open_rows(make_alert, status=DeliveryStatus.SENT)
    decided = planned(updated(make_alert, reason=reason), rows=rows, actions=actions)

    assert lines(decided) == [("pending", "planned")]
    found = said(rows | kept(decided), id_of("e-2"))
    assert (found.action, found.reason, found.comment) == ("updated", reason, "Nobody answers.")


def test_a_plain_correction_is_mailed_only_if_it_is_asked_for(make_alert: MakeAlert) -> None:
    rows, later = open_rows(make_alert, status=DeliveryStatus.SENT), updated(make_alert, reason="corrected")

    assert lines(planned(later, rows=rows)) == []
    assert lines(planned(later, rows=rows, actions=("opened", "updated"))) == [("pending", "planned")]


@pytest.mark.parametrize("actions", [("opened",), ("opened", "updated")])
def test_what_is_merged_into_a_mail_that_waits_is_no_mail_of_its_own_also_if_it_is_repeated_later(
    make_alert: MakeAlert, actions: tuple[str, ...]
) -> None:
    later = updated(make_alert)
    rows = rows_after(later, rows=open_rows(make_alert), actions=actions)
    assert len(mailbox.decode(rows[KEY]).mails) == 1

    sent = write_down({MailRef(0, KEY, id_of("e-1")): result_of(rows)}, rows.get, NOW, EMAIL, POLICY)
    assert len(sent.lines) == 1
    rows = {key: row for key, row in (rows | sent.rows).items() if row is not None}
    assert lines(planned(later, rows=rows, actions=actions)) == []


@pytest.mark.parametrize(("reason", "expected"), [("comment_added", ["merged"]), ("corrected", [])])
def test_the_delivery_log_says_that_a_step_was_merged_if_it_would_have_been_a_mail(
    make_alert: MakeAlert, reason: str, expected: list[str]
) -> None:
    rows = open_rows(make_alert)
    decided = planned(updated(make_alert, reason=reason), rows=rows)
    again = planned(updated(make_alert, reason=reason)._replace(timestamp=NOW + 5), rows=rows)

    said = [line(output) for output in decided.outputs]
    assert [one["reason"] for one in said] == expected
    assert {one["delivery_id"] for one in said} <= {id_of("e-2")}
    assert {(one["status"], one["receiver"], one["attempt"]) for one in said} <= {("cancelled", "default", 0)}
    # A repeat has the same id, by which readers recognise it.
    assert [dict(one.headers)["ce_id"] for one in again.outputs] == [dict(o.headers)["ce_id"] for o in decided.outputs]


def result_of(rows: dict[bytes, bytes], error: DeliveryError | None = None) -> AttemptResult:
    """Return the result of an attempt that begins now."""
    [mail] = mailbox.decode(rows[KEY]).mails
    return AttemptResult(error, mail.addressee, mail.route, mail.merged)


def test_a_follow_up_goes_where_the_alert_went(make_alert: MakeAlert) -> None:
    boss = pending(
        delivery_id=id_of("e-1", "boss"), alert_id=make_alert().alert_id, route="boss", status=DeliveryStatus.SENT
    )
    rows = {KEY: mailbox.encode(Mailbox([boss]))}
    first = FlatRoute(name="first", to=["first@example.org"])
    decided = planned(updated(make_alert), rows=rows, routes=(first, BOSS, DEFAULT))

    assert ["boss"] == [mail.route for mail in mails(decided) if mail.is_open]


def test_and_by_todays_routes_where_nobody_knows_any_more(make_alert: MakeAlert) -> None:
    assert ["boss", "default"] == [mail.route for mail in mails(planned(updated(make_alert), routes=(BOSS, DEFAULT)))]


@pytest.mark.parametrize("error", [None, UNSURE, PARTLY])
def test_what_comes_while_a_mail_is_on_its_way_follows_it(make_alert: MakeAlert, error: DeliveryError | None) -> None:
    rows = open_rows(make_alert)
    result = result_of(rows, error)
    rows = rows_after(updated(make_alert), rows=rows)

    written = write_down({MailRef(0, KEY, id_of("e-1")): result}, rows.get, NOW, EMAIL, POLICY)

    rows = {key: row for key, row in (rows | written.rows).items() if row is not None}
    found = said(rows, id_of("e-2"))
    assert (found.action, found.reason, found.comment) == ("updated", "comment_added", "Nobody answers.")
    assert lines(planned(updated(make_alert), rows=rows)) == []


def test_what_comes_while_a_mail_is_refused_is_in_its_next_attempt(make_alert: MakeAlert) -> None:
    rows = open_rows(make_alert)
    result = result_of(rows, DeliveryError("smtp_451", retry=True))
    rows = rows_after(updated(make_alert), rows=rows)

    written = write_down({MailRef(0, KEY, id_of("e-1")): result}, rows.get, NOW, EMAIL, POLICY)

    rows = {key: row for key, row in (rows | written.rows).items() if row is not None}
    assert said(rows, id_of("e-1")).comment == "Nobody answers."
    assert len(mailbox.decode(rows[KEY]).mails) == 1


@pytest.mark.parametrize("changes", [{"left": ["boss@example.org"]}, {"unsure": True}])
def test_whoever_may_have_got_the_mail_as_it_was_gets_another_one(
    make_alert: MakeAlert, changes: dict[str, Any]
) -> None:
    rows = open_rows(make_alert, status=DeliveryStatus.DEFERRED, **changes)
    decided = planned(updated(make_alert), rows=rows)

    assert [id_of("e-1"), id_of("e-2")] == [mail.delivery_id for mail in mails(decided)]
    assert (
        pending_notices(decided)[pending_notice_key(KEY, id_of("e-1"))]
        == pending_notices(decided)[pending_notice_key(KEY, id_of("e-2"))]
    )


def test_an_older_step_that_is_repeated_replaces_nothing(make_alert: MakeAlert) -> None:
    old, new = updated(make_alert, "e-2"), updated(make_alert, "e-3", revision=2, comment="newest")
    rows = rows_after(old, new, old, rows=open_rows(make_alert))

    assert said(rows, id_of("e-1")).comment == "newest"


def test_several_steps_that_wait_are_one_mail(make_alert: MakeAlert) -> None:
    steps = [updated(make_alert, f"e-{n}", revision=n, comment=f"{n}") for n in range(2, 40)]
    rows = rows_after(*steps, rows=open_rows(make_alert, status=DeliveryStatus.SENT))

    assert [id_of("e-2")] == [mail.delivery_id for mail in mailbox.decode(rows[KEY]).mails if mail.is_open]
    assert said(rows, id_of("e-2")).comment == "39"


def test_a_withdrawal_while_the_mail_server_is_away_leaves_nothing_to_send(make_alert: MakeAlert) -> None:
    withdrawn = record_of(make_alert(action="withdrawn", revision=2, score=9), "e-3")
    rows = rows_after(updated(make_alert), withdrawn, rows=open_rows(make_alert))

    assert not mailbox.has_open(rows[KEY])
    assert rows.keys() == {KEY}


def test_a_row_of_the_version_before_is_read_and_its_mail_is_sent_as_it_is(make_alert: MakeAlert) -> None:
    old = b"\x01" + msgspec.msgpack.encode([[["d-1", make_alert().alert_id, "default", "pending", 0, NOW, 0, None]]])
    [mail] = mailbox.decode(old).mails
    pending_notice = make_alert().model_dump_json().encode()

    assert Mail("d-1", make_alert().alert_id, "default", DeliveryStatus.PENDING, 0, NOW, 0) == mail
    assert mailbox.notice(mail, KEY, pending_notice) == make_alert()
    assert (
        rows_after(updated(make_alert), rows={KEY: old, pending_notice_key(KEY, "d-1"): pending_notice})[
            pending_notice_key(KEY, "d-1")
        ]
        == updated(make_alert).value
    )
