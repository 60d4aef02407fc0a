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
from worker.notify.outcomes import Outcome, write_down
from worker.notify.planning import Planner
from worker.notify.receivers import Address, NobodyLeft, addressed
from worker.notify.retry import RetryPolicy
from worker.notify.rounds import Hands, Moment, Rounds
from worker.notify.schedule import Errand
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


class Courier(TableObserver):
    """Sends what is due of the partitions held, through the channel. What is due, its rounds say (notify/rounds.py)."""

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
        hands = Hands(channel.connections, channel.most_connections)
        self._rounds = Rounds(hands, int(retry.longest_seconds * 1_000))
        self._in_hand: dict[Errand, asyncio.Task[None]] = {}
        # What came of mails, by partition, until it is written down.
        self._outcomes: dict[int, dict[Errand, Outcome]] = defaultdict(dict)
        # Those that were accepted, also if the partition was lost before that was written down.
        self._accepted: dict[Errand, Outcome] = {}
        self._something_new = asyncio.Event()
        self._going: asyncio.Task[None] | None = None
        self._failure = Failure()

    @property
    def ready(self) -> bool:
        """Whether it sends what is due: always, as soon as the shell has partitions."""
        return True

    async def start(self) -> None:
        """Begin to send."""
        self._going = asyncio.create_task(self._go())
        self._going.add_done_callback(self._failure.keep_of)

    async def stop(self) -> None:
        """Finish the mails in hand, then close the channel."""
        if self._going is not None:
            self._going.cancel()
        await self._finish(_STOP_SECONDS)
        await self._channel.aclose()

    async def failure(self) -> None:
        """Wait until something must stop the worker, such as a row that is not acknowledged; raise it."""
        await self._failure.raised()

    @property
    def pending(self) -> int:
        """How many mails are due or in hand; deferred ones have their time."""
        return self._rounds.pending(self._clock.steady())

    @property
    def resting_until(self) -> int | None:
        """When the next mail is tried, by the steady clock; None while one is in hand, and if there is none to try."""
        return self._rounds.resting_until(self._clock.steady())

    def superfluous(self, rows: Mapping[bytes, bytes]) -> list[bytes]:
        """Return the keys of notices whose mails are settled."""
        return mailbox.orphans(rows)

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Take note of which mails are open now, and when each may go out."""
        self._rounds.note_rows(partition, rows, Moment(self._clock.now(), self._clock.steady()))
        for errand in [errand for errand in self._accepted if not self._rounds.schedule.is_open(errand)]:
            if errand.partition == partition and errand.key in rows:
                del self._accepted[errand]
        self._something_new.set()

    async def on_giving_up(self) -> None:
        """Finish before partitions go; what is still due is found again by whoever holds them next."""
        self._rounds.give_up()
        await self._finish(_FINISH_SECONDS)
        self._rounds.forget_all()
        self._outcomes.clear()

    def on_taken_over(self) -> None:
        """Begin again, after a rebalance."""
        self._rounds.begin_again()
        self._something_new.set()

    async def _finish(self, seconds: float) -> None:
        tasks = list(self._in_hand.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            await cancel_all(late)

    async def _go(self) -> None:
        while True:
            self._something_new.clear()
            now = self._clock.steady()
            if (slow := self._rounds.slow_to_tell(now)) is not None:
                text = "%s wait for %s's answer: %d, the longest for %.0f s (%s)"
                words = self._words
                log.warning(text, words.many, words.server, slow.mails, slow.longest / 1_000, words.slow_setting)
            for errand in self._rounds.set_out(now):
                task = self._in_hand[errand] = asyncio.create_task(self._deliver(errand))
                task.add_done_callback(partial(self._delivered, errand))
            await self._clock.wait(self._something_new, self._rounds.next_at(self._clock.steady()))

    def _delivered(self, errand: Errand, task: asyncio.Task[None]) -> None:
        del self._in_hand[errand]
        self._rounds.note_end(errand)
        self._something_new.set()
        self._failure.keep_of(task)

    async def _deliver(self, errand: Errand) -> None:
        """Try one mail and write down what came of it."""
        generation = self._shell.app.consumer_generation_id
        if not await self._lease_holds(generation):
            self._rounds.give_up()  # until the partitions are taken over again
            return
        rows = self._table.partition(errand.partition).rows
        row, pending_notice = rows.get(errand.key), rows.get(mailbox.pending_notice_key(errand.key, errand.delivery_id))
        box = Mailbox() if row is None else mailbox.decode(row)
        mail = box.find_open(errand.delivery_id)
        if mail is None:
            self._rounds.schedule.forget(errand)
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
            self._note_end(self._rounds.note_accepted(errand, self._clock.steady()))
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
            self._rounds.note_answered(errand)
        return None

    def _note_begun(self, errand: Errand) -> None:
        """Take note that the server has accepted MAIL, so it can be used, whatever becomes of the mail."""
        self._note_end(self._rounds.note_begun(errand, self._clock.steady()))
        self._something_new.set()

    def _judged(self, errand: Errand, outcome: Outcome, error: DeliveryError) -> Outcome | None:
        """Return what a failure means for the mail; None if it means nothing for it, but for the server."""
        verdict = self._rounds.judge(errand, error, self._clock.steady())
        self._note_end(verdict.outage_ended)
        if verdict.pause is not None:
            why = f"{error.reason}; {self._words.refuses_all}" if verdict.refuses_all else _reason(error)
            level = logging.ERROR if error.alarm or verdict.refuses_all else logging.WARNING
            text = "%s wait, since %s cannot be used: %s; trying again in %.0f s"
            log.log(level, text, self._words.many, self._words.server, why, verdict.pause / 1_000)
        return None if verdict.error is None else outcome._replace(error=verdict.error)

    def _note_end(self, outage_ended: bool) -> None:
        if outage_ended:
            log.info("%s can be used again", self._words.server)

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
