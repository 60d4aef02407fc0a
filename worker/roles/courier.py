"""The courier: tries every mail that is due, a few at a time, and writes down what came of it.

Trying is outside Kafka and takes long, so no lock is held meanwhile: the row is read again before the outcome is
written, and a mail that was erased in between stays erased. Before partitions are given up, the mails in hand are
finished. So a mail is sent twice only if the worker ends, or loses the partition, between the server's 250 and the
acknowledgement of the row that says so; all copies have one Message-ID. What this worker knows to be accepted it does
not send again when it has the partition back.

Waiting goes by the steady clock: a wall clock that jumps neither holds a mail back nor sends it early.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from worker.cancelling import cancel_all
from worker.clock import Clock
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Output
from worker.kafka.rows import Head
from worker.notify import mailbox
from worker.notify.channel import Channel
from worker.notify.mailbox import Mail, Mailbox
from worker.notify.notice import Notice
from worker.notify.outage import Outage, Refusal, Refusals
from worker.notify.outcomes import Outcome, write_down
from worker.notify.planning import Planner
from worker.notify.receivers import Address, NobodyLeft, addressed
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import Errand, Schedule
from worker.service import Failure
from worker.streams.lease import lease_holds
from worker.streams.observer import TableObserver
from worker.streams.sending import Sendable
from worker.streams.shell import Shell
from worker.streams.table import DurableTable

log = logging.getLogger(__name__)

#: How long giving up partitions may wait for mails in hand, in seconds; below Kafka's patience with a rebalance.
_FINISH_SECONDS = 20.0
#: And how long stopping may.
_STOP_SECONDS = 3.0

#: From when on a mail that the server does not answer for is slow, in ms: it does not keep others from being sent.
_SLOW_MS = 30_000
#: The least time between two warnings about slow mails, in ms.
_QUIET_MS = 60_000


class Courier(TableObserver):
    """Knows what is due of the partitions held, and sends it through the channel."""

    def __init__(
        self,
        shell: Shell,
        table: DurableTable,
        channel: Channel,
        clock: Clock,
        *,
        planner: Planner,
        retry: RetryPolicy,
    ) -> None:
        self._shell = shell
        self._table = table
        self._channel = channel
        self._clock = clock
        self._planner = planner
        self._words = channel.wording
        self._retry = retry
        self._outage = Outage()
        self._refusals = Refusals()
        self._schedule = Schedule()
        self._in_hand: dict[Errand, asyncio.Task[None]] = {}
        # Those in hand that were taken up in an outage, to see whether the server is back.
        self._probes: set[Errand] = set()
        # Since when mails in hand have waited for the server to accept them, once it had accepted MAIL.
        self._begun: dict[Errand, int] = {}
        self._quiet_until = 0
        # What came of mails, by partition, until it is written down.
        self._outcomes: dict[int, dict[Errand, Outcome]] = defaultdict(dict)
        # Those that were accepted, also if the partition was lost before that was written down.
        self._accepted: dict[Errand, Outcome] = {}
        self._something_new = asyncio.Event()
        self._giving_up = False
        self._round: asyncio.Task[None] | None = None
        self._failure = Failure()
        shell.app.on_partitions_revoked.connect(cast(Any, self._give_up), weak=False)

    @property
    def ready(self) -> bool:
        """Whether it sends what is due: always, as soon as the shell has partitions."""
        return True

    async def start(self) -> None:
        """Begin to send."""
        self._round = asyncio.create_task(self._rounds())
        self._round.add_done_callback(self._failure.keep_of)

    async def stop(self) -> None:
        """Finish the mails in hand, then close the channel."""
        if self._round is not None:
            self._round.cancel()
        await self._finish(_STOP_SECONDS)
        await self._channel.aclose()

    async def failure(self) -> None:
        """Wait until something must stop the worker, such as a row that is not acknowledged; raise it."""
        await self._failure.raised()

    @property
    def pending(self) -> int:
        """How many mails are due or in hand; deferred ones have their time."""
        return self._schedule.count(self._clock.steady())

    @property
    def resting_until(self) -> int | None:
        """When the next mail is tried, by the steady clock; None while one is in hand, and if there is none to try."""
        resting = not self._in_hand and self._schedule
        return self._next_round() if resting else None

    def superfluous(self, rows: Mapping[bytes, bytes]) -> list[bytes]:
        """Return the keys of notices whose mails are settled."""
        return mailbox.orphans(rows)

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Take note of which mails are open now, and when each may go out."""
        for key, row in rows.items():
            is_open = row is not None and mailbox.has_open(row)
            mails = [mail for mail in mailbox.decode(row).mails if mail.is_open] if row and is_open else []
            self._schedule.put(partition, key, mails, self._at)
        for errand in [errand for errand in self._accepted if not self._schedule.is_open(errand)]:
            if errand.partition == partition and errand.key in rows:
                del self._accepted[errand]
        self._something_new.set()

    def _at(self, mail: Mail) -> int:
        """Return when a mail is due, by the steady clock: after the longest wait at most, whatever its row says."""
        longest = int(self._retry.longest_seconds * 1_000)
        return self._clock.steady() + min(mail.due - self._clock.now(), longest) if mail.due else 0

    async def _give_up(self, _app: Any, revoked: Any, **_: Any) -> None:
        """Finish before partitions go; what is still due is found again by whoever holds them next."""
        del revoked
        self._giving_up = True
        await self._finish(_FINISH_SECONDS)
        self._schedule.clear()
        self._refusals.clear()
        self._outcomes.clear()

    def on_taken_over(self) -> None:
        """Begin again, after a rebalance."""
        self._giving_up = False
        self._something_new.set()

    async def _finish(self, seconds: float) -> None:
        tasks = list(self._in_hand.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            await cancel_all(late)

    async def _rounds(self) -> None:
        while True:
            self._something_new.clear()
            self._warn_of_slow()
            self._set_out()
            await self._clock.wait(self._something_new, self._next_round())

    def _next_round(self) -> int | None:
        """Return when to look again if nothing new happens; None if only something new can change anything."""
        if self._giving_up:
            return None
        return min((at for at in (self._next_mail(), self._next_slow()) if at is not None), default=None)

    def _next_mail(self) -> int | None:
        """Return when the next mail can be taken up, as far as that is a question of time."""
        next_at = self._schedule.next_at()
        if next_at is None:
            return None
        until = self._outage.until
        if until is not None and until > self._clock.steady():
            return max(until, next_at)
        return next_at if self._free_hands > 0 else None

    def _next_slow(self) -> int | None:
        """Return when the next mail in hand becomes slow, or when to warn of those that are."""
        now = self._clock.steady()
        slow_at = [since + _SLOW_MS for since in self._begun.values()]
        warn_at = [self._quiet_until] if any(at <= now for at in slow_at) else []
        return min([*(at for at in slow_at if at > now), *warn_at], default=None)

    @property
    def _slow(self) -> list[Errand]:
        """The mails in hand that have waited for long for the server to accept them."""
        now = self._clock.steady()
        return [errand for errand, since in self._begun.items() if since + _SLOW_MS <= now]

    @property
    def _free_hands(self) -> int:
        """How many mails may be taken up. Slow ones do not count, except that there may not be too many in all.

        In an outage only the probes count: a mail that was begun earlier may hang for longer than the outage lasts.
        """
        channel, slow = self._channel, self._slow
        counted = self._in_hand if self._outage.until is None else self._probes
        hands = self._outage.hands(channel.connections, self._clock.steady())
        return min(hands - len(set(counted).difference(slow)), channel.most_connections - len(self._in_hand))

    def _warn_of_slow(self) -> None:
        now, slow = self._clock.steady(), self._slow
        if slow and now >= self._quiet_until:
            self._quiet_until = now + _QUIET_MS
            longest = (now - min(self._begun[errand] for errand in slow)) / 1_000
            text = "%s wait for %s's answer: %d, the longest for %.0f s (%s)"
            log.warning(text, self._words.many, self._words.server, len(slow), longest, self._words.slow_setting)

    def _set_out(self) -> None:
        """Take up what is due, as far as hands are free; in an outage, each time another mail."""
        while not self._giving_up and self._free_hands > 0:
            now = self._clock.steady()
            errand = self._schedule.take(now) if self._outage.until is None else self._schedule.probe(now)
            if errand is None:
                return
            if self._outage.until is not None:
                self._probes.add(errand)
            task = self._in_hand[errand] = asyncio.create_task(self._deliver(errand))
            task.add_done_callback(partial(self._delivered, errand))

    def _delivered(self, errand: Errand, task: asyncio.Task[None]) -> None:
        del self._in_hand[errand]
        self._probes.discard(errand)
        self._schedule.put_back(errand)
        self._something_new.set()
        self._failure.keep_of(task)

    async def _deliver(self, errand: Errand) -> None:
        """Try one mail and write down what came of it."""
        generation = self._shell.app.consumer_generation_id
        if not await self._lease_holds(generation):
            self._giving_up = True  # until the partitions are taken over again
            return
        rows = self._table.partition(errand.partition).rows
        row, pending_notice = rows.get(errand.key), rows.get(mailbox.pending_notice_key(errand.key, errand.delivery_id))
        box = Mailbox() if row is None else mailbox.decode(row)
        mail = box.find_open(errand.delivery_id)
        if mail is None:
            self._schedule.forget(errand)
            return
        outcome = self._accepted.get(errand) or await self._attempt(errand, mail, box.mails, pending_notice)
        if outcome is None:
            return
        self._outcomes[errand.partition][errand] = outcome
        async with self._table.lock(errand.partition):
            # Whoever gets the lock first writes down for all who wait for it.
            if errand in self._outcomes[errand.partition]:
                await self._write_down(errand.partition, self._outcomes.pop(errand.partition), generation)

    async def _attempt(
        self, errand: Errand, mail: Mail, mails: list[Mail], pending_notice: bytes | None
    ) -> Outcome | None:
        """Send a mail; return what came of it, None if the server cannot be used now."""
        if pending_notice is None:
            lost = DeliveryError("letter_lost", retry=False, alarm=True)
            text = "%s %s has no content any more: another program has changed the outbox"
            log.error(text, self._words.one, mail.delivery_id)
            return Outcome(lost, mail.route, mail.merged)
        notice = mailbox.notice(mail, errand.key, pending_notice)
        try:
            address = addressed(mail, notice, mails, self._planner.routes)
        except NobodyLeft as gone:
            text = "%s %s is not sent: %s: the settings changed while it waited"
            log.warning(text, self._words.one, mail.delivery_id, gone.reason)
            return Outcome(None, mail.route, mail.merged, gone.reason)
        if address.route.name != mail.route:
            text = "%s %s waited for the route %r, which the settings do not have any more: it goes to %r"
            log.warning(text, self._words.one, mail.delivery_id, mail.route, address.route.name)
        error = await self._send_mail(errand, notice, address)
        outcome = Outcome(error, address.route.name, mail.merged)
        if error is None or error.partly:
            self._accepted[errand] = outcome  # noted first: whatever comes next, it is not sent again from here
            self._note_success(errand)
            return outcome
        return self._judged(errand, outcome, error)

    async def _send_mail(self, errand: Errand, notice: Notice, address: Address) -> DeliveryError | None:
        """Return why a mail was not accepted, None if it was."""
        try:
            await self._channel.send(notice, address, errand.delivery_id, partial(self._note_begun, errand))
        except DeliveryError as error:
            if not error.unavailable:
                level = logging.ERROR if error.alarm else logging.WARNING
                log.log(level, "%s %s was not accepted: %s", self._words.one, errand.delivery_id, _reason(error))
            return error
        finally:
            self._begun.pop(errand, None)
        return None

    def _note_begun(self, errand: Errand) -> None:
        """Take note that the server has accepted MAIL, so it can be used, whatever becomes of the mail."""
        self._begun[errand] = self._clock.steady()
        self._note_end(accepted=False)
        self._something_new.set()

    def _judged(self, errand: Errand, outcome: Outcome, error: DeliveryError) -> Outcome | None:
        """Return what a failure means for the mail; None if it means nothing for it, but for the server."""
        if error.unavailable:
            self._note_outage(error)
            return None
        if not error.retry:
            refusal = self._refusals.refused(errand, error.reason)
            if refusal is Refusal.EVERYBODY:
                hint = self._words.refuses_all
                self._note_outage(DeliveryError(error.reason, retry=True, alarm=True, hint=hint), refusing=True)
                return None
            if refusal is Refusal.IN_DOUBT:
                outcome = outcome._replace(error=DeliveryError(error.reason, retry=True, alarm=True))
        if not error.unsure:  # else nothing was heard of the server for a while: it may be away by now
            self._note_end(accepted=False)
        return outcome

    def _note_success(self, errand: Errand) -> None:
        self._note_end(accepted=True)
        for other in self._refusals.accepted(errand):
            self._schedule.hasten(cast(Errand, other), self._clock.steady())

    def _note_end(self, *, accepted: bool) -> None:
        if self._outage.ends(accepted=accepted):
            self._schedule.outage_ended()
            log.info("%s can be used again", self._words.server)

    def _note_outage(self, error: DeliveryError, *, refusing: bool = False) -> None:
        now = self._clock.steady()
        if self._outage.begins(now, refusing=refusing) and self._outage.until is not None:
            level = logging.ERROR if error.alarm else logging.WARNING
            wait = (self._outage.until - now) / 1_000
            text = "%s wait, since %s cannot be used: %s; trying again in %.0f s"
            log.log(level, text, self._words.many, self._words.server, _reason(error), wait)

    async def _lease_holds(self, generation: int) -> bool:
        return await lease_holds(self._shell.consumer, generation, self._shell.settings.kafka.session_timeout_seconds)

    async def _write_down(self, partition: int, outcomes: Mapping[Errand, Outcome], generation: int) -> None:
        """Write the log's lines, and then the rows. What was accepted stays known here until its row is durable."""
        if not await self._lease_holds(generation):
            return
        state = self._table.partition(partition)
        lines, rows = write_down(outcomes, state.rows.get, self._clock.now(), self._planner.deliveries, self._retry)
        await self._send(lines, partition)
        if lines and not await self._is_written(partition, rows, state.head, generation):
            return
        for errand in outcomes:
            self._accepted.pop(errand, None)

    async def _is_written(
        self, partition: int, rows: Mapping[bytes, bytes | None], head: Head, generation: int
    ) -> bool:
        if not await self._lease_holds(generation):
            return False
        return await self._table.write(partition, rows, head, partial(self._shell.consumer.holds, generation))

    async def _send(self, lines: list[Output], partition: int) -> None:
        records: list[Sendable] = [(line.key, line.value, line.headers, line.timestamp) for line in lines]
        await self._shell.sender.send([(self._shell.topic_name(events.DELIVERIES), partition, records)])


def _reason(error: DeliveryError) -> str:
    return f"{error.reason}; {error.hint}" if error.hint else error.reason
