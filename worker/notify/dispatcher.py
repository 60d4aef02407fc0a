"""The dispatcher: which mails the courier sends next, and what a failure means for the mail and for the server. Pure.

The courier asks the dispatcher for the mails that may be sent now. It asks again when something happens, or when the
next mail is due. Times are in ms, of a monotonic clock, and are passed in; the times in rows are the wall clock's.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from worker.errors import DeliveryError
from worker.notify import mailbox
from worker.notify.mailbox import Mail
from worker.notify.outage import Outage, Refusal, Refusals
from worker.notify.schedule import MailRef, Schedule

#: The time after which a mail counts as slow if the server has not accepted it, in ms. Further mails may then be sent.
_SLOW_MS = 30_000
#: The shortest time between two warnings about slow mails, in ms.
_QUIET_MS = 60_000


class Moment(NamedTuple):
    """A moment by both clocks, in ms."""

    wall: int
    steady: int


class Limits(NamedTuple):
    """The largest numbers of mails in flight."""

    #: The limit of mails that are not slow.
    usual: int
    #: The limit of all mails.
    most: int


class Slow(NamedTuple):
    """The slow mails."""

    #: Their number.
    mails: int
    #: How long the first of them has waited for the server to accept it, in ms.
    longest: int


class Verdict(NamedTuple):
    """What a failed attempt means."""

    #: The error for the mail's row; None if the attempt says nothing about the mail, but only about the server.
    error: DeliveryError | None
    #: The time after which the server is tried again, in ms, if an outage or its next wait begins; otherwise None.
    retry_after: int | None = None
    #: Whether the outage is one in which the server refuses every mail.
    refuses_all: bool = False
    #: Whether an outage of the server has ended.
    outage_ended: bool = False


class Dispatcher:
    """The open mails of the partitions that this worker owns, the mails in flight, and the state of the server.

    `longest_wait`: the longest time that a mail waits, in ms, even if its row says a later time. `outage`: that of the
    server, if others send to it, too.
    """

    def __init__(self, limits: Limits, longest_wait: int, outage: Outage | None = None) -> None:
        self.outage = outage or Outage()
        self.schedule = Schedule()
        self._limits = limits
        self._longest_wait = longest_wait
        self._refusals = Refusals()
        self._in_flight: set[MailRef] = set()
        # The mails whose attempts have ended, and whose results are not written yet.
        self._unwritten: set[MailRef] = set()
        # The mails in flight that are tried during an outage, to see whether the server can be used again.
        self._probes: set[MailRef] = set()
        # The mails in flight about which the server has answered, and the time of that answer. They wait to be
        # accepted.
        self._answered_at: dict[MailRef, int] = {}
        self._quiet_until = 0
        self._is_paused = False

    # -- Partitions and their rows.

    def note_rows(self, partition: int, rows: Mapping[bytes, bytes | None], now: Moment) -> None:
        """Note which mails of these rows are open now, and when each may be sent."""
        for key, row in rows.items():
            is_open = row is not None and mailbox.has_open(row)
            mails = [mail for mail in mailbox.decode(row).mails if mail.is_tried] if row and is_open else []
            self.put(partition, key, mails, now)

    def put(self, partition: int, key: bytes, mails: Iterable[Mail], now: Moment) -> None:
        """Replace the open mails of one row, which are those that this dispatcher knows from now on."""
        self.schedule.put(partition, key, mails, lambda mail: self._at(mail, now))

    def _at(self, mail: Mail, now: Moment) -> int:
        """Return when a mail is due, by the monotonic clock."""
        return self._until(mail.due, now) if mail.due else 0

    def _until(self, wall: int, now: Moment) -> int:
        """Return a time of the wall clock by the monotonic clock. It is not further away than the longest wait."""
        return now.steady + min(wall - now.wall, self._longest_wait)

    def pause(self) -> None:
        """Return no more mails until `resume`, since other workers own the partitions now, or will soon."""
        self._is_paused = True

    def forget_all(self) -> None:
        """Forget the mails of all partitions. Their next owner reads the open ones from the rows."""
        self.schedule.clear()
        self._refusals.clear()

    def resume(self) -> None:
        """Return mails again."""
        self._is_paused = False

    # -- The next mails.

    def take_due(self, now: int) -> list[MailRef]:
        """Return the due mails that the limits allow. They are in flight from now on.

        In an outage, this is one mail at most, and each time another one.
        """
        taken: list[MailRef] = []
        while not self._is_paused and self._free_slots(now) > 0:
            in_outage = self.outage.until is not None
            ref = self.schedule.probe(now) if in_outage else self.schedule.take(now)
            if ref is None:
                break
            if in_outage:
                self._probes.add(ref)
            self._in_flight.add(ref)
            taken.append(ref)
        return taken

    def next_at(self, now: int) -> int | None:
        """Return when to call `take_due` again if nothing happens before; None if only an event can matter."""
        if self._is_paused:
            return None
        return min((at for at in (self._next_mail(now), self._next_slow(now)) if at is not None), default=None)

    def pending(self, now: int) -> int:
        """Return how many mails are due, in flight or unwritten. Deferred mails count once they are due."""
        return self.schedule.count(now)

    def idle_until(self, now: int) -> int | None:
        """Return when the next mail is tried; None if there is no open mail, or while one is in flight or unwritten."""
        return self.next_at(now) if not self.is_sending and self.schedule else None

    @property
    def is_sending(self) -> bool:
        """Whether a mail is in flight or unwritten."""
        return bool(self._in_flight or self._unwritten)

    def slow_to_warn_of(self, now: int) -> Slow | None:
        """Return the slow mails if it is time for a warning about them; there is at most one warning a minute."""
        slow = self._slow(now)
        if not slow or now < self._quiet_until:
            return None
        self._quiet_until = now + _QUIET_MS
        return Slow(len(slow), now - min(self._answered_at[ref] for ref in slow))

    def _next_mail(self, now: int) -> int | None:
        """Return when the next mail can be sent; None if no time is known, since other mails have to end before."""
        next_at = self.schedule.next_at()
        if next_at is None:
            return None
        until = self.outage.until
        if until is not None and until > now:
            return max(until, next_at)
        return next_at if self._free_slots(now) > 0 else None

    def _next_slow(self, now: int) -> int | None:
        """Return when the next mail in flight becomes slow, or when the next warning about slow mails is due."""
        slow_at = [since + _SLOW_MS for since in self._answered_at.values()]
        warn_at = [self._quiet_until] if any(at <= now for at in slow_at) else []
        return min([*(at for at in slow_at if at > now), *warn_at], default=None)

    def _slow(self, now: int) -> list[MailRef]:
        return [ref for ref, since in self._answered_at.items() if since + _SLOW_MS <= now]

    def _free_slots(self, now: int) -> int:
        """Return how many further mails may be sent now.

        All mails in flight count for the limit of all mails, and slow mails count for this one only. In an outage, only
        probes count for the other limit, since earlier mails may hang for longer than the outage. And no more mails
        than twice that limit may have to be sent again after a crash: those in flight and the unwritten ones, without
        the slow ones.
        """
        counted = self._in_flight if self.outage.until is None else self._probes
        slow = self._slow(now)
        limit = self.outage.limit(self._limits.usual, now)
        return min(
            limit - len(counted.difference(slow)),
            self._limits.most - len(self._in_flight),
            2 * self._limits.usual - len(self._in_flight.difference(slow)) - len(self._unwritten),
        )

    # -- The mails in flight.

    def note_answered(self, ref: MailRef, now: int) -> bool:
        """Note that the server has answered about a mail, so the server can be used.

        Return whether an outage has ended.
        """
        self._answered_at[ref] = now
        return self._ends_outage(now, accepted=False)

    def note_attempt_end(self, ref: MailRef) -> None:
        """Note that the attempt has ended: the mail was accepted or refused, or there was no answer.

        Another mail may be sent in its place. The mail is unwritten until `note_end`.
        """
        self._answered_at.pop(ref, None)
        self._in_flight.discard(ref)
        self._probes.discard(ref)
        self._unwritten.add(ref)

    def note_accepted(self, ref: MailRef, now: int) -> bool:
        """Note that a mail was accepted. Mails whose refusal is in doubt may be tried now.

        Return whether an outage has ended.
        """
        ended = self._ends_outage(now, accepted=True)
        for other in self._refusals.accepted(ref):
            self.schedule.hasten(cast(MailRef, other), now)
        return ended

    def judge(self, ref: MailRef, error: DeliveryError, now: int) -> Verdict:
        """Note an attempt that failed for every receiver, and return what it means."""
        if error.unavailable:
            asked, at_least = error.limits_rate or error.retry_after > 0, int(error.retry_after * 1_000)
            began = self._begin_outage(now, asked=asked, at_least=at_least)
            # An attempt whose end is unknown is written down, so that nothing is merged into this mail any more.
            return Verdict(error if error.unsure else None, began)
        written = error
        if not error.retry:
            refusal = self._refusals.refused(ref, error.reason)
            if refusal is Refusal.OUTAGE:
                return Verdict(None, self._begin_outage(now, refusing=True), refuses_all=True)
            if refusal is Refusal.IN_DOUBT:
                written = DeliveryError(error.reason, retry=True, alarm=True, unsure=error.unsure)
        # If it is not clear whether the mail was accepted, the server may not be reachable any more.
        return Verdict(written, outage_ended=not error.unsure and self._ends_outage(now, accepted=False))

    def hold(self, ref: MailRef, until: int, now: Moment) -> None:
        """Let a mail in flight wait until a time of the wall clock, because of its receiver's quiet hours.

        It is taken again after the longest wait at the latest. So a clock that jumps cannot hold it back for long.
        """
        self.schedule.postpone(ref, self._until(until, now))

    def note_end(self, ref: MailRef) -> None:
        """Note that the result of an attempt is written, or that there is none. An open mail will be tried again."""
        self._in_flight.discard(ref)
        self._probes.discard(ref)
        self._unwritten.discard(ref)
        self.schedule.put_back(ref)

    def _ends_outage(self, now: int, *, accepted: bool) -> bool:
        ended = self.outage.ends(now, accepted=accepted)
        if ended:
            self.schedule.outage_ended()
        return ended

    def _begin_outage(self, now: int, *, refusing: bool = False, at_least: int = 0, asked: bool = False) -> int | None:
        is_news = self.outage.begins(now, refusing=refusing, at_least=at_least, asked=asked)
        return self.outage.until - now if is_news and self.outage.until is not None else None
