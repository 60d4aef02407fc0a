"""Which mails a courier takes up and when, and what a refusal means for the mail and for the server. Pure.

A courier goes its rounds: it takes up what may go out now, and comes again when something happens or the next mail is
due. Times are in ms, of a clock that only moves forward, and are passed in; a row's times are the wall clock's.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

from worker.errors import DeliveryError
from worker.notify import mailbox
from worker.notify.mailbox import Mail
from worker.notify.outage import Outage, Refusal, Refusals
from worker.notify.schedule import Errand, Schedule

#: From when on a mail that the server does not answer for is slow, in ms: it does not keep others from being sent.
_SLOW_MS = 30_000
#: The least time between two warnings about slow mails, in ms.
_QUIET_MS = 60_000


class Moment(NamedTuple):
    """A moment by both clocks, in ms."""

    wall: int
    steady: int


class Hands(NamedTuple):
    """How many mails may be in hand at the same time: usually, and with those that are slow to be accepted."""

    usual: int
    most: int


class Slow(NamedTuple):
    """How many mails in hand have waited for long for the server to accept them, and the longest of them, in ms."""

    mails: int
    longest: int


class Verdict(NamedTuple):
    """What an attempt that failed means."""

    #: What is written down of the mail; None if the attempt says nothing about the mail, only about the server.
    error: DeliveryError | None
    #: How long the server is left alone from now on, in ms; None if it is not, or if that is no news.
    pause: int | None = None
    #: Whether that is because the server refuses every mail.
    refuses_all: bool = False
    #: Whether an outage of the server has ended with this.
    outage_ended: bool = False


class Rounds:
    """The open mails of the partitions held, the mails in hand, and what is known of the server.

    `longest_wait` bounds how long a row can make a mail wait, in ms, whatever time the row says.
    """

    def __init__(self, hands: Hands, longest_wait: int) -> None:
        self.outage = Outage()
        self.schedule = Schedule()
        self._hands = hands
        self._longest_wait = longest_wait
        self._refusals = Refusals()
        self._in_hand: set[Errand] = set()
        # Those in hand that were taken up in an outage, to see whether the server is back.
        self._probes: set[Errand] = set()
        # Since when mails in hand have waited for the server to accept them, once it had begun to talk about them.
        self._begun: dict[Errand, int] = {}
        self._quiet_until = 0
        self._giving_up = False

    # -- partitions come, change and go

    def note_rows(self, partition: int, rows: Mapping[bytes, bytes | None], now: Moment) -> None:
        """Take note of which mails of these rows are open now, and when each may go out."""
        for key, row in rows.items():
            is_open = row is not None and mailbox.has_open(row)
            mails = [mail for mail in mailbox.decode(row).mails if mail.is_open] if row and is_open else []
            self.schedule.put(partition, key, mails, lambda mail: self._at(mail, now))

    def _at(self, mail: Mail, now: Moment) -> int:
        """Return when a mail is due, by the steady clock."""
        return now.steady + min(mail.due - now.wall, self._longest_wait) if mail.due else 0

    def give_up(self) -> None:
        """Take up nothing more until `begin_again`: partitions are going, or may be somebody else's by now."""
        self._giving_up = True

    def forget_all(self) -> None:
        """Forget the mails of all partitions; whoever holds them next finds what is still due."""
        self.schedule.clear()
        self._refusals.clear()

    def begin_again(self) -> None:
        """Take up mails again."""
        self._giving_up = False

    # -- what is to be done

    def set_out(self, now: int) -> list[Errand]:
        """Take in hand what is due, as far as hands are free; in an outage, each time another mail."""
        taken: list[Errand] = []
        while not self._giving_up and self._free_hands(now) > 0:
            in_outage = self.outage.until is not None
            errand = self.schedule.probe(now) if in_outage else self.schedule.take(now)
            if errand is None:
                break
            if in_outage:
                self._probes.add(errand)
            self._in_hand.add(errand)
            taken.append(errand)
        return taken

    def next_at(self, now: int) -> int | None:
        """Return when to look again if nothing new happens; None if only something new can change anything."""
        if self._giving_up:
            return None
        return min((at for at in (self._next_mail(now), self._next_slow(now)) if at is not None), default=None)

    def pending(self, now: int) -> int:
        """Return how many mails are due or in hand; deferred ones have their time."""
        return self.schedule.count(now)

    def resting_until(self, now: int) -> int | None:
        """Return when the next mail is tried; None while one is in hand, and if there is none to try."""
        return self.next_at(now) if not self._in_hand and self.schedule else None

    def slow_to_tell(self, now: int) -> Slow | None:
        """Return what there is to warn of, once a minute at most: mails that the server is slow to accept."""
        slow = self._slow(now)
        if not slow or now < self._quiet_until:
            return None
        self._quiet_until = now + _QUIET_MS
        return Slow(len(slow), now - min(self._begun[errand] for errand in slow))

    def _next_mail(self, now: int) -> int | None:
        """Return when the next mail can be taken up, as far as that is a question of time."""
        next_at = self.schedule.next_at()
        if next_at is None:
            return None
        until = self.outage.until
        if until is not None and until > now:
            return max(until, next_at)
        return next_at if self._free_hands(now) > 0 else None

    def _next_slow(self, now: int) -> int | None:
        """Return when the next mail in hand becomes slow, or when to warn of those that are."""
        slow_at = [since + _SLOW_MS for since in self._begun.values()]
        warn_at = [self._quiet_until] if any(at <= now for at in slow_at) else []
        return min([*(at for at in slow_at if at > now), *warn_at], default=None)

    def _slow(self, now: int) -> list[Errand]:
        return [errand for errand, since in self._begun.items() if since + _SLOW_MS <= now]

    def _free_hands(self, now: int) -> int:
        """Return how many mails may be taken up. Slow ones do not count, unless there are too many in all.

        In an outage only the probes count: a mail that was begun earlier may hang for longer than the outage lasts.
        """
        counted = self._in_hand if self.outage.until is None else self._probes
        hands = self.outage.limit(self._hands.usual, now)
        return min(hands - len(counted.difference(self._slow(now))), self._hands.most - len(self._in_hand))

    # -- what becomes of the mails in hand

    def note_begun(self, errand: Errand, now: int) -> bool:
        """Take note that the server talks about a mail, so it can be used. Say whether an outage has ended."""
        self._begun[errand] = now
        return self._ends_outage(accepted=False)

    def note_answered(self, errand: Errand) -> None:
        """Take note that the server has answered for a mail, or that the attempt has ended without an answer."""
        self._begun.pop(errand, None)

    def note_accepted(self, errand: Errand, now: int) -> bool:
        """Take note of a success; mails in doubt may be tried at once. Say whether an outage has ended."""
        ended = self._ends_outage(accepted=True)
        for other in self._refusals.accepted(errand):
            self.schedule.hasten(cast(Errand, other), now)
        return ended

    def judge(self, errand: Errand, error: DeliveryError, now: int) -> Verdict:
        """Take note of an attempt that nobody accepted, and say what that means."""
        if error.unavailable:
            return Verdict(None, self._pause(now))
        written = error
        if not error.retry:
            refusal = self._refusals.refused(errand, error.reason)
            if refusal is Refusal.OUTAGE:
                return Verdict(None, self._pause(now, refusing=True), refuses_all=True)
            if refusal is Refusal.IN_DOUBT:
                written = DeliveryError(error.reason, retry=True, alarm=True)
        # After an unsure one, nothing was heard of the server for a while: it may be away by now.
        return Verdict(written, outage_ended=not error.unsure and self._ends_outage(accepted=False))

    def note_end(self, errand: Errand) -> None:
        """Take note that a mail is not in hand any more; if it is still open, it has its turn again."""
        self._in_hand.discard(errand)
        self._probes.discard(errand)
        self.schedule.put_back(errand)

    def _ends_outage(self, *, accepted: bool) -> bool:
        ended = self.outage.ends(accepted=accepted)
        if ended:
            self.schedule.outage_ended()
        return ended

    def _pause(self, now: int, *, refusing: bool = False) -> int | None:
        is_news = self.outage.begins(now, refusing=refusing)
        return self.outage.until - now if is_news and self.outage.until is not None else None
