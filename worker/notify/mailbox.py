"""The mails about a customer or a segment: which are due, which were sent. Pure: planning on rows, outcomes as values.

The rows are the outbox and the delivery log in one. An alert first becomes a pending mail in durable rows; only then
it is tried, so that a slow or absent SMTP server never holds the alerts back, and a crash loses no mail. A mail is
tried again under the same Message-ID. A customer's row lists the mails; while one is open, its alert lies in a row of
its own, so that no row outgrows Kafka's largest record. Once it is settled, the alert is dropped and the mail's id
kept, to recognise a repeat. Incidents are treated likewise, in rows that no customer's erasure reaches.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from pydantic import ValidationError

from schemas.alert import Alert, AlertAction
from schemas.dead_letter import Reason
from schemas.delivery import Delivery, DeliveryStatus
from schemas.emitted import emitted
from schemas.incident import Incident, IncidentAction
from worker.errors import DeliveryError, Rejected
from worker.flow import outbox
from worker.flow.dead_letter import dead_letter
from worker.flow.ids import make_id
from worker.flow.moment import from_ms, rfc3339
from worker.flow.outbox import Output
from worker.flow.policy import IntakePolicy
from worker.flow.record import Place, Record, header
from worker.flow.road import Decided
from worker.notify.retry import RetryPolicy
from worker.notify.routing import Route, routes_for
from worker.notify.told import Told, told_in

CHANNEL = "email"

_Delivery = emitted(Delivery)
#: Settled mails kept per customer, newest last: how far back a repeated alert is recognised.
_SETTLED_KEPT = 64
#: Open mails kept per customer. So many unhappy answers of one customer, with the mail server away, are no customer's.
_OPEN_KEPT = 2_000
#: Between a customer's id and a mail's, in the key of an alert's row.
_NUL = b"\x00"
#: Before the key of an incident's rows: a customer may be called what an incident's key is, but with no such character.
_INCIDENT = b"\x01"
_OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEFERRED})
#: Which of an alert's earlier mails a step cancels. First attempts are always made, so that how many mails a customer
#: causes does not depend on timing; but an incident that is over before anybody was told is no news any more.
_CANCELLED_BY: Mapping[str, frozenset[DeliveryStatus]] = {
    AlertAction.WITHDRAWN: frozenset({DeliveryStatus.DEFERRED}),
    IncidentAction.RESOLVED: _OPEN,
}


class Mail(msgspec.Struct, array_like=True):
    """One mail. Times in ms; `due` is when to try next, and 0 for a first attempt, which waits for nothing.

    `left` narrows a retry to receivers that have not got it yet.
    """

    delivery_id: str
    alert_id: str
    route: str
    status: DeliveryStatus
    attempts: int
    planned: int
    due: int
    left: list[str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the mail is still to be sent."""
        return self.status in _OPEN


class Mailbox(msgspec.Struct, array_like=True):
    """A customer's row, or a segment's."""

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


def box_key(told: Told, key: bytes) -> bytes:
    """Return the key of the row for what a record with this key tells."""
    return _INCIDENT + key if isinstance(told, Incident) else key


def letter_key(key: bytes, delivery_id: str) -> bytes:
    """Return the key of the row that holds an open mail's alert; a customer's id has no NUL."""
    return key + _NUL + delivery_id.encode()


def read_letter(key: bytes, letter: bytes) -> Told:
    """Return what an open mail is about; `key` is its mailbox's."""
    return (Incident if key.startswith(_INCIDENT) else Alert).model_validate_json(letter)


def changed(key: bytes, box: Mailbox, mail: Mail) -> dict[bytes, bytes | None]:
    """Return the rows to write after a mail has changed: a settled one's alert is dropped."""
    rows: dict[bytes, bytes | None] = {key: encode(box)}
    if not mail.is_open:
        rows[letter_key(key, mail.delivery_id)] = None
    return rows


def orphans(rows: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the keys of alerts whose mails are settled: a crash can leave some, and they hold personal data."""
    letters = [key for key in rows if _NUL in key]
    return [letter for letter in letters if not _is_awaited(letter, rows)]


def _is_awaited(letter: bytes, rows: Mapping[bytes, bytes]) -> bool:
    key, _, delivery_id = letter.partition(_NUL)
    row = rows.get(key)
    mail = decode(row).find(delivery_id.decode()) if row is not None and has_open(row) else None
    return mail is not None and mail.is_open


class Planner(msgspec.Struct, frozen=True):
    """What planning rests on: the routes in order, the steps of an alert or an incident that are mailed."""

    routes: Sequence[Route]
    actions: Sequence[str]
    intake: IntakePolicy


class _Desk:
    """What lies on the desk while a batch of alerts is planned."""

    def __init__(self, planner: Planner, read: Callable[[bytes], bytes | None]) -> None:
        self.planner = planner
        self.outputs: list[Output] = []
        self.letters: dict[bytes, bytes | None] = {}
        self._read = read
        self._boxes: dict[bytes, Mailbox | None] = {}

    def box(self, key: bytes) -> Mailbox:
        """Return a mailbox; what happens to it is kept."""
        if key not in self._boxes:
            row = self._read(key)
            self._boxes[key] = None if row is None else decode(row)
        box = self._boxes[key]
        if box is None:
            box = self._boxes[key] = Mailbox()
        return box

    def erase(self, key: bytes) -> None:
        """Forget a customer's mails, open ones included."""
        for mail in self.box(key).mails:
            self.letters[letter_key(key, mail.delivery_id)] = None
        self._boxes[key] = None

    def decided(self) -> Decided:
        """Return outputs and rows: alerts before the mailboxes that list them, in case only some get written."""
        boxes = {key: None if box is None else encode(box) for key, box in self._boxes.items()}
        return Decided(self.outputs, {**self.letters, **boxes}, {})


def plan(records: Iterable[Record], planner: Planner, read: Callable[[bytes], bytes | None]) -> Decided:
    """Plan the mails of a batch of alerts and incidents. A null value erases a customer's mails, open ones included."""
    desk = _Desk(planner, read)
    for record in records:
        key = record.key or b""
        if record.value is None:
            desk.erase(key)
            continue
        try:
            told = told_in(record.value, header(record, "ce_type"))
        except ValidationError:
            refused = Rejected(Reason.WRONG_TYPE, "value: is not an alert or incident of this version")
            place = Place(record.partition, record.offset)
            desk.outputs.append(dead_letter(record, place, refused, record.topic, planner.intake))
            continue
        _step(told, record, box_key(told, key), desk)
    return desk.decided()


def _step(told: Told, record: Record, key: bytes, desk: _Desk) -> None:
    """Take one step of an alert or an incident: mails to plan, mails that lost their point."""
    box, now = desk.box(key), record.timestamp
    event_id = (header(record, "ce_id") or told.alert_id.encode()).decode(errors="replace")
    earlier = _earlier(box, told, event_id) if told.action in _CANCELLED_BY else []
    for mail in earlier:
        if mail.status in _CANCELLED_BY[told.action]:
            desk.outputs.append(_settle(mail, key, DeliveryStatus.CANCELLED, told.action, now))
        if not mail.is_open:
            desk.letters[letter_key(key, mail.delivery_id)] = None
    if told.action not in desk.planner.actions:
        return
    for route in routes_for(told, desk.planner.routes):
        delivery_id = _delivery_id(event_id, route.name)
        if box.find(delivery_id) is not None or _is_no_news(told, route, earlier):
            continue
        mail = Mail(delivery_id, told.alert_id, route.name, DeliveryStatus.PENDING, 0, now, 0)
        box.mails.append(mail)
        if sum(known.is_open for known in box.mails) > _OPEN_KEPT:
            desk.outputs.append(_settle(mail, key, DeliveryStatus.FAILED, "too_many_waiting", now))
            continue
        desk.letters[letter_key(key, delivery_id)] = record.value
        desk.outputs.append(logged(mail, key, "planned", now))


def _delivery_id(event_id: str, route: str) -> str:
    return make_id("delivery", CHANNEL, event_id, route)


def _earlier(box: Mailbox, told: Told, event_id: str) -> list[Mail]:
    """Return the mails about earlier steps of the same alert or incident; not those of this step, if it is a repeat."""
    return [
        mail
        for mail in box.mails
        if mail.alert_id == told.alert_id and mail.delivery_id != _delivery_id(event_id, mail.route)
    ]


def _is_no_news(told: Told, route: Route, earlier: Iterable[Mail]) -> bool:
    """Say whether this is the end of something whose beginning the route's receivers were never told of."""
    return told.action == IncidentAction.RESOLVED and any(
        mail.status is DeliveryStatus.CANCELLED and mail.route == route.name for mail in earlier
    )


def succeed(mail: Mail, key: bytes, now: int) -> Output:
    """Settle a mail that was accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    return _settle(mail, key, DeliveryStatus.SENT, "accepted", now)


def fail(mail: Mail, key: bytes, error: DeliveryError, now: int, policy: RetryPolicy) -> Output:
    """Defer or settle a mail that was not accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    if not error.retry:
        return _settle(mail, key, DeliveryStatus.FAILED, error.reason, now)
    delay = policy.delay(mail.attempts)
    if delay is None:
        return _settle(mail, key, DeliveryStatus.FAILED, f"gave_up_{error.reason}", now)
    mail.status = DeliveryStatus.DEFERRED
    if error.retry_to is not None:
        mail.left = list(error.retry_to)
    mail.due = now + int(delay.total_seconds() * 1_000)
    return logged(mail, key, error.reason, now)


def _settle(mail: Mail, key: bytes, status: DeliveryStatus, reason: str, now: int) -> Output:
    mail.status, mail.left = status, None
    return logged(mail, key, reason, now)


def logged(mail: Mail, key: bytes, reason: str, now: int) -> Output:
    """Return a line of the delivery log."""
    body = _Delivery(
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
    return outbox.event(outbox.DELIVERY, key.removeprefix(_INCIDENT), body, event_id, rfc3339(now))
