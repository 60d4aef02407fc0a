"""The courier: it tries to send every mail that is due, several at the same time, and writes the results to the outbox.

An attempt takes long, so no lock is held during it. The row is read again before the result is written, and a mail that
was erased meanwhile stays erased. Results rest for a moment, so that those of several mails are written together; no
mail waits for that. Before partitions are revoked, the mails in flight are finished. So a mail is sent twice only if
the worker ends, or loses the partition, after the server has accepted the mail and before the row with that result is
acknowledged. All copies have the same Message-ID. If a worker gets a partition back, it does not send those mails again
of which it knows that they were accepted.

The courier measures its waits by the monotonic clock. So a jump of the wall clock neither delays a mail nor sends it
early.

Whether a silence holds a mail back is decided before each attempt (worker/notify/holding.py).

After an outage of the worker, many alerts may wait. A mail of the first ones is perhaps not wanted any more: the answer
was corrected, or the consent was withdrawn, further on in the same partition. So when partitions are taken over, the
mails of a partition wait until it has been read to the end that it had then.

The notices of receivers' plans come from all partitions of the alerts, and are written only when the alerts are
decided. So there the mails wait until the whole group has decided the alerts that had arrived by the take-over, and
then until the notices that have come of it are planned.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager, aclosing
from functools import partial
from math import inf

from aiokafka.errors import KafkaError

from schemas.alert import Severity
from schemas.erasure import Erasure
from worker.cancelling import cancel_all, raise_if_cancelled
from worker.clock import Clock
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Output
from worker.kafka import reading
from worker.kafka.rows import Head
from worker.notify import mailbox
from worker.notify.attempts import AttemptResult, Fate, write_down
from worker.notify.channel import LONGEST_RETRY_AFTER, Channel
from worker.notify.deliveries import NO_LONGER_NEWS
from worker.notify.digest import Content, Digest, Members, opened
from worker.notify.dispatcher import Limits, Moment
from worker.notify.forwarded import Spread
from worker.notify.holding import Holding
from worker.notify.mailbox import Mail, Mailbox
from worker.notify.notice import Shown, is_past, urgency
from worker.notify.outage import Outages
from worker.notify.planning import Planner
from worker.notify.receivers import Address, NobodyLeft, addressed
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef, Standing
from worker.notify.servers import Servers
from worker.roles.rounds import Rounds
from worker.roles.silences import Silences
from worker.roles.trouble import Trouble
from worker.service import Failure
from worker.streams.lease import lease_holds
from worker.streams.observer import TableObserver
from worker.streams.sending import Sendable
from worker.streams.shell import Shell
from worker.streams.table import DurableTable

log = logging.getLogger(__name__)

#: How long the revocation of partitions waits for mails in flight, in seconds. A rebalance may take longer than that.
_FINISH_SECONDS = 20.0
#: How long a stop waits for mails in flight, in seconds.
_STOP_SECONDS = 3.0
#: How long the result of an attempt waits for other results, in seconds. A write costs as much CPU time as sending a
#: mail does. If the worker is killed meanwhile, an accepted mail is sent again.
_REST_SECONDS = 0.05
#: The least time between two writes, as a multiple of that. So with many mails a second, a result waits for longer.
_RESTS_BETWEEN = 4
#: The last record of a partition is hardly ever further from its end than this number of offsets.
_TAIL_OFFSETS = 100
#: How long to wait before asking again whether what the source is made from has been decided, in ms.
_ASK_AGAIN_MS = 1_000
#: How long the silences may be unknown before a warning says that nothing is sent, and the time between two warnings,
#: in ms.
_WARN_AFTER_MS, _WARN_AGAIN_MS = 10_000, 60_000


#: The reason in the delivery log for a digest that is not sent, since each of its notices is no longer news.
NOTHING_LEFT = "nothing_left"


#: Is called with a mail that a server has accepted, and its content.
OnAccepted = Callable[[Mail, Content], None]

#: Makes a span that lasts as long as an attempt, given the name of the server, the mail and its content. Its context
#: notes why the mail was not accepted; None if it was.
Traced = Callable[[str, Mail, Content], AbstractContextManager[Callable[[DeliveryError | None], None]]]

#: Begins to watch the topics from which workers make the source of a table. What it returns says whether the group has
#: decided everything that had arrived on them by the first question; if not, it is asked again later.
Upstream = Callable[[], Callable[[], Awaitable[bool]]]


class Courier(TableObserver):
    """Sends the due mails of the partitions that this worker owns. The dispatchers say which mails are due."""

    def __init__(
        self,
        shell: Shell,
        table: DurableTable,
        channel: Channel,
        clock: Clock,
        *,
        planner: Planner,
        retry: RetryPolicy,
        silences: Silences,
        members: Members | None = None,
        spread: Spread | None = None,
        source: str = events.ALERTS,
        upstream: Upstream | None = None,
        on_accepted: OnAccepted | None = None,
        traced: Traced | None = None,
        outages: Outages | None = None,
        trouble: Trouble | None = None,
        together: "list[Courier] | None" = None,
        rest_seconds: float = _REST_SECONDS,
    ) -> None:
        self._shell = shell
        self._table = table
        self._channel = channel
        self._clock = clock
        self._planner = planner
        self._words = channel.wording
        self._retry = retry
        self._silences = silences
        # The members of digests, if the table has digests: then it has the plans of receivers.
        self._members = members or Members()
        self._holding = Holding(silences.known, planner.routing, has_plans=members is not None, spread=spread)
        # The topic that the table's mails are planned from.
        self._source = source
        limits = Limits(channel.connections, channel.most_connections)
        longest_wait = max(retry.longest_seconds, LONGEST_RETRY_AFTER)
        self._servers = Servers(limits, int(longest_wait * 1_000), channel.server_of, outages)
        self._trouble = trouble or Trouble(self._words)
        self._in_flight: dict[MailRef, asyncio.Task[None]] = {}
        # The results that are not written yet, and the group's generation in which each attempt began.
        self._results: dict[MailRef, tuple[int, AttemptResult]] = {}
        self._rounds = Rounds(self._write_results, rest_seconds, _RESTS_BETWEEN * rest_seconds)
        # The results of accepted mails whose rows are not durable yet, even if their partition was lost meanwhile.
        self._accepted: dict[MailRef, AttemptResult] = {}
        self._upstream = upstream
        self._on_accepted = on_accepted
        self._traced = traced
        # The offset up to which the source's partition must be planned before its mails are sent; infinity while that
        # is not known yet.
        self._plan_until: dict[int, float] = {}
        self._asking: asyncio.Task[None] | None = None
        self._something_new = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._failure = Failure()
        # All couriers of the worker, which stop at the same time.
        self._together = [] if together is None else together
        self._together.append(self)
        self._stopping: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Always true: as soon as the shell has partitions, due mails are sent."""
        return True

    async def start(self) -> None:
        """Begin to send."""
        self._silences.observe(self._note_silence)
        self._sending = asyncio.create_task(self._send_due())
        self._sending.add_done_callback(self._failure.keep_of)

    async def stop(self) -> None:
        """Finish the mails in flight, then close the channel.

        The other couriers of the worker begin to stop at the same time. Otherwise each of them would send further mails
        while another one waits for slow ones, and a stop would take longer with each channel.
        """
        await asyncio.gather(*(courier.begin_stop() for courier in self._together))

    def begin_stop(self) -> "asyncio.Task[None]":
        """Begin to stop, if that has not happened before. Return the task that does it."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        return self._stopping

    async def _stop(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        await self._stop_asking()
        await self._finish(_STOP_SECONDS)
        await self._channel.aclose()

    async def failure(self) -> None:
        """Wait until an error must stop the worker, for instance a row that is not acknowledged; raise it."""
        await self._failure.raised()

    @property
    def pending(self) -> int:
        """The number of mails that are due or in flight. Deferred mails count once they are due.

        Each partition of which it is not known yet how far its source is to be planned counts as one mail.
        """
        return self._servers.pending(self._clock.steady()) + sum(until == inf for until in self._plan_until.values())

    @property
    def idle_until(self) -> int | None:
        """When the next mail is tried, by the monotonic clock; None if there is none, or while a mail is in flight."""
        return self._servers.idle_until(self._clock.steady())

    @property
    def channel(self) -> str:
        """The name of the channel."""
        return self._planner.deliveries.channel

    def standing(self) -> Standing:
        """Return how many mails are to be sent, and how many are held back."""
        return self._servers.standing(self._clock.now())

    def in_outage(self) -> list[str]:
        """Return the names of the servers that have an outage. The only server of a channel has an empty name."""
        return self._servers.in_outage()

    def superfluous(self, rows: Mapping[bytes, bytes]) -> list[bytes]:
        """Return the keys of pending notices whose mails are settled."""
        return mailbox.orphans(rows)

    async def restate(self, partitions: Collection[int]) -> None:
        """Note how far the source of these partitions is to be planned before mails are sent."""
        await self._stop_asking()
        if self._upstream is None:
            self._plan_until = await self._ends_of_source(partitions)
        else:
            self._plan_until = dict.fromkeys(partitions, inf)

    async def _ends_of_source(self, partitions: Collection[int]) -> dict[int, float]:
        """Return the offset up to which each of these partitions is to be planned, if it is not planned so far."""
        topic, found = self._shell.topic_name(self._source), dict[int, float]()
        async with reading.reader(self._shell.settings.kafka, committed_only=True) as reader:
            for partition, end in (await reader.ends(topic, partitions)).items():
                first = self._table.state_of(partition).head.stands_at
                if first < end and (end := await _end_of_records(reader, topic, partition, (first, end))) > first:
                    found[partition] = end
        return found

    async def _ask_upstream(self, passed: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the group has decided what the source is made from. Then note how far it is to be planned."""
        partitions, ends = list(self._plan_until), None
        while ends is None:
            try:
                if await passed():
                    ends = await self._ends_of_source(partitions)
            except KafkaError as error:
                log.debug("the ends of %s are not known yet: %s", self._source, type(error).__name__)
            raise_if_cancelled()
            if ends is None:
                await self._clock.wait(asyncio.Event(), self._clock.steady() + _ASK_AGAIN_MS)
        for partition in partitions:
            self._plan_until[partition] = ends.get(partition, 0)
            self.on_rows(partition, {})

    async def _stop_asking(self) -> None:
        if self._asking is not None:
            await cancel_all([self._asking])
            self._asking = None

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Note which mails are open now, and when each may be sent."""
        if partition in self._plan_until:
            state = self._table.state_of(partition)
            if state.head.stands_at < self._plan_until[partition]:
                return
            del self._plan_until[partition]
            self._servers.note_rows(partition, state.rows, Moment(self._clock.now(), self._clock.steady()))
            self._hasten_shortened(partition)
            rows = state.rows
        else:
            self._servers.note_rows(partition, rows, Moment(self._clock.now(), self._clock.steady()))
        for ref in [ref for ref in self._accepted if not self._servers.is_open(ref)]:
            if ref.partition == partition and ref.key in rows:
                del self._accepted[ref]
        self._something_new.set()

    async def on_revoked(self) -> None:
        """Finish the mails in flight. The next owner of the partitions reads the open mails from the rows."""
        self._servers.pause()
        await self._stop_asking()
        await self._finish(_FINISH_SECONDS)
        self._servers.forget_all()
        self._results.clear()

    def on_taken_over(self) -> None:
        """Send mails again, after a rebalance."""
        if self._upstream is not None and self._plan_until:
            self._asking = asyncio.create_task(self._ask_upstream(self._upstream()))
            self._asking.add_done_callback(self._failure.keep_of)
        self._hasten_shortened()
        self._servers.resume()
        self._something_new.set()

    async def _finish(self, seconds: float) -> None:
        """Wait for the mails in flight, and cancel those that take longer."""
        self._rounds.begin()
        tasks = list(self._in_flight.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            await cancel_all(late)
        await self._rounds.cancel()

    def _note_silence(self, silence_id: str) -> None:
        """Decide again about what a silence holds back that has changed."""
        self._servers.hasten_silenced(silence_id, self._clock.steady())
        self._something_new.set()

    def _hasten_shortened(self, partition: int | None = None) -> None:
        """Decide again about what waits for a time at which its silence was to be over, if that is over earlier.

        The silence may have changed while nobody owned the partition. This is only needed when rows are taken over,
        and once the silences are known: later changes come to `_note_silence`.
        """
        self._servers.hasten_shortened(self._over_at, self._clock.steady(), partition)

    def _over_at(self, silence_id: str) -> int | None:
        known = self._silences.known.find(silence_id)
        return None if known is None else known.hold.until

    def _hasten_changed(self, results: Mapping[MailRef, AttemptResult]) -> None:
        """Decide again about mails whose silence has changed before their rows named it."""
        for ref, result in results.items():
            hold = None if result.silence is None else result.silence.hold
            if hold is None or ref not in self._in_flight:
                continue
            known = self._silences.known.find(hold.silence_id)
            if known is None or known.hold != hold:
                self._servers.hasten(ref, self._clock.steady())

    async def _wait_for_silences(self) -> None:
        """Wait until the silences are known. Warn while that takes long, since nothing is sent meanwhile."""
        caught_up, warn_at = self._silences.caught_up, self._clock.steady() + _WARN_AFTER_MS
        while not caught_up.is_set():
            await self._clock.wait(caught_up, warn_at)
            if not caught_up.is_set():
                topic = self._shell.topic_name(events.SILENCES)
                log.warning("no %s are sent: the silences (%s) are not known yet", self._words.many, topic)
                warn_at = self._clock.steady() + _WARN_AGAIN_MS

    async def _send_due(self) -> None:
        await self._wait_for_silences()
        self._hasten_shortened()
        while True:
            self._something_new.clear()
            now = self._clock.steady()
            for name, slow in self._servers.slow_to_warn_of(now):
                text = "%s wait for %s's answer: %d, the longest for %.0f s (%s)"
                words, longest = self._words, slow.longest / 1_000
                log.warning(text, words.many, words.server_called(name), slow.mails, longest, words.slow_setting)
            for ref in self._servers.take_due(now):
                task = self._in_flight[ref] = asyncio.create_task(self._deliver(ref))
                task.add_done_callback(partial(self._delivered, ref))
            await self._clock.wait(self._something_new, self._servers.next_at(self._clock.steady()))

    def _delivered(self, ref: MailRef, task: asyncio.Task[None]) -> None:
        del self._in_flight[ref]
        self._servers.note_end(ref)
        self._something_new.set()
        self._failure.keep_of(task)

    async def _deliver(self, ref: MailRef) -> None:
        """Try to send one mail, and write the result."""
        generation = self._shell.app.consumer_generation_id
        if not await self._lease_holds(generation):
            self._servers.pause()  # until the partitions are taken over again
            return
        rows = self._table.state_of(ref.partition).rows
        row, pending_notice = rows.get(ref.key), rows.get(mailbox.pending_notice_key(ref.key, ref.delivery_id))
        box = Mailbox() if row is None else mailbox.decode(row)
        mail = box.find_open(ref.delivery_id)
        if mail is None:
            self._servers.forget(ref)
            return
        if mailbox.is_erasure(ref.key):
            await self._wait_for_mails_of(ref.partition, mailbox.erased_key(ref.key))
        result = self._unwritten_result(ref, mail)
        if result is None and mailbox.is_digest(ref.key):
            result = await self._attempt_digest(ref, mail, box.mails)
        elif result is None:
            result = await self._attempt(ref, mail, box.mails, pending_notice)
        if result is None:
            return
        self._results[ref] = generation, result
        await self._rounds.join(ref.partition, at_once=len(self._results) >= self._channel.connections)

    def _unwritten_result(self, ref: MailRef, mail: Mail) -> AttemptResult | None:
        """Return the result of an accepted mail whose row is not durable yet; None if there is none."""
        known = self._accepted.get(ref)
        if known is not None and not known.is_unwritten(mail):
            del self._accepted[ref]
            return None
        return known

    async def _write_results(self, partition: int) -> None:
        """Write the results of a partition. Those of several partitions, in a round, share requests to the broker."""
        by_generation: dict[int, dict[MailRef, AttemptResult]] = defaultdict(dict)
        for ref in [ref for ref in self._results if ref.partition == partition]:
            generation, result = self._results.pop(ref)
            by_generation[generation][ref] = result
        ended = await asyncio.gather(
            *(self._write_down(partition, some, generation) for generation, some in by_generation.items()),
            # If one fails, the others are finished first. Nobody would wait for them afterwards.
            return_exceptions=True,
        )
        for error in ended:
            if error is not None:
                raise error

    async def _wait_for_mails_of(self, partition: int, key: bytes) -> None:
        """Wait for the mails in flight about a customer. Otherwise a receiver could get one after the erasure.

        Any digest may list the customer.
        """
        tasks = [
            task
            for ref, task in self._in_flight.items()
            if ref.partition == partition and (ref.key == key or mailbox.is_digest(ref.key))
        ]
        if tasks:
            await asyncio.wait(tasks)

    async def _attempt(
        self, ref: MailRef, mail: Mail, mails: list[Mail], pending_notice: bytes | None
    ) -> AttemptResult | None:
        """Try to send a mail. Return the result; None if the server cannot be used now."""
        if pending_notice is None:
            lost = DeliveryError("letter_lost", retry=False, alarm=True)
            text = "%s %s has no content any more: another program has changed the outbox"
            log.error(text, self._words.one, mail.delivery_id)
            return AttemptResult(lost, mail.addressee, mail.route, mail.merged)
        nothing_yet = AttemptResult(None, mail.addressee, mail.route, mail.merged)
        notice = mailbox.notice(mail, ref.key, pending_notice)
        now = Moment(self._clock.now(), self._clock.steady())
        if (silenced := self._holding.silenced(ref, mail, notice, now.wall)) is None:
            return await self._try(ref, mail, mails, notice, nothing_yet)
        hold = silenced.hold
        if (
            silenced.fate is Fate.WAIT
            and hold is not None
            and (mail.silence, mail.due) == (hold.silence_id, hold.until)
        ):
            self._servers.hold(ref, hold.until, now)
            return None
        return nothing_yet._replace(silence=silenced)

    async def _attempt_digest(self, ref: MailRef, mail: Mail, mails: list[Mail]) -> AttemptResult | None:
        """Try to send a digest, as `_attempt` does with other mails."""
        rows = self._table.state_of(ref.partition).rows
        found = opened(mail.delivery_id, self._members.of(ref.partition, mail.delivery_id), rows.get)
        nothing_yet = AttemptResult(None, mail.addressee, mail.route, found.known, listed=found.listed, lost=found.lost)
        if not found.items:
            return nothing_yet._replace(nobody_left=NOTHING_LEFT)
        if (silenced := self._holding.silenced_members(mail, found, self._clock.now())) is not None:
            return nothing_yet._replace(silence=silenced)
        ids = {item.silence for item in found.items if item.silence}
        known = {silence_id: self._silences.known.find(silence_id) for silence_id in ids}
        silences = {silence_id: one.state for silence_id, one in known.items() if one is not None}
        digest = Digest(mail.delivery_id, mail.planned, found.items, silences)
        return await self._try(ref, mail, mails, digest, nothing_yet)

    async def _try(
        self, ref: MailRef, mail: Mail, mails: list[Mail], notice: Content, nothing_yet: AttemptResult
    ) -> AttemptResult | None:
        """Try to send the content of a mail, unless it is no longer news, or its receiver is gone or does not work now.

        `nothing_yet`: what is known before the attempt. Return the result; None if the server cannot be used now.
        """
        try:
            address = addressed(mail, notice, mails, self._planner)
        except NobodyLeft as gone:
            text = "%s %s is not sent: %s: the settings changed while it waited"
            log.warning(text, self._words.one, mail.delivery_id, gone.reason)
            return nothing_yet._replace(nobody_left=gone.reason)
        now = Moment(self._clock.now(), self._clock.steady())
        if is_past(notice, now.wall):
            return nothing_yet._replace(nobody_left=NO_LONGER_NEWS)
        until = None if isinstance(notice, Erasure) else address.receiver.held_until(_urgency(notice), now.wall)
        if until is not None and mail.quiet and mail.due == until:
            self._servers.hold(ref, until, now)
            return None
        receiver = address.receiver.name
        if receiver != mail.addressee:
            text = "%s %s waited for the receiver %r, which the settings do not have any more: it goes to %r"
            log.warning(text, self._words.one, mail.delivery_id, mail.addressee, receiver)
        result = nothing_yet._replace(receiver=receiver, route=address.route)
        if until is not None:
            return result._replace(held_until=until)
        if self._traced is None:
            error, shown = await self._send_mail(ref, mail.sent_id, notice, address)
        else:
            with self._traced(self._servers.name_of(ref), mail, notice) as note:
                error, shown = await self._send_mail(ref, mail.sent_id, notice, address)
                note(error)
        result = result._replace(error=error, shown=shown, tried=mail)
        if error is None or error.partly:
            self._accepted[ref] = result  # from now on this worker does not send it again, whatever happens
            self._note_usable(ref, self._servers.note_accepted(ref, self._clock.steady()))
            if self._on_accepted is not None:
                self._on_accepted(mail, notice)
            server = self._servers.name_of(ref)
            if error is None:
                self._trouble.note_accepted(server)
            else:
                self._trouble.note_refused(server, ref.delivery_id, error, self._clock.steady())
            return result
        return self._judged(ref, result, error)

    async def _send_mail(
        self, ref: MailRef, sent_id: str, notice: Content, address: Address
    ) -> tuple[DeliveryError | None, int | None]:
        """Return why a mail was not accepted, or None if it was; and how many notices of a digest it shows."""
        try:
            shown = await self._channel.send(notice, address, sent_id, partial(self._note_answered, ref))
        except DeliveryError as error:
            return error, None
        finally:
            self._servers.note_attempt_end(ref)
            self._something_new.set()
        return None, shown

    def _note_answered(self, ref: MailRef) -> None:
        """Note that the server has answered about this mail, which shows that the server can be used."""
        self._note_usable(ref, self._servers.note_answered(ref, self._clock.steady()))
        self._something_new.set()

    def _judged(self, ref: MailRef, result: AttemptResult, error: DeliveryError) -> AttemptResult | None:
        """Return the result of a failed attempt; None if the failure is about the server, and not about the mail."""
        now, server = self._clock.steady(), self._servers.name_of(ref)
        verdict = self._servers.judge(ref, error, now)
        self._note_usable(ref, verdict.outage_ended)
        if error.unavailable or verdict.refuses_all:
            self._trouble.note_unusable(server, error, verdict, now)
        else:
            self._trouble.note_refused(server, ref.delivery_id, error, now)
        return None if verdict.error is None else result._replace(error=verdict.error)

    def _note_usable(self, ref: MailRef, outage_ended: bool) -> None:
        if outage_ended:
            self._trouble.note_usable(self._servers.name_of(ref))

    async def _lease_holds(self, generation: int) -> bool:
        seconds = self._shell.settings.kafka.session_timeout_seconds
        holds = await lease_holds(self._shell.consumer, generation, seconds)
        if not holds:
            self._table.usage.refusals += 1
        return holds

    async def _write_down(self, partition: int, results: Mapping[MailRef, AttemptResult], generation: int) -> None:
        """Write the results of a partition: first the lines of the delivery log, and then the rows."""
        async with self._table.lock(partition):
            if not await self._lease_holds(generation):
                return
            state = self._table.state_of(partition)
            lines, rows = write_down(results, state.rows.get, self._clock.now(), self._planner.deliveries, self._retry)
            await self._send(lines, partition)
            if rows and not await self._write_rows(partition, rows, state.head, generation):
                return
            self._hasten_changed(results)
            for ref in results:
                self._accepted.pop(ref, None)

    async def _write_rows(
        self, partition: int, rows: Mapping[bytes, bytes | None], head: Head, generation: int
    ) -> bool:
        """Write the rows. Return False, without doing so, if the partition was lost meanwhile."""
        if not await self._lease_holds(generation):
            return False
        return await self._table.write(partition, rows, head, partial(self._shell.consumer.holds, generation))

    async def _send(self, lines: list[Output], partition: int) -> None:
        by_place: dict[tuple[str, int], list[Sendable]] = defaultdict(list)
        for line in lines:
            place = self._shell.topic_name(line.topic), partition if line.partition is None else line.partition
            by_place[place].append((line.key, line.value, line.headers, line.timestamp))
        await self._shell.sender.send((*place, records) for place, records in by_place.items())


async def _end_of_records(reader: reading.Reader, topic: str, partition: int, span: reading.Span) -> int:
    """Return the offset after the last record in a span; the begin of the span if there is no record in it.

    Behind the last record there may be markers of transactions, or nothing that retention has left. No mark of the
    state reaches these offsets.
    """
    first, end = span
    last = first
    for begin in (max(first, end - _TAIL_OFFSETS), first):
        async with aclosing(reader.read(topic, {partition: (begin, end)})) as chunks:
            async for records in chunks:
                last = max(last, *(record.offset + 1 for record in records), first)
        if last > first or begin == first:
            break
    return last


def _urgency(content: Shown | Digest) -> Severity:
    return content.severity if isinstance(content, Digest) else urgency(content)
