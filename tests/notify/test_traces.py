"""The trace contexts of waiting notices, which come from the steps of alerts and are kept until a notice is settled."""

from typing import Any

import msgspec
from flow.records import NOW, Record
from flow.traces import packed, traced
from notify.bundles import Desk, alert_of, desk
from notify.mailboxes import EMAIL, kept, mails, planned, record_of

from schemas.alert import Alert, AlertAction, AlertReason
from schemas.delivery import DeliveryStatus
from worker.notify import digest, forwarded, mailbox
from worker.notify.attempts import AttemptResult, write_down
from worker.notify.forwarded import PlaceOfPlan
from worker.notify.mailbox import Mail, Mailbox
from worker.notify.planning import MERGED_KEPT, OPEN_KEPT
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef

ACTIONS = ("opened", "updated")


def step(alert: Alert, event_id: str, trace: int | None) -> Record:
    record = record_of(alert, event_id, key=alert.customer_id.encode())
    return record if trace is None else record._replace(headers=[*record.headers, *traced(trace)])


def updated(alert: Alert, revision: int) -> Alert:
    changes = {"action": AlertAction.UPDATED, "reason": AlertReason.COMMENT_ADDED, "revision": revision}
    return alert.model_copy(update=changes)


def of(alert: Alert, *steps: Record) -> list[Mail]:
    return mails(planned(*steps, actions=ACTIONS), alert.customer_id.encode())


def test_a_mail_has_the_context_of_its_step() -> None:
    alert = alert_of(1)
    (mail,) = of(alert, step(alert, "e-1", 1))
    assert mail.traces == [packed(1)]


def test_an_invalid_context_is_left_out() -> None:
    alert = alert_of(1)
    record = step(alert, "e-1", None)
    (mail,) = of(alert, record._replace(headers=[*record.headers, ("traceparent", b"00-1-2-01")]))
    assert mail.traces == []


def test_a_mail_that_reports_several_steps_has_the_contexts_of_the_first_and_the_newest() -> None:
    alert = alert_of(1)
    steps = [step(updated(alert, number), f"e-{number}", number) for number in (2, 3, 3, 4)]
    assert [packed(1), packed(4)] == of(alert, step(alert, "e-1", 1), *steps)[0].traces
    assert [packed(4)] == of(alert, step(alert, "e-1", None), steps[-1])[0].traces
    assert [packed(1)] == of(alert, step(alert, "e-1", 1), step(updated(alert, 2), "e-2", 1))[0].traces


def written(decided: Any, mail: Mail, known: list[str], key: bytes) -> list[Mail]:
    """Return the mails after the first one was accepted, when `known` was all that was merged into it."""
    result = AttemptResult(None, mail.addressee, mail.route, known, tried=mail)
    ref = MailRef(0, key, mail.delivery_id)
    rows = write_down({ref: result}, kept(decided).get, NOW, EMAIL, RetryPolicy()).rows
    return mailbox.decode(rows[key] or b"").mails


def test_a_settled_mail_has_no_context_any_more_and_a_further_mail_has_it() -> None:
    alert = alert_of(1)
    key = alert.customer_id.encode()
    decided = planned(step(alert, "e-1", 1), step(updated(alert, 2), "e-2", 2), actions=ACTIONS)
    (mail,) = mails(decided, key)
    assert written(decided, mail, mail.merged, key)[0].traces == []
    sent, further = written(decided, mail, [], key)
    assert (sent.status, sent.traces) == (DeliveryStatus.SENT, [])
    assert (further.status, further.traces) == (DeliveryStatus.PENDING, [packed(1), packed(2)])


def test_a_row_of_the_version_before_is_read() -> None:
    mail = Mail("d-1", "a-1", "desk", DeliveryStatus.PENDING, 0, NOW, 0)
    older = msgspec.msgpack.encode([[msgspec.to_builtins(mail)[:-1]]])
    assert mailbox.decode(b"\x01" + older).mails == [mail]


def test_a_row_of_this_version_is_read_by_the_version_before() -> None:
    class Older(msgspec.Struct, array_like=True):
        delivery_id: str
        alert_id: str

    mail = Mail("d-1", "a-1", "desk", DeliveryStatus.PENDING, 0, NOW, 0, traces=[packed(1)])
    row = mailbox.encode(Mailbox([mail]))
    assert [[Older("d-1", "a-1")]] == msgspec.msgpack.decode(row[1:], type=list[list[Older]])


def test_a_notice_in_the_plan_of_a_receiver_has_the_context_of_its_step() -> None:
    place = Desk()
    alert = alert_of(1)
    place.say(step(alert, "e-1", 1))
    ((mail,),) = [mailbox.decode(row).mails for key, row in place.plans.items() if key == alert.customer_id.encode()]
    assert mail.traces == [packed(1)]
    outbox = mailbox.decode(place.outbox[alert.customer_id.encode()]).mails
    assert [(one.forwarded, one.traces) for one in outbox] == [(True, [])]


def test_a_digest_has_the_contexts_of_its_notices() -> None:
    place = Desk(desk())
    for number in range(1, 9):
        alert = alert_of(number)
        place.say(step(alert, f"e-{number}", number))
    place.wait(60 * 60_000)
    (key,) = [key for key in place.plans if mailbox.is_digest(key)]
    (waiting,) = place.waiting(key)
    found = digest.opened(waiting.delivery_id, place.members.of(0, waiting.delivery_id), place.plans.get)
    assert len(found.items) > 1
    number_of = {item.notice.alert_id: item.traces for item in found.items}
    assert all(traces == [packed(int(alert_id[2:]))] for alert_id, traces in number_of.items())


def test_a_forwarded_notice_of_the_version_before_has_no_context() -> None:
    record = step(alert_of(1), "e-1", 1)
    output = forwarded.forward(record, "e-1", [], PlaceOfPlan("notices", 0))
    message = forwarded.read(Record(output.value))
    assert message.trace == packed(1)
    older = msgspec.msgpack.encode(msgspec.to_builtins(message, builtin_types=(bytes,))[:-1])
    read = forwarded.read(Record(older))
    assert (read.event_id, read.trace) == (message.event_id, None)
    assert ["ce_id", "ce_type"] == [name for name, _ in forwarded.original(read, record).headers]


def test_a_repeated_step_changes_no_context() -> None:
    alert = alert_of(1)
    key = alert.customer_id.encode()
    first = planned(step(alert, "e-1", 1))
    again = planned(step(alert, "e-1", 1), rows=kept(first))
    assert mails(first, key) == mails(again, key)


def test_the_row_of_as_many_open_mails_as_there_may_be_fits_a_record_of_kafka() -> None:
    """Each mail has as much as a mail can have, with names of 40 characters."""
    ids = [f"{number:036x}" for number in range(6)]
    longest = Mail(
        ids[0], ids[1], "r" * 40, DeliveryStatus.DEFERRED, 9, NOW, NOW, action="updated", reason="comment_changed"
    )
    longest.merged, longest.silence, longest.receiver = ids[:MERGED_KEPT], ids[5], "n" * 40
    longest.traces = [packed(1), packed(2)]
    assert len(mailbox.encode(Mailbox([longest] * OPEN_KEPT))) < 1_000_000
