"""Mailboxes: the rows of the outbox, which list the mails about a customer or a segment. Pure.

A mail is one delivery of one channel, whatever that channel sends. Each channel has an outbox of its own, so no row
names its channel.

An alert first becomes a pending mail in durable rows. Only then is it sent, so that a slow or unreachable server never
delays alerts, and a crash loses no mail. A retry has the same id. A customer's row, the mailbox, lists the mails. While
a mail is open, its alert has a row of its own, the pending notice, so that no row becomes larger than the largest
record of Kafka. Once the mail is settled, the pending notice is erased. The mailbox keeps the id of the mail, by which
a repeat is recognised. Incidents are treated in the same way, in rows that the erasure of a customer does not erase.

The table of the plans (receiver_planning.py) has mailboxes too, and a further one for each receiver, which lists the
digests.

If the channel reports erasures, the erasure of a customer has rows of its own too, which are erased once that is done.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from schemas.alert import Alert
from schemas.case import CaseAction, CaseStep
from schemas.delivery import DeliveryStatus
from schemas.erasure import Erasure
from schemas.incident import Incident
from worker.flow.batch import Record
from worker.flow.trace_context import context_of
from worker.notify.notice import Notice, Sent

#: The number of settled mails that a mailbox keeps, the newest ones. They show that an alert is repeated, and who has
#: got its beginning, and so gets its end.
_SETTLED_KEPT = 64
#: The number that it keeps in any case for each receiver. An alert may have more receivers than the number above, for
#: instance hundreds of webhooks.
_SETTLED_KEPT_EACH = 8
#: The largest number that it keeps, of all receivers together, so that its row stays smaller than Kafka's largest
#: record (1 MB by default). If there are many receivers, it therefore keeps fewer for each of them. A settled mail
#: takes about 130 bytes, and less than 300 if all names are as long as they may be.
_SETTLED_MOST = 2_000
#: The separator between a mailbox's key and a delivery id, in the key of a pending notice.
_NUL = b"\x00"
#: The first character of the keys of an incident's rows. An incident's key may equal a customer's id, but no customer's
#: id has this character.
_INCIDENT = b"\x01"
#: The first character of the keys of the rows about the erasure of a customer. The customer's id follows.
_ERASURE = b"\x02"
#: Before the value of a pending notice that is the step of a case. Alerts are JSON, and mailboxes begin with 0 or 1.
_CASE_STEP = b"case "
#: The steps of a case that ask receivers to act.
CASE_ACTIONS = frozenset({CaseAction.REMINDED, CaseAction.ESCALATED})
#: The steps of a case which say to those who have got the alert what has become of it. No alert has such an action.
CASE_NEWS = frozenset({CaseAction.ACKNOWLEDGED, CaseAction.RESOLVED, CaseAction.REOPENED})
#: The first character of the key of a receiver's mailbox, which lists the digests. The receiver's name follows.
_DIGESTS = b"\x03"
#: The first characters of rows that are no mailboxes, nor pending notices: the plans of receivers.
_NO_BOX = b"\x04"
_OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEFERRED})


class Mail(msgspec.Struct, array_like=True):
    """One mail. Times are in ms, by the wall clock. Its stored form depends on the order of the fields."""

    delivery_id: str
    #: The id of the alert or incident that it is about.
    alert_id: str
    #: The name of the route that it was planned for.
    route: str
    status: DeliveryStatus
    #: The number of attempts so far.
    attempts: int
    #: When it was planned.
    planned: int
    #: When it is tried next; 0 for the first attempt, which is due at once.
    due: int
    #: The addresses that the next attempt goes to; None for all addresses of the receiver.
    left: list[str] | None = None
    #: The action and the reason of the step that the mail reports. (Its content is always that of the newest step.)
    #: Both are empty if they are those of the pending notice.
    action: str = ""
    reason: str = ""
    #: The revision of the response in the newest step.
    revision: int = 0
    #: The delivery ids of the mails that were merged into this one: they were not planned, since this one has their
    #: content.
    merged: list[str] = []
    #: Whether an attempt has ended without showing if the mail was accepted.
    unsure: bool = False
    #: The receiver's name. Empty if it is the route's name: so it is for flat routes, also in rows of older versions.
    receiver: str = ""
    #: Whether it is deferred because of the receiver's quiet hours, and not after an attempt.
    quiet: bool = False
    #: Whether the receiver's plan decides about it, in the table of the plans. Then it counts as settled here.
    forwarded: bool = False
    #: The id of the digest that will list its notice; empty if it is a mail of its own.
    digest: str = ""
    #: By when somebody has to act on the alert's case; 0 without a time limit, or if it is not known. Only mails of
    #: receivers with plans have it.
    act_by: int = 0
    #: The names of the other receivers that get the notice by this channel. If its receiver is removed from the
    #: settings while it waits, it must not go to one of these. Only open mails of receivers with plans have it.
    others: list[str] = []
    #: The id of the silence that holds, or has held, it back; empty if none does.
    silence: str = ""
    #: The trace contexts of the first and of the newest step that it reports, if these have any (note_trace), as
    #: worker/flow/trace_context.py packs them. Only open mails have them.
    traces: list[bytes] = []

    @property
    def addressee(self) -> str:
        """The name of its receiver."""
        return self.receiver or self.route

    @property
    def sent_id(self) -> str:
        """The id under which it is sent: that of the newest step which was merged into it, if there is any.

        The worker may have ended after a server had accepted the mail, and before the row said so. What is merged
        afterwards would be taken for a copy, and dropped, if it came under the same id.
        """
        return self.merged[-1] if self.merged else self.delivery_id

    def address_to(self, receiver: str, route: str) -> None:
        """Set its receiver, and the route by which it goes there."""
        self.route, self.receiver = route, "" if receiver == route else receiver

    def note_trace(self, record: Record) -> None:
        """Note the trace context of a step that it reports, which is in the step's record."""
        context = context_of(record)
        if context is not None and context not in self.traces:
            self.traces = [*self.traces[:1], context]

    @property
    def is_about_case(self) -> bool:
        """Whether the mail is about a step of a case, and does not report the alert itself."""
        return self.action in CASE_ACTIONS or self.is_case_news

    @property
    def is_case_news(self) -> bool:
        """Whether the mail says what has become of a case that somebody works on."""
        return self.action in CASE_NEWS

    @property
    def is_open(self) -> bool:
        """Whether the mail is still to be sent."""
        return self.status in _OPEN

    @property
    def is_tried(self) -> bool:
        """Whether the mail itself is still to be sent. One whose notice waits for a digest is not sent itself."""
        return self.status in _OPEN and not self.digest


class Mailbox(msgspec.Struct, array_like=True):
    """The row of a customer or a segment."""

    mails: list[Mail] = msgspec.field(default_factory=list)

    def find(self, delivery_id: str) -> Mail | None:
        """Return the mail with this id; None if there is none."""
        return next((mail for mail in self.mails if mail.delivery_id == delivery_id), None)

    def find_open(self, delivery_id: str) -> Mail | None:
        """Return the open mail with this id; None if there is none, or if it is settled."""
        mail = self.find(delivery_id)
        return mail if mail is not None and mail.is_open else None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Mailbox)

#: The first byte of a row. By it, the few rows with open mails are found without decoding all rows.
_HAS_OPEN, _ALL_SETTLED = b"\x01", b"\x00"


def encode(mailbox: Mailbox) -> bytes:
    """Return the row of a mailbox: all open mails, and of the settled ones the newest."""
    settled = _newest([mail for mail in mailbox.mails if not mail.is_open])
    for mail in settled:
        mail.traces = []
    waiting = [mail for mail in mailbox.mails if mail.is_open]
    return (_HAS_OPEN if waiting else _ALL_SETTLED) + _encoder.encode(Mailbox([*settled, *waiting]))


def _newest(settled: list[Mail]) -> list[Mail]:
    """Return those that a mailbox keeps, in their order: the newest ones on the whole, and of each receiver."""
    older = settled[:-_SETTLED_KEPT]
    if not older:
        return settled
    newest = settled[-_SETTLED_KEPT:]
    receivers = len({mail.addressee for mail in settled})
    each = max(1, min(_SETTLED_KEPT_EACH, (_SETTLED_MOST - _SETTLED_KEPT) // receivers))
    kept, of_receiver = list[Mail](), Counter(mail.addressee for mail in newest)
    for mail in reversed(older):
        if of_receiver[mail.addressee] < each:
            of_receiver[mail.addressee] += 1
            kept.append(mail)
    return [*reversed(kept), *newest][-_SETTLED_MOST:]


def row_of(key: bytes, mailbox: Mailbox) -> bytes | None:
    """Return the row of a mailbox; None if it has to be erased, since it is about an erasure that is reported."""
    return None if is_erasure(key) and not any(mail.is_open for mail in mailbox.mails) else encode(mailbox)


def decode(row: bytes) -> Mailbox:
    """Return the mailbox of a row."""
    return _decoder.decode(memoryview(row)[1:])


def has_open(row: bytes) -> bool:
    """Say whether a row has open mails, without decoding it."""
    return row.startswith(_HAS_OPEN)


def box_key(notice: Notice, key: bytes) -> bytes:
    """Return the key of a notice's mailbox. `key`: the key of the notice's record."""
    return _INCIDENT + key if isinstance(notice, Incident) else key


def erasure_key(key: bytes) -> bytes:
    """Return the key of the mailbox about the erasure of a customer. `key`: that of the customer's mailbox."""
    return _ERASURE + key


def is_erasure(key: bytes) -> bool:
    """Say whether a mailbox is about the erasure of a customer."""
    return key.startswith(_ERASURE)


def erased_key(key: bytes) -> bytes:
    """Return the key of the mailbox of a customer whose erasure a mailbox is about."""
    return key.removeprefix(_ERASURE)


def is_of_customer(key: bytes) -> bool:
    """Say whether a row is the mailbox of a customer, by its key."""
    return _NUL not in key and not key.startswith((_INCIDENT, _ERASURE, _DIGESTS, _NO_BOX))


def digests_key(receiver: str) -> bytes:
    """Return the key of the mailbox of a receiver's digests."""
    return _DIGESTS + receiver.encode()


def is_digest(key: bytes) -> bool:
    """Say whether a mailbox lists digests. Its mails have no pending notices: those of their members say all."""
    return key.startswith(_DIGESTS)


def is_box(key: bytes) -> bool:
    """Say whether a row is a mailbox, and not a pending notice or the plan of a receiver."""
    return _NUL not in key and not key.startswith(_NO_BOX)


def pending_notice_key(key: bytes, delivery_id: str) -> bytes:
    """Return the key of an open mail's pending notice. `key`: the key of its mailbox, which has no NUL."""
    return key + _NUL + delivery_id.encode()


def pending_case_step(value: bytes) -> bytes:
    """Return the pending notice about the step of a case. `value`: the value of its record."""
    return _CASE_STEP + value


def read_pending_notice(key: bytes, pending_notice: bytes) -> Sent:
    """Return what a pending notice has to report. `key`: the key of the mailbox."""
    if is_erasure(key):
        return Erasure.model_validate_json(pending_notice)
    if pending_notice.startswith(_CASE_STEP):
        return CaseStep.model_validate_json(pending_notice.removeprefix(_CASE_STEP))
    return (Incident if key.startswith(_INCIDENT) else Alert).model_validate_json(pending_notice)


def notice(mail: Mail, key: bytes, pending_notice: bytes) -> Sent:
    """Return the notice that an open mail has to report: the newest content, with the action and reason of its step."""
    notice = read_pending_notice(key, pending_notice)
    if not mail.action:
        return notice
    return notice.model_copy(update={"action": mail.action, "reason": mail.reason})


def orphans(rows: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the keys of pending notices whose mails are settled. A crash can leave such rows, with personal data."""
    return [key for key in rows if _NUL in key and not _is_awaited(key, rows)]


def _is_awaited(pending_notice: bytes, rows: Mapping[bytes, bytes]) -> bool:
    """Say whether the mail of a pending notice is open. `pending_notice`: the key of the pending notice."""
    key, _, delivery_id = pending_notice.partition(_NUL)
    row = rows.get(key)
    return row is not None and has_open(row) and decode(row).find_open(delivery_id.decode()) is not None


def follow_up(box: Mailbox, mail: Mail, known: Sequence[str], now: int) -> Mail | None:
    """Plan a further mail for the steps that were merged into `mail` after it was composed.

    `known`: the delivery ids that had been merged into it when it was composed. The new mail has the same notice.
    Return None if there are no such steps, or if the further mail is already in the mailbox.
    """
    missed = [delivery_id for delivery_id in mail.merged if delivery_id not in known]
    if not missed or box.find(missed[-1]) is not None:
        return None
    later = Mail(missed[-1], mail.alert_id, mail.route, DeliveryStatus.PENDING, 0, now, 0, revision=mail.revision)
    later.merged, later.receiver, later.act_by, later.traces = missed[:-1], mail.receiver, mail.act_by, mail.traces
    mail.merged = [delivery_id for delivery_id in mail.merged if delivery_id not in missed]
    box.mails.append(later)
    return later
