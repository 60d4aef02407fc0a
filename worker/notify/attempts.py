"""The results of attempts to send mails, and how they become rows and lines of the delivery log. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from worker.errors import DeliveryError
from worker.flow.batch import Output
from worker.notify import mailbox
from worker.notify.deliveries import IN_DIGEST, Deliveries, final_reason
from worker.notify.digest import Member
from worker.notify.mailbox import Mail, Mailbox, pending_notice_key
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef


class AttemptResult(NamedTuple):
    """The result of an attempt to send a mail."""

    #: Why the mail was not accepted; None if it was, or if it was not sent at all.
    error: DeliveryError | None
    #: The name of the receiver to which the mail was sent, and that of the route by which it went there.
    receiver: str
    route: str
    #: The delivery ids that had been merged into the mail when it was composed.
    known: list[str]
    #: The reason why the mail was not sent at all, since it has no receiver any more; otherwise None.
    nobody_left: str | None = None
    #: When the receiver's quiet hours end, in ms, if the mail was not sent because of them; otherwise None.
    held_until: int | None = None
    #: The mail as it was when it was tried; None if it was not sent at all.
    tried: Mail | None = None
    #: Of a digest: the members that were listed when it was composed, and those whose content was lost.
    listed: Sequence[Member] = ()
    lost: Sequence[Member] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether some receivers have got the mail."""
        if self.nobody_left is not None or self.held_until is not None:
            return False
        return self.error is None or self.error.partly

    def is_unwritten(self, mail: Mail) -> bool:
        """Say whether this result is missing in the row that has `mail`: the row counts as many attempts as before it.

        If the row counts others, it has the result: its write seemed to have failed since the partition was lost, and
        the row was read back.
        """
        return self.tried is None or self.tried.attempts == mail.attempts

    @property
    def may_be_accepted(self) -> bool:
        """Whether some receivers may have got the mail."""
        return self.is_accepted or (self.error is not None and self.error.unsure)


class Written(NamedTuple):
    """The lines of the delivery log, and the rows that change with them (None erases a row)."""

    lines: list[Output]
    rows: dict[bytes, bytes | None]


def write_down(
    results: Mapping[MailRef, AttemptResult],
    read: Callable[[bytes], bytes | None],
    now: int,
    deliveries: Deliveries,
    policy: RetryPolicy,
) -> Written:
    """Return the lines and rows for the results of a channel's mails of one partition.

    Mails that were erased or cancelled meanwhile stay erased or cancelled. If an erased one was accepted, a line says
    so, which names no customer. `read` returns the row with a key, or None; `now` is in ms.
    """
    boxes: dict[bytes, Mailbox] = {}
    lines: list[Output] = []
    pending_notices: dict[bytes, bytes | None] = {}
    to = _Open(boxes, read, lines, pending_notices)
    for ref, result in results.items():
        row = read(ref.key)
        box = boxes.get(ref.key) or (Mailbox() if row is None else mailbox.decode(row))
        mail = box.find_open(ref.delivery_id)
        if mail is None:
            if result.tried is not None and result.error is None and box.find(ref.delivery_id) is None:
                lines.append(_applied(result, result.tried, now, deliveries, policy))
            continue
        boxes[ref.key] = box
        lines.append(_applied(result, mail, now, deliveries, policy))
        if mailbox.is_digest(ref.key):
            _take_members(result, mail, to, now, deliveries)
        else:
            _end_attempt(mail, ref.key, result, to, now, deliveries)
    return Written(lines, pending_notices | {key: mailbox.row_of(key, box) for key, box in boxes.items()})


class _Open(NamedTuple):
    """What is written down: the mailboxes that were read, by their keys, and what has been decided so far."""

    boxes: dict[bytes, Mailbox]
    read: Callable[[bytes], bytes | None]
    lines: list[Output]
    pending_notices: dict[bytes, bytes | None]

    def box(self, key: bytes) -> Mailbox:
        """Return the mailbox with this key; an empty one, which does not become a row, if it was erased."""
        if key not in self.boxes:
            row = self.read(key)
            if row is None:
                return Mailbox()
            self.boxes[key] = mailbox.decode(row)
        return self.boxes[key]


def _end_attempt(mail: Mail, key: bytes, result: AttemptResult, to: _Open, now: int, deliveries: Deliveries) -> None:
    """Plan a further mail about the steps that came during the attempt, and erase the content of a settled mail.

    `key`: that of the mailbox.
    """
    pending_notice = pending_notice_key(key, mail.delivery_id)
    later = mailbox.follow_up(to.box(key), mail, result.known, now) if result.may_be_accepted else None
    if later is not None:
        to.pending_notices[pending_notice_key(key, later.delivery_id)] = to.read(pending_notice)
        to.lines.append(deliveries.line(later, "planned", now))
    if not mail.is_open:
        to.pending_notices[pending_notice] = None


def _take_members(result: AttemptResult, digest: Mail, to: _Open, now: int, deliveries: Deliveries) -> None:
    """Let the result of a digest count for its members.

    Once the digest is settled, so are they. If it is not sent at all, since its receiver is gone, they become mails of
    their own, which find another receiver. The same happens to members whose content was lost; their own attempts fail.
    """
    for member in (*result.listed, *result.lost):
        mail = to.box(member.key).find_open(member.delivery_id)
        if mail is None or mail.digest != digest.delivery_id:
            continue
        if digest.is_open:
            mail.unsure = mail.unsure or result.may_be_accepted
        elif result.nobody_left is not None or member in result.lost:
            to.lines.append(deliveries.release(mail, now))
        else:
            _settle_member(mail, member, result, digest, to, now, deliveries)


def _settle_member(
    mail: Mail, member: Member, result: AttemptResult, digest: Mail, to: _Open, now: int, deliveries: Deliveries
) -> None:
    mail.address_to(result.receiver, mail.route)
    mail.attempts += 1
    reason = IN_DIGEST if result.error is None else final_reason(result.error)
    to.lines.append(deliveries.settle(mail, digest.status, reason, now, digest_id=digest.delivery_id))
    _end_attempt(mail, member.key, result, to, now, deliveries)


def _applied(result: AttemptResult, mail: Mail, now: int, deliveries: Deliveries, policy: RetryPolicy) -> Output:
    mail.address_to(result.receiver, result.route)
    if result.nobody_left is not None:
        return deliveries.cancel(mail, result.nobody_left, now)
    if result.held_until is not None:
        return deliveries.hold(mail, result.held_until, now)
    if result.error is None:
        return deliveries.succeed(mail, now)
    return deliveries.fail(mail, result.error, now, policy)
