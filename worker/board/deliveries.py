"""The latest deliveries: what became of each notice, attempt by attempt, and what digests have listed."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec

from worker.board.newest import Bounds, Index, Kept, Newest, Page, page_of
from worker.flow.batch import Record
from worker.flow.timestamps import to_ms


class _Delivery(msgspec.Struct, gc=False):
    """What is read of a line of the delivery log."""

    delivery_id: str
    alert_id: str
    channel: str
    route: str
    status: str
    attempt: int
    reason: str
    receiver: str = ""
    next_attempt_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    digest_id: str | None = None
    inhibited_by: str | None = None
    silence_id: str | None = None


class Line(Kept):
    """What happened to a delivery at one time."""

    delivery_id: str
    #: The id of the alert or the incident; for a digest, that of the digest.
    alert_id: str
    channel: str
    route: str
    receiver: str
    status: str
    #: The number of attempts so far.
    attempt: int
    reason: str
    #: In ms; None if it is not tried again.
    next_attempt_at: int | None
    #: The digest that the notice waits for or was listed in, the incident and the silence that hold it back; empty if
    #: there is none.
    digest_id: str
    inhibited_by: str
    silence_id: str


class LineQuery(NamedTuple):
    """Which deliveries are wanted. What is empty does not limit them."""

    status: str = ""
    channel: str = ""
    receiver: str = ""
    #: Where the page begins: `next` of the page before.
    after: str = ""


class Digest(NamedTuple):
    """A digest, as far as the delivery log says."""

    digest_id: str
    #: What happened to the digest itself, the oldest line first; none if it has not been sent yet.
    lines: Sequence[Line]
    #: The newest line of each notice that it lists, or that waits for it.
    members: Sequence[Line]


_read = msgspec.json.Decoder(_Delivery).decode


class DeliveryLog:
    """The latest lines of the delivery log, as nps.deliveries has them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        #: It grows with each change.
        self.version = 0
        self._newest: Newest[Line] = Newest(bounds or Bounds(), self._drop)
        self._of_alert: Index[Line] = Index()
        self._of_delivery: Index[Line] = Index()
        self._of_digest: Index[Line] = Index()

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, record: Record) -> None:
        """Take in a line. Raise one of UNREADABLE if the record is none."""
        read = _read(record.value or b"")
        line = Line(
            (record.timestamp, record.partition, record.offset),
            len(record.value or b""),
            read.delivery_id,
            read.alert_id,
            sys.intern(read.channel),
            sys.intern(read.route),
            sys.intern(read.receiver),
            sys.intern(read.status),
            read.attempt,
            sys.intern(read.reason),
            None if read.next_attempt_at is None else to_ms(read.next_attempt_at),
            sys.intern(read.digest_id or ""),
            sys.intern(read.inhibited_by or ""),
            sys.intern(read.silence_id or ""),
        )
        known = self._of_delivery.of(line.delivery_id)
        if known and msgspec.structs.replace(known[-1], place=line.place, size=line.size) == line:
            return  # it was published again
        self.version += 1
        self._of_alert.put(line.alert_id, line)
        self._of_delivery.put(line.delivery_id, line)
        self._of_digest.put(line.digest_id, line)
        self._newest.put(line)

    def forget(self, partition: int) -> None:
        """Forget what a partition had, since its topic was deleted and created again."""
        self.version += 1
        self._newest.forget(partition)

    def of_alert(self, alert_id: str) -> list[Line]:
        """Return what happened to the deliveries about an alert or an incident, the oldest line first."""
        return self._of_alert.of(alert_id)

    def of_delivery(self, delivery_id: str) -> list[Line]:
        """Return what happened to a delivery, the oldest line first."""
        return self._of_delivery.of(delivery_id)

    def latest(self, query: LineQuery, may_see: Callable[[Line], bool] | None = None) -> Page[Line]:
        """Return a page of deliveries, each by its newest line, the latest one first.

        `may_see`: says whether the person may see what a delivery is about; None for everything.
        """
        found = self._last_lines()
        if query.status:
            found = [one for one in found if one.status == query.status]
        if query.channel:
            found = [one for one in found if one.channel == query.channel]
        if query.receiver:
            found = [one for one in found if one.receiver == query.receiver]
        if may_see is not None:
            found = [one for one in found if may_see(one)]
        return page_of(found, query.after)

    def receivers(self) -> list[str]:
        """Return the names of the receivers, in order."""
        return sorted({one.receiver for one in self._newest.newest_first()} - {""})

    def digests(self, after: str = "") -> Page[Line]:
        """Return a page of digests, each by the newest line about it or about one of its members."""
        found: dict[str, Line] = {}
        for one in self._newest.newest_first():
            digest_id = one.digest_id or (one.alert_id if one.alert_id in self._of_digest else "")
            if digest_id:
                found.setdefault(digest_id, one)
        # A digest whose notices have all moved to another one is never sent.
        kept = [one for digest_id, one in found.items() if self.digest(digest_id) is not None]
        return page_of(kept, after)

    def is_digest(self, digest_id: str) -> bool:
        """Say whether an id is that of a digest, as far as is known."""
        return digest_id in self._of_digest

    def digest(self, digest_id: str) -> Digest | None:
        """Return a digest; None if nothing of it is known."""
        members: dict[str, Line] = {}
        for one in self._of_digest.of(digest_id):
            newest = self._of_delivery.of(one.delivery_id)[-1]
            if newest.digest_id == digest_id:  # while a notice waits, it may move to another digest
                members[one.delivery_id] = newest
        lines = self._of_alert.of(digest_id)
        return Digest(digest_id, lines, [*members.values()]) if lines or members else None

    def held_by(self, silence_id: str) -> int:
        """Return how many deliveries a silence holds back, as far as the kept lines say."""
        return sum(one.silence_id == silence_id and one.status == "deferred" for one in self._last_lines())

    def _last_lines(self) -> list[Line]:
        """Return the newest line of each delivery, the latest one first."""
        found: dict[str, Line] = {}
        for one in self._newest.newest_first():
            found.setdefault(one.delivery_id, one)
        return [*found.values()]

    def _drop(self, line: Line) -> None:
        self._of_alert.drop(line.alert_id, line)
        self._of_delivery.drop(line.delivery_id, line)
        self._of_digest.drop(line.digest_id, line)
