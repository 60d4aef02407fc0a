"""The mails about a customer or a segment: which are due, which were sent. Pure: planning on rows, outcomes as values.

The rows are the outbox and the delivery log in one. An alert first becomes a pending mail in durable rows; only then
it is tried, so that a slow or absent SMTP server never holds the alerts back, and a crash loses no mail. A mail is
tried again under the same Message-ID. A customer's row lists the mails; while one is open, its alert lies in a row of
its own, so that no row outgrows Kafka's largest record. Once it is settled, the alert is dropped and the mail's id
kept, to recognise a repeat. Incidents are treated likewise, in rows that no customer's erasure reaches.

What goes out is the newest that is known: a later step of the same alert replaces what an open mail says, and a
withdrawal, or an incident's end, cancels it.
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
from worker.flow.batch import Decided, Output, Overlay, Record
from worker.flow.dead_letter import stray
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.record import header
from worker.flow.timestamps import from_ms, rfc3339
from worker.notify.notice import Notice, check_record, notice_in
from worker.notify.retry import RetryPolicy
from worker.notify.routing import Route, routes_for

CHANNEL = "email"

_Delivery = emitted(Delivery)
#: Settled mails kept per customer, newest last: how far back a repeated alert is recognised.
_SETTLED_KEPT = 64
#: Open mails kept per customer. So many unhappy answers of one customer, with the mail server away, are no customer's.
OPEN_KEPT = 2_000
#: The delivery log's reason for a mail beyond that.
TOO_MANY_WAITING = "too_many_waiting"
#: Between a customer's id and a mail's, in the key of an alert's row.
_NUL = b"\x00"
#: Before the key of an incident's rows: a customer may be called what an incident's key is, but with no such character.
_INCIDENT = b"\x01"
_OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEFERRED})
#: The steps that end an alert or an incident: they cancel its open mails, which would call somebody for nothing.
_ENDS = frozenset({AlertAction.WITHDRAWN, IncidentAction.RESOLVED})
#: Reasons of an update that is mailed whatever `email.actions` says: survey tools send the comment after the score, and
#: whether a customer may be called must not be known too late.
_ALWAYS_MAILED = frozenset({"comment_added", "comment_changed", "consent_changed"})
#: How many steps a mail remembers that were merged into it.
MERGED_KEPT = 4


class Mail(msgspec.Struct, array_like=True):
    """One mail. Times in ms; `due` is when to try next, and 0 for a first attempt, which waits for nothing.

    `left` narrows a retry to receivers that have not got it yet. `action` and `reason`: the step that the mail tells
    of, while the rest of it is of the newest step; empty where the newest step is the only one. `revision`: of the
    response that the newest step is about. `merged`: the mails that were not planned because this one tells what they
    would have told. `unsure`: after an attempt it was not clear whether the mail was accepted.
    """

    delivery_id: str
    alert_id: str
    route: str
    status: DeliveryStatus
    attempts: int
    planned: int
    due: int
    left: list[str] | None = None
    action: str = ""
    reason: str = ""
    revision: int = 0
    merged: list[str] = []
    unsure: bool = False

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

    def find_open(self, delivery_id: str) -> Mail | None:
        """Return a mail that is still to be sent."""
        mail = self.find(delivery_id)
        return mail if mail is not None and mail.is_open else None


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


def box_key(told: Notice, key: bytes) -> bytes:
    """Return the key of the row for what a record with this key tells."""
    return _INCIDENT + key if isinstance(told, Incident) else key


def letter_key(key: bytes, delivery_id: str) -> bytes:
    """Return the key of the row that holds an open mail's alert; a customer's id has no NUL."""
    return key + _NUL + delivery_id.encode()


def read_letter(key: bytes, letter: bytes) -> Notice:
    """Return what an open mail is about; `key` is its mailbox's."""
    return (Incident if key.startswith(_INCIDENT) else Alert).model_validate_json(letter)


def notice(mail: Mail, key: bytes, letter: bytes) -> Notice:
    """Return what an open mail is to say: the newest that is known, as the step its receivers have not heard of."""
    told = read_letter(key, letter)
    if not mail.action:
        return told
    return told.model_copy(update={"action": mail.action, "reason": mail.reason})


def orphans(rows: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the keys of alerts whose mails are settled: a crash can leave some, and they hold personal data."""
    letters = [key for key in rows if _NUL in key]
    return [letter for letter in letters if not _is_awaited(letter, rows)]


def _is_awaited(letter: bytes, rows: Mapping[bytes, bytes]) -> bool:
    key, _, delivery_id = letter.partition(_NUL)
    row = rows.get(key)
    return row is not None and has_open(row) and decode(row).find_open(delivery_id.decode()) is not None


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
        self._boxes = Overlay(read, decode, encode)

    def box(self, key: bytes) -> Mailbox:
        """Return a mailbox; what happens to it is kept."""
        box = self._boxes.get(key)
        if box is None:
            box = Mailbox()
            self._boxes.put(key, box)
        return box

    def erase(self, key: bytes) -> None:
        """Forget a customer's mails, open ones included."""
        for mail in self.box(key).mails:
            self.letters[letter_key(key, mail.delivery_id)] = None
        self._boxes.erase(key)

    def decided(self) -> Decided:
        """Return outputs and rows: alerts before the mailboxes that list them, in case only some get written."""
        return Decided(self.outputs, {**self.letters, **self._boxes.rows()}, {})


def plan(records: Iterable[Record], planner: Planner, read: Callable[[bytes], bytes | None]) -> Decided:
    """Plan the mails of a batch of alerts and incidents. A null value erases a customer's mails, open ones included."""
    desk = _Desk(planner, read)
    for record in records:
        key = record.key or b""
        try:
            check_record(record)
            if record.value is None:
                desk.erase(key)
                continue
            told = notice_in(record.value, header(record, "ce_type"))
        except (Rejected, ValidationError) as error:
            none = Rejected(Reason.WRONG_TYPE, "value: is not an alert or incident of this version")
            desk.outputs.append(stray(record, error if isinstance(error, Rejected) else none, planner.intake))
            continue
        _step(told, record, box_key(told, key), desk)
    return desk.decided()


def _step(told: Notice, record: Record, key: bytes, desk: _Desk) -> None:
    """Take one step of an alert or an incident: mails to plan, mails to say it instead, mails that lost their point."""
    box, now = desk.box(key), record.timestamp
    event_id = (header(record, "ce_id") or told.alert_id.encode()).decode(errors="replace")
    earlier = _earlier(box, told, event_id)
    is_mailed = told.action in desk.planner.actions or _is_always_mailed(told)
    if told.action in _ENDS:
        _cancel(earlier, told, key, now, desk)
    elif isinstance(told, Alert) and told.action == AlertAction.UPDATED:
        _merge(earlier, told, record, event_id if is_mailed else None, desk)
    if is_mailed:
        _plan(told, record, event_id, earlier, desk)


def _cancel(earlier: Iterable[Mail], told: Notice, key: bytes, now: int, desk: _Desk) -> None:
    for mail in earlier:
        if mail.is_open:
            desk.outputs.append(_settle(mail, DeliveryStatus.CANCELLED, told.action, now))
        desk.letters[letter_key(key, mail.delivery_id)] = None


def _merge(earlier: Iterable[Mail], told: Alert, record: Record, event_id: str | None, desk: _Desk) -> None:
    """Have open mails say what a later step says; `event_id`: the step's, if it would be mailed itself."""
    key = box_key(told, record.key or b"")
    for mail in earlier:
        if not mail.is_open or told.revision < mail.revision:
            continue
        mail.revision = told.revision
        desk.letters[letter_key(key, mail.delivery_id)] = record.value
        # Whoever may have got the mail as it was gets another one.
        if event_id is not None and mail.left is None and not mail.unsure:
            mail.merged = [*mail.merged, _delivery_id(event_id, mail.route)][-MERGED_KEPT:]
            if mail.action == AlertAction.UPDATED:
                mail.reason = told.reason


def _plan(told: Notice, record: Record, event_id: str, earlier: Sequence[Mail], desk: _Desk) -> None:
    key, now = box_key(told, record.key or b""), record.timestamp
    box = desk.box(key)
    for route in _routes(told, earlier, desk.planner):
        delivery_id = _delivery_id(event_id, route.name)
        if box.find(delivery_id) is not None or _is_no_news(told, route, earlier) or _is_merged(delivery_id, earlier):
            continue
        mail = Mail(delivery_id, told.alert_id, route.name, DeliveryStatus.PENDING, 0, now, 0)
        if isinstance(told, Alert):
            mail.action, mail.reason, mail.revision = told.action, told.reason, told.revision
        box.mails.append(mail)
        if sum(known.is_open for known in box.mails) > OPEN_KEPT:
            desk.outputs.append(_settle(mail, DeliveryStatus.FAILED, TOO_MANY_WAITING, now))
            continue
        desk.letters[letter_key(key, delivery_id)] = record.value
        desk.outputs.append(logged(mail, "planned", now))


def _is_always_mailed(told: Notice) -> bool:
    return told.action == AlertAction.UPDATED and told.reason in _ALWAYS_MAILED


def _is_merged(delivery_id: str, earlier: Iterable[Mail]) -> bool:
    return any(delivery_id in mail.merged for mail in earlier)


def _routes(told: Notice, earlier: Iterable[Mail], planner: Planner) -> list[Route]:
    """Return the routes of a step: today's; of an update that is always mailed, those that have the alert already."""
    todays = routes_for(told, planner.routes)
    if not _is_always_mailed(told):
        return todays
    names = {mail.route for mail in earlier if mail.status is not DeliveryStatus.CANCELLED}
    if told.action in planner.actions:
        names |= {route.name for route in todays}
    return [route for route in planner.routes if route.name in names] or todays


def _delivery_id(event_id: str, route: str) -> str:
    return make_id("delivery", CHANNEL, event_id, route)


def _earlier(box: Mailbox, told: Notice, event_id: str) -> list[Mail]:
    """Return the mails about earlier steps of the same alert or incident; not those of this step, if it is a repeat."""
    return [
        mail
        for mail in box.mails
        if mail.alert_id == told.alert_id and mail.delivery_id != _delivery_id(event_id, mail.route)
    ]


def _is_no_news(told: Notice, route: Route, earlier: Iterable[Mail]) -> bool:
    """Say whether this is the end of something whose beginning the route's receivers were never told of."""
    statuses = {mail.status for mail in earlier if mail.route == route.name}
    return told.action in _ENDS and statuses == {DeliveryStatus.CANCELLED}


def succeed(mail: Mail, now: int) -> Output:
    """Settle a mail that was accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    return _settle(mail, DeliveryStatus.SENT, "accepted", now)


def fail(mail: Mail, error: DeliveryError, now: int, policy: RetryPolicy) -> Output:
    """Defer or settle a mail that was not accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    mail.unsure = mail.unsure or error.unsure
    if not error.retry:
        return _settle(mail, DeliveryStatus.FAILED, error.reason, now)
    delay = policy.delay(mail.attempts)
    if delay is None:
        return _settle(mail, DeliveryStatus.FAILED, f"gave_up_{error.reason}", now)
    mail.status = DeliveryStatus.DEFERRED
    if error.retry_to is not None:
        mail.left = list(error.retry_to)
    mail.due = now + int(delay.total_seconds() * 1_000)
    return logged(mail, error.reason, now)


def cancel(mail: Mail, reason: str, now: int) -> Output:
    """Settle a mail that nobody is to get any more; return the log's line. `now` in ms."""
    return _settle(mail, DeliveryStatus.CANCELLED, reason, now)


def follow_up(box: Mailbox, mail: Mail, known: Sequence[str], now: int) -> Mail | None:
    """Plan a mail for what was merged into one while that was on its way, and so is not in it.

    `known`: what had been merged when the mail was composed. The new mail's letter is the old one's.
    """
    missed = [delivery_id for delivery_id in mail.merged if delivery_id not in known]
    if not missed or box.find(missed[-1]) is not None:
        return None
    later = Mail(missed[-1], mail.alert_id, mail.route, DeliveryStatus.PENDING, 0, now, 0, revision=mail.revision)
    later.merged = missed[:-1]
    mail.merged = [delivery_id for delivery_id in mail.merged if delivery_id not in missed]
    box.mails.append(later)
    return later


def _settle(mail: Mail, status: DeliveryStatus, reason: str, now: int) -> Output:
    mail.status, mail.left = status, None
    return logged(mail, reason, now)


def logged(mail: Mail, reason: str, now: int) -> Output:
    """Return a line of the delivery log. Its key is the alert's id: a customer's would outlive the erasure."""
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
    return outbox.event(outbox.DELIVERY, mail.alert_id.encode(), body, event_id, rfc3339(now))
