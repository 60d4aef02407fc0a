"""Digests: mails that list many notices. A digest is a mail of its receiver, and its members are mails that name it.

Pure.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from schemas.alert import Severity
from schemas.silence import Silence
from worker.flow.batch import Read
from worker.notify import mailbox
from worker.notify.mailbox import Mail
from worker.notify.notice import Notice, Sent
from worker.routing.matching import RANK

#: The largest number of notices in one digest. More of them become several mails, which servers accept and programs
#: can show.
MOST = 1_000


class Member(NamedTuple):
    """A mail whose notice a digest lists: the key of its mailbox, and its delivery id."""

    key: bytes
    delivery_id: str


class Item(NamedTuple):
    """A notice in a digest."""

    notice: Notice
    #: By when somebody has to act on it, in ms; 0 without a time limit, or if it is not known.
    act_by: int = 0
    #: The id of the silence that has held it back; empty if none has.
    silence: str = ""
    #: The id under which it would be sent by itself (Mail.sent_id).
    sent_id: str = ""
    #: The trace contexts of the steps that it reports (Mail.traces).
    traces: Sequence[bytes] = ()


class Digest(NamedTuple):
    """What a mail says that lists many notices."""

    digest_id: str
    #: When it was closed, in ms.
    closed: int
    #: The notices, in the order in which they are listed.
    items: list[Item]
    #: The silences that are known of those that have held back some of them, by their ids.
    silences: Mapping[str, Silence] = MappingProxyType({})

    @property
    def listed(self) -> list[tuple[Notice, int, str]]:
        """What people read of its notices (content/digest_page.py): each with its time limit and its silence."""
        return [(item.notice, item.act_by, item.silence) for item in self.items]

    @property
    def severity(self) -> Severity:
        """The highest severity of its notices."""
        return max((item.notice.severity for item in self.items), key=RANK.__getitem__)


class _Sorted(msgspec.Struct, gc=False):
    """The fields by which notices are sorted."""

    severity: Severity
    alert_id: str


_read = msgspec.json.Decoder(_Sorted).decode


class Order(NamedTuple):
    """The place of a notice in a digest: the lower one comes first."""

    #: Critical notices come first, whatever their time limit is.
    is_not_critical: bool
    #: Then the earliest time limit comes first, and what has none comes last.
    has_no_limit: bool
    act_by: int
    #: The most severe notices come first.
    severity: int
    alert_id: str


#: The place of a notice that cannot be sorted, or whose severity this version does not know: it comes last.
LAST = Order(is_not_critical=True, has_no_limit=True, act_by=0, severity=1, alert_id="")


def order(mail: Mail, pending_notice: bytes) -> Order:
    """Return the place of a notice in a digest. `mail`: its own.

    A notice of another program may have NaN in a field that nobody reads. msgspec refuses it, and it comes last.
    """
    try:
        found = _read(pending_notice)
    except msgspec.DecodeError:
        return LAST
    is_critical = found.severity is Severity.CRITICAL
    return Order(not is_critical, not mail.act_by, mail.act_by, -RANK[found.severity], found.alert_id)


#: What a channel sends.
Content = Sent | Digest


class Opened(NamedTuple):
    """The content of a digest that is about to be sent."""

    items: list[Item]
    #: The members that are listed.
    listed: list[Member]
    #: Members whose content was lost.
    lost: list[Member]
    #: The delivery ids that had been merged into the members.
    known: list[str]


def opened(digest_id: str, members: Iterable[Member], read: Read) -> Opened:
    """Read the members of a digest, without those that were cancelled or erased meanwhile."""
    found: list[tuple[Order, Member, Item]] = []
    lost: list[Member] = []
    known: list[str] = []
    for member in members:
        mail = member_mail(digest_id, member, read)
        if mail is None:
            continue
        pending_notice = read(mailbox.pending_notice_key(member.key, member.delivery_id))
        if pending_notice is None:
            lost.append(member)
            continue
        notice = mailbox.notice(mail, member.key, pending_notice)
        assert isinstance(notice, Notice), "a digest lists neither erasures nor steps of cases"
        item = Item(notice, mail.act_by, mail.silence, mail.sent_id, mail.traces)
        found.append((order(mail, pending_notice), member, item))
        known += mail.merged
    found.sort(key=lambda one: one[:2])
    return Opened([item for *_, item in found], [member for _, member, _ in found], lost, known)


def split(sizes: Sequence[int], most_bytes: int | None) -> list[slice]:
    """Return which notices share a digest, in their order: at most MOST of them, and no more bytes than `most_bytes`.

    `sizes`: the sizes of the notices, in bytes. One that is larger than `most_bytes` is alone.
    """
    parts: list[slice] = []
    begin, filled = 0, 0
    for number, size in enumerate(sizes):
        is_full = most_bytes is not None and filled + size > most_bytes
        if number > begin and (is_full or number - begin == MOST):
            parts.append(slice(begin, number))
            begin, filled = number, 0
        filled += size
    return [*parts, slice(begin, len(sizes))] if sizes else []


def member_mail(digest_id: str, member: Member, read: Read) -> Mail | None:
    """Return the mail of a member; None if it does not wait for this digest any more."""
    row = read(member.key)
    mail = None if row is None else mailbox.decode(row).find_open(member.delivery_id)
    return mail if mail is not None and mail.digest == digest_id else None


class Members:
    """Which mails of a partition wait for which digest. It follows from the rows, and is kept in memory only."""

    def __init__(self) -> None:
        # By partition and digest.
        self._of: dict[tuple[int, str], set[Member]] = {}
        # By partition and key of the mailbox.
        self._in_row: dict[tuple[int, bytes], dict[Member, str]] = {}

    def note_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Note the members in these rows, which replace those that had the same keys."""
        for key, row in rows.items():
            for member, digest_id in self._in_row.pop((partition, key), {}).items():
                self._drop(partition, digest_id, member)
            if row is None or not mailbox.has_open(row):
                continue
            waiting = {
                Member(key, mail.delivery_id): mail.digest
                for mail in mailbox.decode(row).mails
                if mail.is_open and mail.digest
            }
            for member, digest_id in waiting.items():
                self._of.setdefault((partition, digest_id), set()).add(member)
            if waiting:
                self._in_row[partition, key] = waiting

    def of(self, partition: int, digest_id: str) -> list[Member]:
        """Return the members of a digest, in a fixed order."""
        return sorted(self._of.get((partition, digest_id), ()))

    def clear(self) -> None:
        """Forget all partitions."""
        self._of.clear()
        self._in_row.clear()

    def _drop(self, partition: int, digest_id: str, member: Member) -> None:
        members = self._of[partition, digest_id]
        members.discard(member)
        if not members:
            del self._of[partition, digest_id]


#: Returns the members of a digest in the partition that is decided.
MembersOf = Callable[[str], Collection[Member]]
