"""The postman: tries every mail that is due, a few at a time, and writes down what came of it.

Trying is outside Kafka and takes long, so no lock is held meanwhile: the row is read again before the outcome is
written, and a mail that was erased in between stays erased. Before partitions are given up, the mails in hand are
finished, so that a rebalance is no reason to send twice; only a crash between the server's 250 and the log's line is,
and then both copies have one Message-ID.

Waiting goes by the steady clock: a wall clock that jumps neither holds a mail back nor sends it early.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from heapq import heappop, heappush
from typing import Any, NamedTuple, cast

from worker.clock import Clock
from worker.errors import DeliveryError
from worker.flow import outbox
from worker.flow.outbox import Output
from worker.notify import mailbox
from worker.notify.channels.email import EmailChannel
from worker.notify.compose import compose
from worker.notify.mailbox import Mail, Mailbox
from worker.notify.outage import Outage
from worker.notify.routing import Route
from worker.streams.lease import lease_holds
from worker.streams.sending import Sendable
from worker.streams.shell import Shell
from worker.streams.table import DurableTable

log = logging.getLogger(__name__)

#: How long giving up partitions may wait for mails in hand, in seconds; below Kafka's patience with a rebalance.
_FINISH_SECONDS = 20.0
#: And how long stopping may.
_STOP_SECONDS = 3.0


class Errand(NamedTuple):
    """Where a mail lies."""

    number: int
    key: bytes
    delivery_id: str


class Due(NamedTuple):
    """When a mail may go out, by the steady clock; of those that may, the one planned first goes first. In ms."""

    at: int
    planned: int
    errand: Errand


class Postman:
    """Knows what is due of the partitions held, and sends it through the channel."""

    def __init__(self, shell: Shell, table: DurableTable, channel: EmailChannel, clock: Clock) -> None:
        self._shell = shell
        self._table = table
        self._channel = channel
        self._clock = clock
        self._email = shell.settings.email
        self._routes: dict[str, Route] = {route.name: route for route in self._email.all_routes()}
        self._outage = Outage()
        # What is open, by row; and the same in the order it is due, where entries that changed since are passed over.
        self._open: dict[tuple[int, bytes], dict[str, Due]] = {}
        self._queue: list[Due] = []
        self._in_hand: dict[Errand, asyncio.Task[None]] = {}
        # What came of mails, by partition, until it is written down.
        self._outcomes: dict[int, dict[Errand, DeliveryError | None]] = defaultdict(dict)
        self._something_new = asyncio.Event()
        self._giving_up = False
        self._round: asyncio.Task[None] | None = None
        table.watch = self._rows_changed
        table.superfluous = mailbox.orphans
        table.taken_over = self.take_over
        shell.app.on_partitions_revoked.connect(cast(Any, self._give_up), weak=False)

    def start(self) -> None:
        """Begin to send."""
        self._round = asyncio.create_task(self._rounds())
        self._round.add_done_callback(self._stopped)

    async def stop(self) -> None:
        """Finish the mails in hand, then close the channel."""
        if self._round is not None:
            self._round.cancel()
        await self._finish(_STOP_SECONDS)
        await self._channel.aclose()

    @property
    def pending(self) -> int:
        """How many mails are due or in hand; deferred ones have their time."""
        now = self._clock.steady()
        due = {due.errand for mails in self._open.values() for due in mails.values() if due.at <= now}
        return len(due | self._in_hand.keys())

    @property
    def resting_until(self) -> int | None:
        """When the next mail is tried, by the steady clock; None while one is in hand, and if there is none to try."""
        resting = not self._in_hand and any(self._open.values())
        return self._next_round() if resting else None

    def _rows_changed(self, number: int, rows: Mapping[bytes, bytes | None]) -> None:
        for key, row in rows.items():
            self._open.pop((number, key), None)
            if row is not None and mailbox.has_open(row):
                mails = [mail for mail in mailbox.decode(row).mails if mail.is_open]
                dues = {m.delivery_id: Due(self._at(m), m.planned, Errand(number, key, m.delivery_id)) for m in mails}
                self._open[number, key] = dues
                for due in dues.values():
                    heappush(self._queue, due)
        self._something_new.set()

    def _at(self, mail: Mail) -> int:
        """Return when a mail is due, by the steady clock: after the longest wait at most, whatever its row says."""
        longest = int(self._email.retry.longest_seconds * 1_000)
        return self._clock.steady() + min(mail.due - self._clock.now(), longest) if mail.due else 0

    async def _give_up(self, _app: Any, revoked: Any, **_: Any) -> None:
        """Finish before partitions go; what is still due is found again by whoever holds them next."""
        del revoked
        self._giving_up = True
        await self._finish(_FINISH_SECONDS)
        self._open.clear()
        self._queue.clear()
        self._outcomes.clear()

    def take_over(self) -> None:
        """Begin again, after a rebalance."""
        self._giving_up = False
        self._something_new.set()

    async def _finish(self, seconds: float) -> None:
        tasks = list(self._in_hand.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _rounds(self) -> None:
        while True:
            self._something_new.clear()
            self._set_out()
            await self._clock.wait(self._something_new, self._next_round())

    def _next_round(self) -> int | None:
        """Return when to look again if nothing new happens; None if only something new can change anything."""
        if self._giving_up or not self._queue:
            return None
        until = self._outage.until
        if until is not None and until > self._clock.steady():
            return max(until, self._queue[0].at)
        return self._queue[0].at if self._free_hands > 0 else None

    @property
    def _free_hands(self) -> int:
        hands = self._outage.hands(self._shell.settings.smtp.connections, self._clock.steady())
        return hands - len(self._in_hand)

    def _set_out(self) -> None:
        """Take up what is due, as far as hands are free."""
        now = self._clock.steady()
        while not self._giving_up and self._queue and self._queue[0].at <= now and self._free_hands > 0:
            due = heappop(self._queue)
            errand = due.errand
            if self._due(errand) == due and errand not in self._in_hand:
                task = self._in_hand[errand] = asyncio.create_task(self._deliver(errand))
                task.add_done_callback(partial(self._delivered, errand))

    def _due(self, errand: Errand) -> Due | None:
        return self._open.get((errand.number, errand.key), {}).get(errand.delivery_id)

    def _delivered(self, errand: Errand, task: asyncio.Task[None]) -> None:
        del self._in_hand[errand]
        if (due := self._due(errand)) is not None:
            heappush(self._queue, due)
        self._something_new.set()
        self._stopped(task)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._shell.fail(error)

    async def _deliver(self, errand: Errand) -> None:
        """Try one mail and write down what came of it."""
        generation = self._shell.app.consumer_generation_id
        if not await self._lease_holds(generation):
            self._giving_up = True  # until the partitions are taken over again
            return
        rows = self._table.partition(errand.number).rows
        row, letter = rows.get(errand.key), rows.get(mailbox.letter_key(errand.key, errand.delivery_id))
        mail = None if row is None else mailbox.decode(row).find(errand.delivery_id)
        if mail is None or not mail.is_open:
            return
        error = await self._attempt(errand.key, mail, letter)
        if error is not None and error.unavailable:
            self._note_outage(error)
            return
        if self._outage.ends():
            log.info("the mail server can be used again")
        self._outcomes[errand.number][errand] = error
        async with self._table.lock(errand.number):
            # Whoever gets the lock first writes down for all who wait for it.
            if errand in self._outcomes[errand.number]:
                await self._write_down(errand.number, self._outcomes.pop(errand.number), generation)

    def _note_outage(self, error: DeliveryError) -> None:
        now = self._clock.steady()
        if self._outage.begins(now) and self._outage.until is not None:
            level = logging.ERROR if error.alarm else logging.WARNING
            wait = (self._outage.until - now) / 1_000
            why = f"{error.reason}; {error.hint}" if error.hint else error.reason
            log.log(level, "mails wait, the mail server cannot be used: %s; trying again in %.0f s", why, wait)

    async def _lease_holds(self, generation: int) -> bool:
        return await lease_holds(self._shell.consumer, generation, self._shell.settings.kafka.session_timeout_seconds)

    async def _attempt(self, key: bytes, mail: Mail, letter: bytes | None) -> DeliveryError | None:
        """Send a mail; return why it was not accepted, None if it was."""
        if letter is None:
            return DeliveryError("letter_lost", retry=False, alarm=True)
        route = self._routes.get(mail.route)
        if route is None:
            return DeliveryError("route_removed", retry=False, alarm=True)
        message = compose(
            mailbox.read_letter(key, letter),
            route,
            delivery_id=mail.delivery_id,
            letterhead=self._email.letterhead,
        )
        try:
            await self._channel.send(message, mail.left)
        except DeliveryError as error:
            if not error.unavailable:
                level = logging.ERROR if error.alarm else logging.WARNING
                why = f"{error.reason}; {error.hint}" if error.hint else error.reason
                log.log(level, "mail %s was not accepted: %s", mail.delivery_id, why)
            return error
        return None

    async def _write_down(self, number: int, outcomes: Mapping[Errand, DeliveryError | None], generation: int) -> None:
        partition, now = self._table.partition(number), self._clock.now()
        boxes: dict[bytes, Mailbox] = {}
        lines: list[Output] = []
        rows: dict[bytes, bytes | None] = {}
        for errand, error in outcomes.items():
            key = errand.key
            if key not in boxes and (row := partition.rows.get(key)) is not None:
                boxes[key] = mailbox.decode(row)
            mail = boxes[key].find(errand.delivery_id) if key in boxes else None
            if mail is None or not mail.is_open:
                continue  # erased or cancelled while it was sent
            if error is None:
                lines.append(mailbox.succeed(mail, key, now))
            else:
                lines.append(mailbox.fail(mail, key, error, now, self._email.retry))
            rows |= mailbox.changed(key, boxes[key], mail)
        await self._send(lines, number)
        if lines and await self._lease_holds(generation):
            await self._table.write(number, rows, partition.head, partial(self._shell.consumer.holds, generation))

    async def _send(self, lines: list[Output], number: int) -> None:
        records: list[Sendable] = [(line.key, line.value, line.headers, line.timestamp) for line in lines]
        await self._shell.sender.send([(self._shell.topic_name(outbox.DELIVERIES), number, records)])
