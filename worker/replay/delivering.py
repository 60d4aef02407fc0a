"""The notices of one channel with one configuration: planned as the worker does, and sent as soon as they may be sent.

The planning is the worker's own. Only the courier is another one: every server accepts every notice at once. As the
worker's courier does, it looks at the receiver and at the quiet hours once more before it sends a notice.
"""

from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from schemas.delivery import DeliveryStatus
from schemas.erasure import Erasure
from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.record import header
from worker.notify import mailbox, planning
from worker.notify.attempts import AttemptResult, write_down
from worker.notify.deliveries import MERGED, NO_LONGER_NEWS
from worker.notify.mailbox import Mail
from worker.notify.notice import Sent, case_step_in, is_past, notice_in, urgency
from worker.notify.planning import Planner
from worker.notify.receivers import NobodyLeft, addressed
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.rebuild.records import apply
from worker.replay.outcomes import NOBODY, NotReceived, Outcome, Received

#: The kind and the action of a notice that says that a customer was erased.
ERASURE, ERASED = "erasure", "erased"
_NUL = b"\x00"
_NO_MORE = 2**62
_NOT_SENT = frozenset({DeliveryStatus.CANCELLED, DeliveryStatus.FAILED})


class _Line(msgspec.Struct):
    """The fields that are read from a line of the delivery log."""

    alert_id: str
    receiver: str
    status: str
    reason: str


class _DeadLetter(msgspec.Struct):
    """The field that is read from a dead letter."""

    reason: str


class _Due(NamedTuple):
    """An open mail, ordered by the time of its next attempt."""

    #: In ms.
    at: int
    #: The key of its mailbox.
    key: bytes
    delivery_id: str


class _Outbox(NamedTuple):
    """What a channel has in a partition."""

    rows: dict[bytes, bytes]
    #: A heap.
    queue: list[_Due]
    #: What is in the heap.
    queued: set[_Due]

    def copy(self) -> "_Outbox":
        """Return an outbox that can go another way."""
        return _Outbox({**self.rows}, [*self.queue], {*self.queued})


_read_line = msgspec.json.Decoder(_Line).decode
_read_letter = msgspec.json.Decoder(_DeadLetter).decode


def reason_of(dead_letter: Output) -> str:
    """Return the reason of a dead letter."""
    return _read_letter(dead_letter.value or b"").reason


class Deliverer:
    """The outbox of one channel in one partition. Times are in ms."""

    def __init__(self, planner: Planner, outbox: "_Outbox | None" = None) -> None:
        self._planner = planner
        self._outbox = _Outbox({}, [], set()) if outbox is None else outbox
        self._is_at_end = False
        #: The number of records that were refused, by reason, if the planner reports them.
        self.dead_letters: Counter[str] = Counter()

    def forked(self, planner: Planner) -> "Deliverer":
        """Return an outbox that goes on from the same rows with other settings, as a worker does after a restart."""
        return Deliverer(planner, self._outbox.copy())

    def take(self, record: Record) -> list[Outcome]:
        """Plan the notices of a record of the alerts topic. Return what was sent, or given up, until its time."""
        now = record.timestamp
        outcomes = self.advance(now)
        decided = planning.plan([record], self._planner, self._outbox.rows.get)
        apply(self._outbox.rows, decided.rows)
        for output in decided.outputs:
            if output.topic == events.DEAD_LETTERS:
                self.dead_letters[reason_of(output)] += 1
            else:
                outcomes += self._outcome(_read_line(output.value or b""), record)
        for key, row in decided.rows.items():
            if row is not None and _NUL not in key:
                self._queue_open(key, row, now)
        return outcomes + self.advance(now)

    def advance(self, time: int) -> list[Outcome]:
        """Send the notices that are due until a time."""
        outcomes: list[Outcome] = []
        while self._outbox.queue and self._outbox.queue[0].at <= time:
            due = heappop(self._outbox.queue)
            self._outbox.queued.discard(due)
            outcomes += self._attempt(due)
        return outcomes

    def end(self) -> list[Outcome]:
        """Return what becomes of the notices that still wait, if nothing else happens."""
        self._is_at_end = True
        return self.advance(_NO_MORE)

    def _outcome(self, line: _Line, record: Record) -> list[Outcome]:
        """Return what a line of the delivery log about a record says of those who get nothing."""
        if line.status == DeliveryStatus.NOBODY:
            notice = case_step_in(record) or notice_in(record.value or b"", header(record, "ce_type"))
            return [_received(notice, line.alert_id, NOBODY, line.reason, record.timestamp)]
        # A step may be in another notice. Its end is no news for the reason for which that was cancelled.
        if line.status in _NOT_SENT and line.reason not in {MERGED, NO_LONGER_NEWS}:
            return [NotReceived(line.alert_id, self._planner.channel, line.receiver, line.reason)]
        return []

    def _queue_open(self, key: bytes, row: bytes, now: int) -> None:
        if not mailbox.has_open(row):
            return
        for mail in mailbox.decode(row).mails:
            due = _Due(max(mail.due, now), key, mail.delivery_id)
            if mail.is_open and due not in self._outbox.queued:
                self._outbox.queued.add(due)
                heappush(self._outbox.queue, due)

    def _attempt(self, due: _Due) -> list[Outcome]:
        """Send a mail that is due, hold it because of quiet hours, or cancel it since it has no receiver any more."""
        at, key, delivery_id = due
        row, pending_notice = (
            self._outbox.rows.get(key),
            self._outbox.rows.get(mailbox.pending_notice_key(key, delivery_id)),
        )
        mails = [] if row is None else mailbox.decode(row).mails
        mail = next((one for one in mails if one.delivery_id == delivery_id and one.is_open), None)
        if mail is None or pending_notice is None or mail.due > at:
            return []  # it was sent, cancelled, erased or put off since it was queued
        notice = mailbox.notice(mail, key, pending_notice)
        result, outcomes = self._result(mail, notice, mails, at)
        written = write_down(
            {MailRef(0, key, delivery_id): result}, self._outbox.rows.get, at, self._planner.deliveries, RetryPolicy()
        )
        apply(self._outbox.rows, written.rows)
        if result.held_until is not None:
            self._queue_open(key, self._outbox.rows[key], at)
        return outcomes

    def _result(self, mail: Mail, notice: Sent, mails: list[Mail], at: int) -> tuple[AttemptResult, list[Outcome]]:
        channel = self._planner.channel
        try:
            address = addressed(mail, notice, mails, self._planner)
        except NobodyLeft as gone:
            result = AttemptResult(None, mail.addressee, mail.route, mail.merged, gone.reason)
            return result, [NotReceived(mail.alert_id, channel, mail.addressee, gone.reason)]
        receiver = address.receiver.name
        if is_past(notice, at):
            result = AttemptResult(None, receiver, address.route, mail.merged, NO_LONGER_NEWS)
            return result, [NotReceived(mail.alert_id, channel, receiver, NO_LONGER_NEWS)]
        until = None if isinstance(notice, Erasure) else address.receiver.held_until(urgency(notice), at)
        if until is not None:
            return AttemptResult(None, receiver, address.route, mail.merged, held_until=until), []
        told = _received(notice, mail.alert_id, channel, receiver, at)._replace(waits=self._is_at_end)
        return AttemptResult(None, receiver, address.route, mail.merged, tried=mail), [told]


def _received(notice: Sent, alert_id: str, channel: str, receiver: str, at: int) -> Received:
    if isinstance(notice, Erasure):
        return Received(alert_id, channel, receiver, ERASURE, "", "", ERASED, at)
    return Received(alert_id, channel, receiver, notice.kind, notice.segment, notice.severity, notice.action, at)


def deliverers(planners: Mapping[str, Planner]) -> dict[str, Deliverer]:
    """Return an empty outbox for each channel."""
    return {channel: Deliverer(planner) for channel, planner in planners.items()}
