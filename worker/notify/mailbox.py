"""A customer's mails: which are due, which were sent. Pure: planning on rows, outcomes as values.

The row is the outbox and the delivery log in one. An alert first becomes a pending mail in a durable row; only then it
is tried, so that a slow or absent SMTP server never holds the alerts back, and a crash loses no mail. A mail is tried
again under the same Message-ID. Once it is settled, its text is dropped and its id kept, to recognise a repeat of its
alert.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from pydantic import ValidationError

from schemas import cloudevents
from schemas.alert import Alert, AlertAction
from schemas.dead_letter import Reason
from schemas.delivery import Delivery, DeliveryStatus
from worker.errors import DeliveryError, Rejected
from worker.flow import outbox
from worker.flow.dead_letter import dead_letter
from worker.flow.ids import make_id
from worker.flow.moment import from_ms
from worker.flow.outbox import Output
from worker.flow.policy import IntakePolicy
from worker.flow.record import DIRECT, Record, header
from worker.flow.road import Decided
from worker.notify.retry import RetryPolicy
from worker.notify.routing import Route, routes_for

CHANNEL = "email"
#: Settled mails kept per customer, newest last: how far back a repeated alert is recognised.
_SETTLED_KEPT = 64
_OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEFERRED})


class Mail(msgspec.Struct, array_like=True):
    """One mail. Times in ms; `due` is when to try next.

    `alert` is its event while the mail is open; `left` narrows a retry to receivers that have not got it yet.
    """

    delivery_id: str
    alert_id: str
    route: str
    status: DeliveryStatus
    attempts: int
    planned: int
    due: int
    alert: bytes | None
    left: list[str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the mail is still to be sent."""
        return self.status in _OPEN


class Mailbox(msgspec.Struct, array_like=True):
    """A customer's row."""

    mails: list[Mail] = msgspec.field(default_factory=list)

    def find(self, delivery_id: str) -> Mail | None:
        """Return a mail."""
        return next((mail for mail in self.mails if mail.delivery_id == delivery_id), None)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Mailbox)

#: The first byte of a row: finding the few rows with open mails among many must not decode them all.
_HAS_OPEN, _ALL_SETTLED = b"\x01", b"\x00"


def encode(mailbox: Mailbox) -> bytes:
    """Return the row."""
    settled = [mail for mail in mailbox.mails if not mail.is_open][-_SETTLED_KEPT:]
    waiting = [mail for mail in mailbox.mails if mail.is_open]
    return (_HAS_OPEN if waiting else _ALL_SETTLED) + _encoder.encode(Mailbox([*settled, *waiting]))


def decode(row: bytes) -> Mailbox:
    """Return the mailbox of a row."""
    return _decoder.decode(memoryview(row)[1:])


def has_open(row: bytes) -> bool:
    """Say whether a row has open mails, without decoding it."""
    return row.startswith(_HAS_OPEN)


class Planner(msgspec.Struct, frozen=True):
    """What planning rests on: the routes in order, the steps of an alert that are mailed."""

    routes: Sequence[Route]
    actions: Sequence[str]
    intake: IntakePolicy


def plan(records: Iterable[Record], planner: Planner, read: Callable[[bytes], bytes | None]) -> Decided:
    """Plan the mails of a batch of alerts. A null value erases its customer's mails, open ones included."""
    boxes: dict[bytes, Mailbox | None] = {}
    outputs: list[Output] = []
    for record in records:
        key = record.key or b""
        if record.value is None:
            boxes[key] = None
            continue
        try:
            alert = Alert.model_validate_json(record.value)
        except ValidationError:
            refused = Rejected(Reason.WRONG_TYPE, "value: is not an alert of this version")
            outputs.append(dead_letter(record, DIRECT, refused, record.topic, planner.intake))
            continue
        if key not in boxes:
            row = read(key)
            boxes[key] = Mailbox() if row is None else decode(row)
        box = boxes[key] or Mailbox()
        boxes[key] = box
        event_id = (header(record, "ce_id") or alert.alert_id.encode()).decode()
        outputs += _step(alert, event_id, record, box, key, planner)
    return Decided(outputs, {key: None if box is None else encode(box) for key, box in boxes.items()})


def _step(alert: Alert, event_id: str, record: Record, box: Mailbox, key: bytes, planner: Planner) -> Iterable[Output]:
    """Take one step of an alert: mails to plan, retries that lost their point."""
    if alert.action == AlertAction.WITHDRAWN:
        for mail in box.mails:
            if mail.alert_id == alert.alert_id and mail.status is DeliveryStatus.DEFERRED:
                yield _settle(mail, key, DeliveryStatus.CANCELLED, "withdrawn", record.timestamp)
    if alert.action not in planner.actions:
        return
    for route in routes_for(alert, planner.routes):
        delivery_id = make_id("delivery", CHANNEL, event_id, route.name)
        if box.find(delivery_id) is None:
            now = record.timestamp
            mail = Mail(delivery_id, alert.alert_id, route.name, DeliveryStatus.PENDING, 0, now, now, record.value)
            box.mails.append(mail)
            yield logged(mail, key, "planned", now)


def succeed(mail: Mail, key: bytes, now: int) -> Output:
    """Settle a mail that was accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    return _settle(mail, key, DeliveryStatus.SENT, "accepted", now)


def fail(mail: Mail, key: bytes, error: DeliveryError, now: int, policy: RetryPolicy) -> Output:
    """Defer or settle a mail that was not accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    age = from_ms(now) - from_ms(mail.planned)
    if not error.retry:
        return _settle(mail, key, DeliveryStatus.FAILED, error.reason, now)
    if policy.gives_up(age) and not error.alarm:
        return _settle(mail, key, DeliveryStatus.FAILED, f"gave_up_{error.reason}", now)
    mail.status = DeliveryStatus.DEFERRED
    if error.retry_to is not None:
        mail.left = list(error.retry_to)
    mail.due = now + int(policy.delay(mail.attempts).total_seconds() * 1_000)
    return logged(mail, key, error.reason, now)


def _settle(mail: Mail, key: bytes, status: DeliveryStatus, reason: str, now: int) -> Output:
    mail.status, mail.alert, mail.left = status, None, None
    return logged(mail, key, reason, now)


def logged(mail: Mail, key: bytes, reason: str, now: int) -> Output:
    """Return a line of the delivery log."""
    body = Delivery(
        delivery_id=mail.delivery_id,
        alert_id=mail.alert_id,
        channel=CHANNEL,
        route=mail.route,
        status=mail.status,
        attempt=mail.attempts,
        reason=reason,
        at=from_ms(now),
        next_attempt_at=from_ms(mail.due) if mail.status is DeliveryStatus.DEFERRED else None,
    )
    event_id = make_id("delivery-log", mail.delivery_id, mail.attempts, mail.status)
    return outbox.event(outbox.DELIVERIES, key, body, cloudevents.DELIVERY, event_id, from_ms(now).isoformat())
