"""The results of attempts to send mails, and how they become rows and lines of the delivery log. Pure."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from schemas.delivery import DeliveryStatus
from worker.errors import DeliveryError
from worker.flow.batch import Output
from worker.notify import forwarded, mailbox, receiver_plan
from worker.notify.deliveries import COUNTED_IN_DIGEST, IN_DIGEST, Deliveries, final_reason
from worker.notify.digest import Member
from worker.notify.forwarded import Held, PlaceOfPlan
from worker.notify.mailbox import Mail, Mailbox, pending_notice_key
from worker.notify.receiver_plan import Plan, plan_key
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.notify.silenced import Hold


class AttemptResult(NamedTuple):
    """The result of an attempt to send a mail."""

    #: Why the mail was not accepted; None if it was, or if it was not sent at all.
    error: DeliveryError | None
    #: The name of the receiver to which the mail was sent, and that of the route by which it went there.
    receiver: str
    route: str
    #: The delivery ids that had been merged into the mail when it was composed.
    known: list[str]
    #: The reason why the mail was not sent at all, and never will be: it has no receiver any more, or it is no longer
    #: news. Otherwise None.
    nobody_left: str | None = None
    #: When the receiver's quiet hours end, in ms, if the mail was not sent because of them; otherwise None.
    held_until: int | None = None
    #: The mail as it was when it was tried; None if it was not sent at all.
    tried: Mail | None = None
    #: Of a digest: the members whose notices it had when it was composed, and those whose content was lost.
    listed: Sequence[Member] = ()
    lost: Sequence[Member] = ()
    #: Of a digest: how many of these notices it shows, if the channel does not show all of them; otherwise None.
    shown: int | None = None
    #: What a silence makes of the mail; None if none holds it back.
    silence: "Silenced | None" = None

    @property
    def is_accepted(self) -> bool:
        """Whether some receivers have got the mail."""
        if self.nobody_left is not None or self.held_until is not None or self.silence is not None:
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


class Fate(Enum):
    """What becomes of a mail that a silence holds back."""

    #: It waits where it is, and is tried again when the silence is over.
    WAIT = "wait"
    #: It is a reminder, and is not sent at all.
    DROP = "drop"
    #: Its row notes the silence. Afterwards it is always handed over, so that a crash cannot send it twice.
    MARK = "mark"
    #: It is handed over to the plan of its receiver. So is the report of an erasure, which no silence holds back.
    HAND_OVER = "hand over"
    #: Its receiver's plan is here, and gathers what the silences hold back.
    GATHER = "gather"


class Silenced(NamedTuple):
    """What silences make of a mail."""

    fate: Fate
    #: What holds it back. If it is gathered: what holds back each of the members, which leave their digest, if it is
    #: one; the mail itself, if not.
    hold: Hold | None = None
    members: Mapping[Member, Hold] = MappingProxyType({})
    #: The place of the receiver's plan, if it is handed over.
    place: PlaceOfPlan | None = None
    #: Whether it is about one critical notice, so that it counts for the cap of those.
    is_critical: bool = False


class Written(NamedTuple):
    """The lines of the delivery log, and the rows that change with them (None erases a row).

    If a mail is handed over to a receiver's plan, the message about it is among the lines.
    """

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
        if result.silence is not None:
            _hold_back(ref.key, mail, result.silence, to, now, deliveries)
            continue
        lines.append(_applied(result, mail, now, deliveries, policy))
        if mailbox.is_digest(ref.key):
            _take_members(result, mail, to, now, deliveries)
        else:
            _end_attempt(mail, ref.key, result, to, now, deliveries)
    return Written(lines, pending_notices | {key: mailbox.row_of(key, box) for key, box in boxes.items()})


def _hold_back(key: bytes, mail: Mail, silenced: Silenced, to: "_Open", now: int, deliveries: Deliveries) -> None:
    """Write down that silences hold a mail back, or notices of a digest. `key`: the key of its mailbox."""
    hold, pending_notice = silenced.hold, pending_notice_key(key, mail.delivery_id)
    match silenced.fate:
        case Fate.GATHER:
            for member, one in silenced.members.items():
                own = to.box(member.key).find_open(member.delivery_id)
                if own is not None and own.digest in ("", mail.delivery_id):
                    _gather(own, one, to, now, deliveries, is_critical=silenced.is_critical)
            return
        case Fate.MARK:
            assert hold is not None
            mail.silence = hold.silence_id
        case Fate.WAIT:
            assert hold is not None
            to.lines.append(deliveries.silence(mail, hold.silence_id, hold.until, now))
        case Fate.DROP:
            assert hold is not None
            to.lines.append(deliveries.drop(mail, hold.silence_id, now))
            to.pending_notices[pending_notice] = None
        case Fate.HAND_OVER:
            assert hold is not None
            assert silenced.place is not None
            content = to.read(pending_notice)
            if content is not None:
                message = Held(key, mail, content, hold.silence_id, hold.version, hold.until)
                to.lines.append(forwarded.held(message, silenced.place))
                # What the plan writes may be in another partition, where a rebuild of the outbox does not look.
                to.lines.append(deliveries.hand_over(mail, hold.silence_id, now))
            mail.status, mail.forwarded = DeliveryStatus.SENT, True
            to.pending_notices[pending_notice] = None


def _gather(own: Mail, hold: Hold, to: "_Open", now: int, deliveries: Deliveries, *, is_critical: bool) -> None:
    """Let a notice wait for the digest of a silence. `own`: its own mail, or the one that names its digest."""
    key = plan_key(own.addressee)
    row = to.pending_notices.get(key) or to.read(key)
    plan = Plan() if row is None else receiver_plan.decode(row)
    if not own.digest:
        receiver_plan.give_back(plan, own.planned, is_critical=is_critical)
    gathering = receiver_plan.hold_back(plan, hold.silence_id, hold.version, hold.until, own.delivery_id)
    plan.wake = min(time for time in (plan.wake, gathering.due) if time)
    to.pending_notices[key] = receiver_plan.encode(plan)
    own.digest = gathering.digest_id
    to.lines.append(deliveries.silence(own, hold.silence_id, gathering.due, now))


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
    only_counted = set() if result.shown is None else set(result.listed[result.shown :])
    for member in (*result.listed, *result.lost):
        mail = to.box(member.key).find_open(member.delivery_id)
        if mail is None or mail.digest != digest.delivery_id:
            continue
        if digest.is_open:
            mail.unsure = mail.unsure or result.may_be_accepted
        elif result.nobody_left is not None or member in result.lost:
            to.lines.append(deliveries.release(mail, now))
        else:
            reason = COUNTED_IN_DIGEST if member in only_counted else IN_DIGEST
            if result.error is not None:
                reason = final_reason(result.error)
            _settle_member(mail, member, result, digest, reason, to, now, deliveries)


def _settle_member(
    mail: Mail,
    member: Member,
    result: AttemptResult,
    digest: Mail,
    reason: str,
    to: _Open,
    now: int,
    deliveries: Deliveries,
) -> None:
    mail.address_to(result.receiver, mail.route)
    mail.attempts += 1
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
