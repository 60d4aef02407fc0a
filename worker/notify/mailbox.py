"""The mails about a customer or a segment: which are due, which were sent. Pure: rows.

A mail is one delivery of one channel, whatever that channel sends. Each channel has an outbox of its own, so no row
says which channel it is.

The rows are the outbox and the delivery log in one. An alert first becomes a pending mail in durable rows; only then is
it sent, so that a slow or absent SMTP server never holds the alerts back, and a crash loses no mail. A retry has the
same Message-ID. A customer's row, the mailbox, lists the mails. While a mail is open, its alert lies in a row of its
own, the pending notice, so that no row becomes larger than a record of Kafka may be. Once the mail is settled, the
pending notice is erased, and the mail's id is kept, by which a repeat is recognised. Incidents are treated in the same
way, in rows that the erasure of a customer does not touch.
"""

from collections.abc import Mapping, Sequence

import msgspec

from schemas.alert import Alert
from schemas.delivery import DeliveryStatus
from schemas.incident import Incident
from worker.notify.notice import Notice

#: Settled mails kept per customer, newest last: how far back a repeated alert is recognised.
_SETTLED_KEPT = 64
#: Between a customer's id and a mail's, in the key of an alert's row.
_NUL = b"\x00"
#: This begins the keys of an incident's rows: a customer's id may equal an incident's key, but has no such character.
_INCIDENT = b"\x01"
_OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEFERRED})


class Mail(msgspec.Struct, array_like=True):
    """One mail. Times are in ms."""

    delivery_id: str
    #: The id of the alert or incident that it is about.
    alert_id: str
    #: The route's name.
    route: str
    status: DeliveryStatus
    #: How often it was tried.
    attempts: int
    #: When it was planned.
    planned: int
    #: When to try it next; 0 for a first attempt, which is due at once.
    due: int
    #: The receivers that a retry is for; None for all of the route's.
    left: list[str] | None = None
    #: The step that the mail reports, while its content is that of the newest step; both are empty if the newest step
    #: is the only one.
    action: str = ""
    reason: str = ""
    #: The revision of the response that the newest step is about.
    revision: int = 0
    #: The delivery ids of mails that were not planned, because this one says what they would have said.
    merged: list[str] = []
    #: Whether it was not clear, after an attempt, if the mail was accepted.
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

#: The first byte of a row, by which the few rows with open mails are found without decoding all.
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


def box_key(notice: Notice, key: bytes) -> bytes:
    """Return the key of the mailbox for the notice in a record with this key."""
    return _INCIDENT + key if isinstance(notice, Incident) else key


def pending_notice_key(key: bytes, delivery_id: str) -> bytes:
    """Return the key of the row that holds what an open mail is about; a customer's id has no NUL."""
    return key + _NUL + delivery_id.encode()


def read_pending_notice(key: bytes, pending_notice: bytes) -> Notice:
    """Return what an open mail is about; `key`: its mailbox's."""
    return (Incident if key.startswith(_INCIDENT) else Alert).model_validate_json(pending_notice)


def notice(mail: Mail, key: bytes, pending_notice: bytes) -> Notice:
    """Return what an open mail is to say: the newest content, as the step that its receivers have not been sent."""
    notice = read_pending_notice(key, pending_notice)
    if not mail.action:
        return notice
    return notice.model_copy(update={"action": mail.action, "reason": mail.reason})


def orphans(rows: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the keys of pending notices whose mails are settled: a crash can leave some of this personal data."""
    return [key for key in rows if _NUL in key and not _is_awaited(key, rows)]


def _is_awaited(pending_notice: bytes, rows: Mapping[bytes, bytes]) -> bool:
    """Say whether the mail of a pending notice is open; `pending_notice`: its key."""
    key, _, delivery_id = pending_notice.partition(_NUL)
    row = rows.get(key)
    return row is not None and has_open(row) and decode(row).find_open(delivery_id.decode()) is not None


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
