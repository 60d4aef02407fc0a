"""The open mails, and when each may be sent. Pure. Times are in ms, of a monotonic clock.

A row lists all open mails of a customer, and is written again after each attempt. So a mail is only queued if it is new
or its time has changed. Otherwise the queue would grow with the square of the number of a customer's open mails.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from worker.notify.mailbox import Mail

#: Obsolete entries are removed from the queue if it has more entries than this, and most of them are obsolete.
_TIDY_FROM = 1_000


class MailRef(NamedTuple):
    """A mail's place: the partition of the outbox, the key of its mailbox, and its delivery id."""

    partition: int
    key: bytes
    delivery_id: str


class _Entry(NamedTuple):
    """An entry of the queue. Entries are ordered by their fields.

    The mailboxes of customers (or segments) take turns, so that many mails of one customer do not delay those of
    others. A mail that has waited until its time has its turn as if it had just come. Otherwise it would wait for as
    long as there are new ones.
    """

    #: The time from which on the mail may be sent. It is 0 for a first attempt, and once the time has come.
    at: int
    #: The number of the turn in which it is sent.
    turn: int
    #: When it was planned, which decides within a turn.
    planned: int
    ref: MailRef


class _Open(NamedTuple):
    """An open mail."""

    #: The time in its row, by the wall clock.
    due: int
    receiver: str
    #: The silence that holds it back; empty if none does.
    silence: str
    #: Since when it is to be sent, by the wall clock: quiet hours and silences do not count. It may be in the future.
    since: int
    #: Its entry in the queue. Other entries of this mail are obsolete.
    entry: _Entry


class Standing(NamedTuple):
    """The open mails at one moment."""

    #: The number of those that should have been sent, or are tried again.
    unsent: int
    #: The number of those that quiet hours or a silence hold back.
    held: int
    #: Since when the oldest unsent one is to be sent, in ms by the wall clock; None if there is none.
    oldest: int | None


def _planned(mail: Mail) -> int:
    return mail.planned


class Schedule:
    """The open mails of the partitions that this worker owns. Those that are not in flight wait in a queue."""

    def __init__(self) -> None:
        # The open mails by the partition and key of their mailbox, and by their delivery id.
        self._open: dict[tuple[int, bytes], dict[str, _Open]] = {}
        # The mails that may be sent, in their order; and those whose time has not come.
        self._queue: list[_Entry] = []
        self._later: list[_Entry] = []
        # The number of all open mails.
        self._size = 0
        # The current turn. A mailbox's first mail gets this turn, and each further one the next turn.
        self._turn = 0
        self._in_flight: set[MailRef] = set()
        # The number of the last probe of each mail and of each receiver in the current outage.
        self._probed: dict[MailRef | str, int] = {}
        # The number of probes so far.
        self._probes = 0

    @property
    def entries(self) -> int:
        """The number of entries of the queues, including obsolete ones."""
        return len(self._queue) + len(self._later)

    def put(self, partition: int, key: bytes, mails: Iterable[Mail], at: Callable[[Mail], int]) -> None:
        """Replace the open mails of a row. `at` returns the time from which on a mail may be sent."""
        known = self._open.pop((partition, key), {})
        found: dict[str, _Open] = {}
        turn = self._turn
        for mail in sorted(mails, key=_planned):
            same = known.get(mail.delivery_id)
            if same is not None and (same.due, same.silence) == (mail.due, mail.silence):
                found[mail.delivery_id] = same
                turn = max(turn, same.entry.turn + 1)
                continue
            ref = MailRef(partition, key, mail.delivery_id)
            entry = _Entry(at(mail), turn, mail.planned, ref)
            since = mail.planned if same is None else same.since
            if mail.quiet or mail.silence:
                since = mail.due
            found[mail.delivery_id] = _Open(mail.due, mail.addressee, mail.silence, since, entry)
            turn += 1
            if ref not in self._in_flight:
                self._push(entry)
        if found:
            self._open[partition, key] = found
        self._size += len(found) - len(known)
        self._tidy()

    def forget(self, ref: MailRef) -> None:
        """Remove a mail that is not open any more."""
        mails = self._open.get((ref.partition, ref.key), {})
        if mails.pop(ref.delivery_id, None) is not None:
            self._size -= 1
        if not mails:
            self._open.pop((ref.partition, ref.key), None)

    def clear(self) -> None:
        """Remove all mails. Those in flight stay in flight."""
        self._open.clear()
        self._queue.clear()
        self._later.clear()
        self._size = 0
        self.outage_ended()

    def hasten(self, ref: MailRef, now: int) -> None:
        """Let a mail be sent now, if it is open and waits."""
        found = self._find(ref)
        if found is not None and found.entry.at > now:
            self._move(ref, found, now)

    def hasten_silenced(self, silence_id: str, now: int) -> None:
        """Let all mails be tried now that a silence holds back."""
        for mails in [*self._open.values()]:
            for mail in [mail for mail in mails.values() if mail.silence == silence_id]:
                self.hasten(mail.entry.ref, now)

    def hasten_shortened(self, over_at: Callable[[str], int | None], now: int, partition: int | None = None) -> None:
        """Let all mails be tried now whose rows name a later time than that at which their silence is over.

        `over_at` returns that time by the wall clock; None if a silence is not known.
        `partition`: the only partition that is looked at; None for all.
        """
        boxes = [mails for (number, _), mails in self._open.items() if partition in (None, number)]
        for mails in boxes:
            for mail in [mail for mail in mails.values() if mail.silence]:
                over = over_at(mail.silence)
                if over is not None and over < mail.due:
                    self.hasten(mail.entry.ref, now)

    def postpone(self, ref: MailRef, at: int) -> None:
        """Let an open mail wait until `at`."""
        if (found := self._find(ref)) is not None:
            self._move(ref, found, at)

    def take(self, now: int) -> MailRef | None:
        """Return the next mail that may be sent, which is in flight from now on; None if there is none."""
        self._note_time(now)
        self._skip_obsolete(self._queue)
        if not self._queue:
            return None
        entry = heappop(self._queue)
        ref = entry.ref
        self._turn = max(self._turn, entry.turn)
        self._in_flight.add(ref)
        return ref

    def probe(self, now: int) -> MailRef | None:
        """Return a mail to try during an outage, which is in flight from now on; None if there is none.

        Each time it is another mail, and to another receiver if there is one.
        """
        due = [mail for mails in self._open.values() for mail in mails.values() if self._may_go(mail, now)]
        if not due:
            return None
        chosen = min(due, key=self._probe_order)
        ref = chosen.entry.ref
        queue = self._queue_of(chosen.entry)
        queue.remove(chosen.entry)
        heapify(queue)
        self._probes += 1
        self._probed[ref] = self._probed[chosen.receiver] = self._probes
        self._in_flight.add(ref)
        return ref

    def outage_ended(self) -> None:
        """Forget which mails and receivers were probed in the last outage."""
        self._probed.clear()

    def put_back(self, ref: MailRef) -> None:
        """End the flight of a mail. If the mail is still open, it waits in the queue again."""
        self._in_flight.discard(ref)
        if (found := self._find(ref)) is not None:
            self._push(found.entry)

    def is_open(self, ref: MailRef) -> bool:
        """Say whether a mail is open."""
        return self._find(ref) is not None

    def next_at(self) -> int | None:
        """Return when the next mail that is not in flight may be sent; None if there is none."""
        for queue in (self._queue, self._later):
            self._skip_obsolete(queue)
            if queue:
                return queue[0].at
        return None

    def count(self, now: int) -> int:
        """Return how many mails may be sent now or are in flight."""
        due = {mail.entry.ref for mails in self._open.values() for mail in mails.values() if mail.entry.at <= now}
        return len(due | self._in_flight)

    def standing(self, now: int) -> Standing:
        """Return how many mails are to be sent, and how many are held back. `now`: by the wall clock."""
        since = [mail.since for mails in self._open.values() for mail in mails.values()]
        unsent = [at for at in since if at <= now]
        return Standing(len(unsent), len(since) - len(unsent), min(unsent, default=None))

    def __bool__(self) -> bool:
        return bool(self._open)

    def _find(self, ref: MailRef) -> _Open | None:
        return self._open.get((ref.partition, ref.key), {}).get(ref.delivery_id)

    def _move(self, ref: MailRef, found: _Open, at: int) -> None:
        entry = found.entry._replace(at=at)
        self._open[ref.partition, ref.key][ref.delivery_id] = found._replace(entry=entry)
        if ref not in self._in_flight:
            self._push(entry)

    def _queue_of(self, entry: _Entry) -> list[_Entry]:
        return self._later if entry.at > 0 else self._queue

    def _push(self, entry: _Entry) -> None:
        heappush(self._queue_of(entry), entry)

    def _note_time(self, now: int) -> None:
        """Give the mails their turn whose time has come."""
        while self._later and self._later[0].at <= now:
            entry = heappop(self._later)
            found = self._find(entry.ref)
            if found is not None and self._is_current(entry):
                current = entry._replace(at=0, turn=self._turn)
                self._open[entry.ref.partition, entry.ref.key][entry.ref.delivery_id] = found._replace(entry=current)
                self._push(current)

    def _may_go(self, mail: _Open, now: int) -> bool:
        return mail.entry.at <= now and mail.entry.ref not in self._in_flight

    def _probe_order(self, mail: _Open) -> tuple[int, int, _Entry]:
        return self._probed.get(mail.receiver, 0), self._probed.get(mail.entry.ref, 0), mail.entry

    def _is_current(self, entry: _Entry) -> bool:
        found = self._find(entry.ref)
        return found is not None and found.entry == entry and entry.ref not in self._in_flight

    def _skip_obsolete(self, queue: list[_Entry]) -> None:
        while queue and not self._is_current(queue[0]):
            heappop(queue)

    def _tidy(self) -> None:
        if self.entries > _TIDY_FROM and self.entries > 2 * self._size:
            for queue in (self._queue, self._later):
                queue[:] = [entry for entry in queue if self._is_current(entry)]
                heapify(queue)
