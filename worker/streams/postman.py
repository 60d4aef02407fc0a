"""The postman: tries every mail that is due, a few at a time, and writes down what came of it.

Trying is outside Kafka and takes long, so no lock is held meanwhile: the row is read again before the outcome is
written, and a mail that was erased in between stays erased. Before partitions are given up, the mails in hand are
finished, so that a rebalance is no reason to send twice; only a crash between the server's 250 and the log's line is,
and then both copies have one Message-ID.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from functools import partial
from heapq import heappop, heappush
from typing import Any, NamedTuple, cast

from schemas.alert import Alert
from worker.errors import DeliveryError
from worker.flow.outbox import Output
from worker.notify import mailbox
from worker.notify.channels.email import EmailChannel
from worker.notify.compose import compose
from worker.notify.mailbox import Mail
from worker.notify.routing import Route
from worker.streams.lease import lease_holds
from worker.streams.sending import Sendable
from worker.streams.shell import Shell
from worker.streams.table import DurableTable

log = logging.getLogger(__name__)

#: How long giving up partitions may wait for mails in hand, in seconds; below Kafka's patience with a rebalance.
_FINISH_SECONDS = 20.0


class Errand(NamedTuple):
    """Where a mail lies."""

    number: int
    key: bytes
    delivery_id: str


class Postman:
    """Knows what is due of the partitions held, and sends it through the channel."""

    def __init__(self, shell: Shell, table: DurableTable, channel: EmailChannel) -> None:
        self._shell = shell
        self._table = table
        self._channel = channel
        self._email = shell.settings.email
        self._routes: dict[str, Route] = {route.name: route for route in self._email.all_routes()}
        # What is open, by row; and the same in the order it is due, where entries that changed since are passed over.
        self._open: dict[tuple[int, bytes], dict[str, int]] = {}
        self._queue: list[tuple[int, Errand]] = []
        self._in_hand: dict[Errand, asyncio.Task[None]] = {}
        self._something_new = asyncio.Event()
        self._giving_up = False
        self._round: asyncio.Task[None] | None = None
        table.watch = self._rows_changed
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
        await self._finish()
        await self._channel.aclose()

    @property
    def pending(self) -> int:
        """How many mails are due or in hand; deferred ones have their time."""
        now = _now()
        due = {
            Errand(number, key, delivery_id)
            for (number, key), mails in self._open.items()
            for delivery_id, when in mails.items()
            if when <= now
        }
        return len(due | self._in_hand.keys())

    def _rows_changed(self, number: int, rows: Mapping[bytes, bytes | None]) -> None:
        for key, row in rows.items():
            self._open.pop((number, key), None)
            if row is not None and mailbox.has_open(row):
                mails = {mail.delivery_id: mail.due for mail in mailbox.decode(row).mails if mail.is_open}
                self._open[number, key] = mails
                for delivery_id, due in mails.items():
                    heappush(self._queue, (due, Errand(number, key, delivery_id)))
        self._something_new.set()

    def _is_due(self, errand: Errand, due: int) -> bool:
        return self._open.get((errand.number, errand.key), {}).get(errand.delivery_id) == due

    async def _give_up(self, _app: Any, revoked: Any, **_: Any) -> None:
        """Finish before partitions go; what is still due is found again by whoever holds them next."""
        del revoked
        self._giving_up = True
        await self._finish()
        self._open.clear()
        self._queue.clear()

    def take_over(self) -> None:
        """Begin again, after a rebalance."""
        self._giving_up = False
        self._something_new.set()

    async def _finish(self) -> None:
        tasks = list(self._in_hand.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_FINISH_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _rounds(self) -> None:
        while True:
            self._something_new.clear()
            self._set_out()
            # With all hands full, or none to be lent, something new is the next thing to happen.
            idle = self._queue and self._free_hands > 0 and not self._giving_up
            wait = (self._queue[0][0] - _now()) / 1_000 if idle else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something_new.wait(), wait)

    @property
    def _free_hands(self) -> int:
        return self._shell.settings.smtp.connections - len(self._in_hand)

    def _set_out(self) -> None:
        """Take up what is due, as far as hands are free."""
        now = _now()
        while not self._giving_up and self._queue and self._queue[0][0] <= now and self._free_hands > 0:
            due, errand = heappop(self._queue)
            if self._is_due(errand, due) and errand not in self._in_hand:
                task = self._in_hand[errand] = asyncio.create_task(self._deliver(errand))
                task.add_done_callback(partial(self._delivered, errand))

    def _delivered(self, errand: Errand, task: asyncio.Task[None]) -> None:
        del self._in_hand[errand]
        due = self._open.get((errand.number, errand.key), {}).get(errand.delivery_id)
        if due is not None:
            heappush(self._queue, (due, errand))
        self._something_new.set()
        self._stopped(task)

    def _stopped(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._shell.fail(error)

    async def _deliver(self, errand: Errand) -> None:
        """Try one mail and write down what came of it."""
        generation = self._shell.app.consumer_generation_id
        rows = self._table.partition(errand.number).rows
        row, letter = rows.get(errand.key), rows.get(mailbox.letter_key(errand.key, errand.delivery_id))
        mail = None if row is None else mailbox.decode(row).find(errand.delivery_id)
        if mail is None or letter is None:
            return
        error = await self._attempt(mail, letter)
        async with self._table.lock(errand.number):
            await self._write_down(errand, error, generation)

    async def _attempt(self, mail: Mail, letter: bytes) -> DeliveryError | None:
        """Send a mail; return why it was not accepted, None if it was."""
        route = self._routes.get(mail.route)
        if route is None:
            return DeliveryError("route_removed", retry=False, alarm=True)
        message = compose(
            Alert.model_validate_json(letter),
            route,
            delivery_id=mail.delivery_id,
            sender=self._email.sender,
            default_language=self._email.default_language,
        )
        try:
            await self._channel.send(message, mail.left)
        except DeliveryError as error:
            level = logging.ERROR if error.alarm else logging.WARNING
            log.log(level, "mail %s was not accepted: %s", mail.delivery_id, error.reason)
            return error
        return None

    async def _write_down(self, errand: Errand, error: DeliveryError | None, generation: int) -> None:
        row = self._table.partition(errand.number).rows.get(errand.key)
        box = None if row is None else mailbox.decode(row)
        mail = None if box is None else box.find(errand.delivery_id)
        if box is None or mail is None or not mail.is_open:
            return  # erased or cancelled while it was sent
        if error is None:
            line = mailbox.succeed(mail, errand.key, _now())
        else:
            line = mailbox.fail(mail, errand.key, error, _now(), self._email.retry)
        await self._send(line, errand.number)
        consumer = self._shell.consumer
        if await lease_holds(consumer, generation, self._shell.settings.kafka.session_timeout_seconds):
            rows = mailbox.changed(errand.key, box, mail)
            head = self._table.partition(errand.number).head
            await self._table.write(errand.number, rows, head, partial(consumer.holds, generation))

    async def _send(self, line: Output, number: int) -> None:
        record: Sendable = (line.key, line.value, line.headers, line.timestamp)
        await self._shell.sender.send([(self._shell.topic_name(line.topic), number, [record])])


def _now() -> int:
    return int(time.time() * 1_000)
