"""The mails about a customer or a segment: which are due, which were sent. Pure: rows, and outcomes as values.

The rows are the outbox and the delivery log in one. An alert first becomes a pending mail in durable rows; only then
it is tried, so that a slow or absent SMTP server never holds the alerts back, and a crash loses no mail. A mail is
tried again under the same Message-ID. A customer's row lists the mails; while one is open, its alert lies in a row of
its own, so that no row outgrows Kafka's largest record. Once it is settled, the alert is dropped and the mail's id
kept, to recognise a repeat. Incidents are treated likewise, in rows that no customer's erasure reaches.
"""

from collections.abc import Mapping, Sequence

import msgspec

from schemas.alert import Alert
from schemas.delivery import Delivery, DeliveryStatus
from schemas.emitted import emitted
from schemas.incident import Incident
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, rfc3339
from worker.notify.notice import Notice
from worker.notify.retry import RetryPolicy

CHANNEL = "email"

_Delivery = emitted(Delivery)
#: Settled mails kept per customer, newest last: how far back a repeated alert is recognised.
_SETTLED_KEPT = 64
#: Between a customer's id and a mail's, in the key of an alert's row.
_NUL = b"\x00"
#: Before the key of an incident's rows: a customer may be called what an incident's key is, but with no such character.
_INCIDENT = b"\x01"
_OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEFERRED})


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


def succeed(mail: Mail, now: int) -> Output:
    """Settle a mail that was accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    return settle(mail, DeliveryStatus.SENT, "accepted", now)


def fail(mail: Mail, error: DeliveryError, now: int, policy: RetryPolicy) -> Output:
    """Defer or settle a mail that was not accepted; return the log's line. `now` in ms."""
    mail.attempts += 1
    mail.unsure = mail.unsure or error.unsure
    if not error.retry:
        return settle(mail, DeliveryStatus.FAILED, error.reason, now)
    delay = policy.delay(mail.attempts)
    if delay is None:
        return settle(mail, DeliveryStatus.FAILED, f"gave_up_{error.reason}", now)
    mail.status = DeliveryStatus.DEFERRED
    if error.retry_to is not None:
        mail.left = list(error.retry_to)
    mail.due = now + int(delay.total_seconds() * 1_000)
    return logged(mail, error.reason, now)


def cancel(mail: Mail, reason: str, now: int) -> Output:
    """Settle a mail that nobody is to get any more; return the log's line. `now` in ms."""
    return settle(mail, DeliveryStatus.CANCELLED, reason, now)


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


def settle(mail: Mail, status: DeliveryStatus, reason: str, now: int) -> Output:
    """Note what became of a mail that is not open any more; return the log's line. `now` in ms."""
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
    return events.output(events.DELIVERY, mail.alert_id.encode(), body, event_id, rfc3339(now))
