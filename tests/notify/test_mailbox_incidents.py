"""Mails about segments: as those about customers, but for what their end cancels, and out of reach of erasures."""

import json
from collections.abc import Callable

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

from schemas.alert import Alert, Severity
from schemas.delivery import DeliveryStatus
from schemas.incident import Incident
from worker.errors import DeliveryError
from worker.flow import events
from worker.notify import mailbox
from worker.notify.mailbox import Mail, Mailbox
from worker.notify.retry import RetryPolicy
from worker.routing.flat import FlatRoute

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

#: What the record's key is, and what its mailbox's is.
SEGMENT = b"incident:fr/shop-3/delivery"
BOX = b"\x01" + SEGMENT


def opened(make_incident: MakeIncident, event_id: str = "i-1", key: bytes = SEGMENT) -> Record:
    return record_of(make_incident(), event_id, key)


def resolved(make_incident: MakeIncident, event_id: str = "i-2", key: bytes = SEGMENT) -> Record:
    return record_of(make_incident(action="resolved", reason="recovered"), event_id, key)


def statuses(
    *records: Record, rows: dict[bytes, bytes], routes: tuple[FlatRoute, ...] = (DEFAULT,)
) -> list[tuple[str, str]]:
    """Return what has become of each mail in the segment's box."""
    return [(mail.delivery_id, mail.status) for mail in mails(planned(*records, rows=rows, routes=routes), BOX)]


def box_of(incident: Incident, status: DeliveryStatus, route: str = "default") -> dict[bytes, bytes]:
    """Return the rows after an incident was opened and its mail has got so far."""
    mail = pending(delivery_id=id_of("i-1", route), alert_id=incident.alert_id, route=route, status=status)
    rows = {BOX: mailbox.encode(Mailbox([mail]))}
    if mail.is_open:
        rows[mailbox.pending_notice_key(BOX, mail.delivery_id)] = incident.model_dump_json().encode()
    return rows


# Planning


def test_an_incident_becomes_a_pending_mail_and_a_line_in_the_log_under_its_own_id(
    make_incident: MakeIncident,
) -> None:
    record = opened(make_incident)
    decided = planned(record)

    assert [Mail(id_of("i-1"), make_incident().alert_id, "default", DeliveryStatus.PENDING, 0, NOW, 0)] == mails(
        decided, BOX
    )
    assert {mailbox.pending_notice_key(BOX, id_of("i-1")): record.value} == pending_notices(decided)
    assert lines(decided) == [("pending", "planned")]
    assert [make_incident().alert_id.encode()] == [output.key for output in decided.outputs]
    assert line(decided.outputs[0])["alert_id"] == make_incident().alert_id


def test_an_incident_without_a_type_in_its_header_is_planned_all_the_same(make_incident: MakeIncident) -> None:
    bare = opened(make_incident)._replace(headers=[("ce_id", b"i-1")])

    assert planned(opened(make_incident)) == planned(bare)


@pytest.mark.parametrize(
    ("action", "actions", "count"),
    [
        ("opened", ("opened", "resolved"), 1),
        ("resolved", ("opened", "resolved"), 1),
        ("resolved", ("opened",), 0),
        ("opened", ("resolved",), 0),
        ("worsened", ("opened", "resolved"), 0),
    ],
)
def test_only_the_steps_that_are_asked_for_are_mailed(
    make_incident: MakeIncident, action: str, actions: tuple[str, ...], count: int
) -> None:
    decided = planned(record_of(make_incident(action=action), "i-1", SEGMENT), actions=actions)

    assert count == len(decided.outputs) == len(mails(decided, BOX)) == len(pending_notices(decided))


def test_each_route_that_is_taken_gets_a_mail_and_a_route_for_alerts_gets_none(make_incident: MakeIncident) -> None:
    desk = FlatRoute(name="desk", kinds=["detractor"], to=["desk@example.org"])
    decided = planned(opened(make_incident), routes=(desk, BOSS, DEFAULT))

    assert ["boss", "default"] == [mail.route for mail in mails(decided, BOX)]


def test_the_same_event_again_plans_nothing(make_incident: MakeIncident) -> None:
    first = planned(opened(make_incident), opened(make_incident))
    again = planned(opened(make_incident)._replace(offset=9, timestamp=NOW + 5), rows=kept(first))

    assert len(first.outputs) == 1
    assert (again.outputs, mails(first, BOX), {}) == ([], mails(again, BOX), pending_notices(again))


def test_an_open_mail_is_read_as_what_it_is_about(make_alert: MakeAlert, make_incident: MakeIncident) -> None:
    for event, key in ((make_alert(), KEY), (make_incident(), SEGMENT), (make_incident(kind="later"), SEGMENT)):
        (row, pending_notice) = next(iter(kept(planned(record_of(event, "e-1", key))).items()))

        assert event == mailbox.read_pending_notice(row.partition(b"\x00")[0], pending_notice)


def test_the_outcomes_of_its_mail_are_logged_under_the_incidents_id(make_incident: MakeIncident) -> None:
    mail = mails(planned(opened(make_incident)), BOX)[0]
    deferred = EMAIL.fail(mail, DeliveryError("smtp_450", retry=True), NOW, RetryPolicy())
    sent = EMAIL.succeed(mail, NOW)

    incident = make_incident().alert_id.encode()
    assert [incident, incident] == [deferred.key, sent.key]


def test_its_letter_is_an_orphan_once_its_mail_is_settled(make_incident: MakeIncident) -> None:
    rows = kept(planned(opened(make_incident)))
    assert mailbox.orphans(rows) == []

    settled = box_of(make_incident(), DeliveryStatus.SENT)
    assert [mailbox.pending_notice_key(BOX, id_of("i-1"))] == mailbox.orphans(rows | settled)


# Its end


@pytest.mark.parametrize("status", [DeliveryStatus.PENDING, DeliveryStatus.DEFERRED])
def test_an_incident_that_ends_before_anybody_was_told_is_not_mailed_at_all(
    make_incident: MakeIncident, status: DeliveryStatus
) -> None:
    decided = planned(resolved(make_incident), rows=box_of(make_incident(), status))

    assert [DeliveryStatus.CANCELLED] == [mail.status for mail in mails(decided, BOX)]
    assert lines(decided) == [("cancelled", "resolved"), ("cancelled", "no_longer_news")]
    assert {mailbox.pending_notice_key(BOX, id_of("i-1")): None} == pending_notices(decided)


@pytest.mark.parametrize("status", [DeliveryStatus.SENT, DeliveryStatus.FAILED])
def test_the_end_of_an_incident_that_was_told_is_told_as_well(
    make_incident: MakeIncident, status: DeliveryStatus
) -> None:
    decided = planned(resolved(make_incident), rows=box_of(make_incident(), status))

    assert [status, DeliveryStatus.PENDING] == [mail.status for mail in mails(decided, BOX)]
    assert lines(decided) == [("pending", "planned")]


def test_the_end_is_told_to_those_who_were_told_and_to_no_others(make_incident: MakeIncident) -> None:
    sent, waiting = (
        pending(delivery_id=id_of("i-1", route), alert_id=make_incident().alert_id, route=route, status=status)
        for route, status in (("boss", DeliveryStatus.SENT), ("default", DeliveryStatus.DEFERRED))
    )
    rows = {BOX: mailbox.encode(Mailbox([sent, waiting]))}
    decided = planned(resolved(make_incident), rows=rows, routes=(BOSS, DEFAULT))

    assert lines(decided) == [("cancelled", "resolved"), ("pending", "planned"), ("cancelled", "no_longer_news")]
    assert [id_of("i-2", "boss")] == [mail.delivery_id for mail in mails(decided, BOX) if mail.is_open]


def test_both_steps_in_one_batch_come_to_nothing(make_incident: MakeIncident) -> None:
    decided = planned(opened(make_incident), resolved(make_incident))

    assert lines(decided) == [("pending", "planned"), ("cancelled", "resolved"), ("cancelled", "no_longer_news")]
    assert not any(mail.is_open for mail in mails(decided, BOX))
    assert {mailbox.pending_notice_key(BOX, id_of("i-1")): None} == pending_notices(decided)


def test_an_end_whose_beginning_nobody_knows_is_told(make_incident: MakeIncident) -> None:
    assert lines(planned(resolved(make_incident))) == [("pending", "planned")]


def test_an_end_cancels_also_where_it_is_not_mailed_itself(make_incident: MakeIncident) -> None:
    rows = box_of(make_incident(), DeliveryStatus.DEFERRED)

    assert lines(planned(resolved(make_incident), rows=rows, actions=("opened",))) == [("cancelled", "resolved")]


def test_another_incident_of_the_segment_is_left_alone(make_incident: MakeIncident) -> None:
    other = make_incident(alert_id="another")

    assert statuses(resolved(make_incident), rows=box_of(other, DeliveryStatus.DEFERRED)) == [
        (id_of("i-1"), "deferred"),
        (id_of("i-2"), "pending"),
    ]


@pytest.mark.parametrize("status", [DeliveryStatus.PENDING, DeliveryStatus.DEFERRED, DeliveryStatus.SENT])
def test_an_end_that_is_repeated_does_not_cancel_its_own_mail(
    make_incident: MakeIncident, status: DeliveryStatus
) -> None:
    own = pending(delivery_id=id_of("i-2"), alert_id=make_incident().alert_id, status=status)
    rows = {BOX: mailbox.encode(Mailbox([own]))}

    assert statuses(resolved(make_incident), rows=rows) == [(id_of("i-2"), status)]


def test_a_withdrawal_that_is_repeated_does_not_cancel_its_own_mail_either(make_alert: MakeAlert) -> None:
    alert = make_alert(action="withdrawn")
    own = pending(delivery_id=id_of("e-2"), alert_id=alert.alert_id, status=DeliveryStatus.DEFERRED)
    decided = planned(record_of(alert, "e-2"), rows={KEY: mailbox.encode(Mailbox([own]))}, actions=("withdrawn",))

    assert [DeliveryStatus.DEFERRED] == [mail.status for mail in mails(decided)]


@pytest.mark.parametrize("written", range(4))
def test_a_crash_between_the_rows_of_an_end_changes_nothing(make_incident: MakeIncident, written: int) -> None:
    before = box_of(make_incident(), DeliveryStatus.DEFERRED)
    records = [resolved(make_incident), opened(make_incident, "i-3", b"incident:")]
    first = planned(*records, rows=before)
    crashed = before | dict(list(kept(first).items())[:written])
    again = planned(*records, rows=crashed)
    rows = {key: row for key, row in (crashed | kept(again)).items() if again.rows.get(key, row) is not None}

    assert kept(first) == rows


# Erasures


def test_an_erasure_of_a_customer_called_like_an_incident_leaves_the_incident(
    make_alert: MakeAlert, make_incident: MakeIncident
) -> None:
    rows = kept(planned(opened(make_incident), record_of(make_alert(), "e-1", SEGMENT)))
    decided = planned(Record(None, SEGMENT), rows=rows)

    assert {SEGMENT: None, mailbox.pending_notice_key(SEGMENT, id_of("e-1")): None} == decided.rows


def test_the_end_of_an_incident_leaves_the_mails_of_a_customer_called_like_it(
    make_alert: MakeAlert, make_incident: MakeIncident
) -> None:
    alert = make_alert(alert_id=make_incident().alert_id)
    rows = kept(planned(record_of(alert, "e-1", SEGMENT)))
    decided = planned(resolved(make_incident), rows=rows)

    assert not any(key == SEGMENT or key.startswith(SEGMENT + b"\x00") for key in decided.rows)


def test_the_roots_incident_has_a_box_of_its_own(make_incident: MakeIncident) -> None:
    decided = planned(opened(make_incident, "i-1", b"incident:"), opened(make_incident, "i-2"))

    assert {b"\x01incident:": 1, BOX: 1} == {
        key: len(mails(decided, key)) for key in kept(decided) if b"\x00" not in key
    }


# Garbage


@pytest.mark.parametrize("event_type", [events.ALERT.type, events.INCIDENT.type, b"nps.other.v1"])
@pytest.mark.parametrize("value", [b"{}", b'{"kind": "segment_drop"}', b'{"alert_id": "a", "kind": "no_responses"}'])
def test_what_is_neither_alert_nor_incident_becomes_a_dead_letter(value: bytes, event_type: bytes) -> None:
    decided = planned(Record(value, SEGMENT, headers=[("ce_type", event_type)], topic="nps.alerts"))
    dead_letter = json.loads(decided.outputs[0].value or b"")

    assert [events.DEAD_LETTERS] == [output.topic for output in decided.outputs]
    assert (dead_letter["reason"], decided.rows) == ("wrong_type", {})
    assert "incident" in dead_letter["detail"]


def test_an_incident_of_a_severity_nobody_knows_is_a_dead_letter(make_incident: MakeIncident) -> None:
    text = make_incident(severity=Severity.ERROR).model_dump_json().replace('"error"', '"apocalyptic"')
    record = opened(make_incident)._replace(value=text.encode())

    assert [events.DEAD_LETTERS] == [output.topic for output in planned(record).outputs]
