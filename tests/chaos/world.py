"""A world of its own for a fault: names on some Kafka, a mailbox, workers, and what was published to them."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from chaos import invariants
from chaos.feed import Feed
from chaos.invariants import Allowed, Event, Found, Verdict
from chaos.received_mails import ReceivedMails
from chaos.saboteur import CUT_SHORT, PUT_OUT, Order
from integration.processes import Process, environment, start_worker
from integration.reading import LARGEST, read_topic
from integration.sampling import Published

from worker.embedded.inbox import Inbox
from worker.flow.messages import tick

if TYPE_CHECKING:
    from chaos.closed_loop import ClosedLoop

PARTITIONS = 4
#: In the order of travel: once a topic is done, only those after it can still grow.
TRAVEL = ("responses", "tallies", "hours", "alert-commands", "cases", "alerts", "notices")
#: The roles and channels with groups whose shares of partitions interrupt the work, and those of them that send.
_GROUPS = ("process", "notify", "webhook")
_SENDING = ("notify", "webhook")
#: The roles by which an answer becomes a mail.
_MAILING = ("process", "notify")
#: How many mails a worker sends at the same time, at most (smtp.connections).
HANDS = 4
#: How many mails it may not have written down yet, at most: those that it sends, and those whose results wait.
IN_HAND = 2 * HANDS
_POLL_SECONDS = 0.05
_LAST_WORDS = 8
#: What has not come after this time does not come: it is far more than a machine takes that is busy with others.
PATIENCE_SECONDS = 300.0
#: And after this time, if a bug was put in on purpose that keeps it from coming: without the bug it comes sooner.
PATIENCE_WITH_BUG_SECONDS = 20.0


class NotHealed(Exception):
    """Something that had to happen did not."""


@dataclass
class World:
    """What a fault works on."""

    name: str
    kafka: str
    folder: Path
    inbox: Inbox
    rng: random.Random
    feed: Feed
    env: dict[str, str]
    partitions: int = PARTITIONS
    #: What has to come of it, if alerts are followed there until somebody acts.
    loop: "ClosedLoop | None" = None
    published: list[Published] = field(default_factory=list)
    commands: int = 0
    workers: list["Worker"] = field(default_factory=list)
    _clients: "Clients | None" = None

    def __post_init__(self) -> None:
        self.received_mails = ReceivedMails(self.inbox.mails)

    def worker(self, role: str = "all", **env: str) -> "Worker":
        """Return a worker, not started yet."""
        worker = Worker(self, role, len(self.workers), {**self.env, **env})
        self.workers.append(worker)
        return worker

    async def begin(self, role: str = "all", **env: str) -> "Worker":
        """Return a worker that is ready."""
        worker = self.worker(role, **env)
        await worker.start()
        await worker.ready()
        return worker

    async def publish(self, records: list[Published], *, seconds: float = 0.0) -> None:
        """Publish in order, evenly over the time."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka, enable_idempotence=True, linger_ms=5, max_request_size=LARGEST
        )
        await producer.start()
        began = time.monotonic()
        try:
            for number, record in enumerate(records):
                ahead = number * seconds / len(records) - (time.monotonic() - began)
                if ahead > 0.01:
                    await asyncio.sleep(ahead)
                await producer.send(f"{self.name}.responses", record.value, key=record.key, headers=record.headers)
                self.published.append(record)
            await producer.flush()
        finally:
            await producer.stop()

    async def feed_some(self, count: int, *, seconds: float = 0.0, commands: int = 0) -> None:
        """Publish the next responses of the feed, and commands about the alerts that they cause, or caused before."""
        await self.publish(self.feed.take(count), seconds=seconds)
        await self.command(self.feed.commands(commands))

    async def command(self, commands: list[tuple[bytes, bytes]]) -> None:
        """Publish commands, each with its key."""
        await self.send("alert-commands", commands)
        self.commands += len(commands)

    async def send(
        self, topic: str, records: list[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Write records, each a key and a value, to another topic than that of the responses."""
        if not records:
            return
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True, linger_ms=5)
        await producer.start()
        try:
            for key, value in records:
                await producer.send(f"{self.name}.{topic}", value, key=key, headers=headers)
            await producer.flush()
        finally:
            await producer.stop()

    async def feed_to_death(
        self, worker: "Worker", portion: int, seconds: float = PATIENCE_SECONDS, *, commands: int = 0
    ) -> None:
        """Publish on until a worker has died of what it was told; as many commands with each portion of responses."""
        feeding = partial(self.feed_some, portion, commands=commands)
        await _until_dead(worker, feeding, every=0.3, seconds=seconds)

    async def tick(self, when: datetime) -> None:
        """Say to every partition of segments what time it is, as workers do each hour."""
        producer, stamp = AIOKafkaProducer(bootstrap_servers=self.kafka), int(when.timestamp() * 1_000)
        await producer.start()
        try:
            for number in range(self.partitions):
                topic = f"{self.name}.tallies"
                await producer.send_and_wait(topic, b"", key=tick.KEY, partition=number, timestamp_ms=stamp)
        finally:
            await producer.stop()

    async def tick_to_death(self, worker: "Worker", when: datetime) -> None:
        """Tick until a worker has died of what it was told."""
        await _until_dead(worker, partial(self.tick, when), every=1.0)

    async def feed_to_a_stop(self, worker: "Worker", step: str, portion: int) -> None:
        """Publish on until a worker is stopped in its tracks at a step, as by SIGSTOP; SIGCONT wakes it."""
        worker.told(step, 2, "SIGSTOP")
        async with patience("a worker to stop in its tracks"):
            while psutil.Process(worker.process.pid).status() != psutil.STATUS_STOPPED:
                await self.feed_some(portion)
                await asyncio.sleep(_POLL_SECONDS)

    @asynccontextmanager
    async def fed(self, per_second: int) -> AsyncIterator[None]:
        """Publish on meanwhile."""
        enough = asyncio.Event()

        async def feed() -> None:
            while not enough.is_set():
                await self.feed_some(per_second, seconds=1.0)

        feeding = asyncio.create_task(feed())
        try:
            yield
        finally:
            enough.set()
            await feeding

    async def caught_up(self, *, mails: bool = True) -> None:
        """Wait until everything published is processed, committed, and mailed."""
        await self.committed()
        if mails and self.loop is not None:
            await self.loop.settled(self)
        elif mails:
            await self.mailed()

    async def committed(self) -> None:
        """Wait until everything published is processed and committed."""
        async with patience("the committed offsets to reach the end"):
            for topic in TRAVEL:
                while not await self.is_committed(topic):  # noqa: ASYNC110 - the broker's offsets raise no event
                    await asyncio.sleep(_POLL_SECONDS)
            for topic in () if self.loop is None else ("alerts", "webhook-notices"):
                while not await self.is_committed(topic, "webhook"):  # noqa: ASYNC110 - likewise
                    await asyncio.sleep(_POLL_SECONDS)

    async def events(self, topic: str) -> list[Event]:
        """Return what a topic of events says now, but for null values."""
        return invariants.events_of(await read_topic(self.kafka, f"{self.name}.{topic}"))

    async def is_committed(self, topic: str, *roles: str) -> bool:
        """Say whether the committed offsets are at a topic's end. `roles`: whose; by default, those of all mails."""
        places = [TopicPartition(f"{self.name}.{topic}", n) for n in range(self.partitions)]
        try:
            clients = await self._connected()
            ends = await clients.consumer.end_offsets(places)
            done = await invariants.committed_by(clients.admin, self.name, self.name, roles or _MAILING)
        except (KafkaError, TimeoutError):
            await self.hang_up()
            return False
        return all(end == 0 or done.get((topic, place.partition), -1) == end for place, end in ends.items())

    async def _connected(self) -> "Clients":
        """Return clients that stay for the next question: it is asked many times a second, and connecting is costly."""
        if self._clients is None:
            async with contextlib.AsyncExitStack() as stack:
                consumer = await stack.enter_async_context(AIOKafkaConsumer(bootstrap_servers=self.kafka))
                admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
                stack.push_async_callback(admin.close)
                await admin.start()
                self._clients = Clients(consumer, admin, stack.pop_all())
        return self._clients

    async def hang_up(self) -> None:
        """Close the clients that ask for offsets, if there are any; the next question connects again."""
        clients, self._clients = self._clients, None
        if clients is not None:
            await clients.open.aclose()

    async def mailed(self) -> None:
        """Wait until the mailbox has as many different mails about each alert and incident as there have to be."""
        expected, _ = invariants.expected_mails(await self.events("alerts"))
        async with patience(f"{expected.total()} mails"):
            while expected - self.received_mails.distinct():
                await self.inbox.wait_for(self.inbox.accepted + 1)

    def allowed(self) -> Allowed:
        """Return what explains a replay, by what became of the workers and by what they said, whatever the reason."""
        lives = [life for worker in self.workers for life in worker.lives]
        return Allowed(sum(life.interruptions for life in lives), sum(life.ambiguous for life in lives))

    async def deserted(self) -> None:
        """Wait until nobody is left in the groups."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            async with patience("the groups to be empty"):
                for role in ("process", "notify"):
                    while not await _is_empty(admin, f"{self.name}-{role}"):  # noqa: ASYNC110 - Kafka raises no event
                        await asyncio.sleep(_POLL_SECONDS)
        finally:
            await admin.close()

    def last_words(self) -> list[str]:
        """Return what each worker said last, but for what was to be expected."""
        return [line for worker in self.workers for line in worker.last_words()]

    async def find(self) -> Found:
        """Return everything that came of it so far."""
        received_mails = await asyncio.to_thread(self.received_mails.all)
        return await invariants.find(self.kafka, self.name, self.name, received_mails, self.partitions)

    async def check(self, *, unwatched: Collection[bytes] = ()) -> Verdict:
        """Hold everything that came of it so far against the recount; `unwatched` as in `invariants.check`."""
        found = await self.find()
        return await asyncio.to_thread(
            invariants.check, self.published, found, self.allowed(), unwatched, self.commands, self.loop
        )

    async def check_incidents(self) -> Verdict:
        """Hold the incidents against what the hours' topic says."""
        return invariants.check_incidents(await self.find())

    async def drops(self, below: str, action: str) -> set[str]:
        """Return the segments below one whose drops took this step, alone or together with others."""
        steps = [event.body for event in (await self.find()).events["alerts"]]
        dropped = [step for step in steps if step["kind"] == "segment_drop" and step["action"] == action]
        segments = [segment for step in dropped for segment in (step["segment"], *step["also"])]
        return {segment for segment in segments if segment.startswith(f"{below}/")}


class Clients(NamedTuple):
    """Clients that ask a world's Kafka for offsets; `open` closes them."""

    consumer: AIOKafkaConsumer
    admin: AIOKafkaAdminClient
    open: contextlib.AsyncExitStack


class Life:
    """A worker's process, from its start to its end, and what in it explains that something was done twice."""

    def __init__(self, process: Process, group: str, *, mails: bool) -> None:
        self.process = process
        self._group = group
        self._mails = mails

    @property
    def _broken_off(self) -> bool:
        """Whether it has ended in another way than in order."""
        return self.process.ended and self.process.code != 0

    @property
    def interruptions(self) -> int:
        """How often work may have been cut off: by its end, by the group, or because partitions were shared out anew.

        For each of the groups, the first share of partitions interrupts nothing.
        """
        shares = (self._shares(role) - 1 for role in _GROUPS)
        put_out = sum(map(self.put_out, _GROUPS))
        return self._broken_off + put_out + sum(share for share in shares if share > 0)

    def put_out(self, role: str) -> int:
        """Return how often the group of a role or of a channel has excluded it."""
        return self.process.count(f"{self._group}-{role} {PUT_OUT}")

    def _shares(self, role: str) -> int:
        return sum(self.process.count(f"{self._group}-{role} {said}") for said in ("has partitions", "stands by"))

    @property
    def ambiguous(self) -> int:
        """Return after how many mails, at most, it could not write down what had become of them.

        The same holds for the events of a webhook, each endpoint by itself.
        """
        put_out = sum(map(self.put_out, _SENDING))
        return (put_out + (self._broken_off and self._mails)) * IN_HAND + self.process.count(CUT_SHORT)


class Worker:
    """One worker process after the other, by the same name."""

    def __init__(self, world: World, role: str, number: int, env: dict[str, str]) -> None:
        self._world = world
        self._role = role
        self._order = world.folder / f"order-{number}"
        self.lives: list[Life] = []
        #: A variable that is set to nothing is not there.
        given = {
            **environment(world.kafka, world.inbox, world.name, world.folder),
            "NPS_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "NPS_KAFKA__BATCH_RECORDS": "25",
            "NPS_KAFKA__PARTITIONS": str(world.partitions),
            "NPS_SMTP__CONNECTIONS": str(HANDS),
            "NPS_STATUS_FILE": str(world.folder / f"status-{number}"),
            "CHAOS_ORDER": str(self._order),
            **env,
        }
        self.env = {name: value for name, value in given.items() if value}

    @property
    def process(self) -> Process:
        """The present process, or the last."""
        return self.lives[-1].process

    @property
    def starts(self) -> int:
        """How often it was started."""
        return len(self.lives)

    @property
    def has_bug(self) -> bool:
        """Whether a bug was put in on purpose."""
        return "CHAOS_BUG" in self.env

    @property
    def patience(self) -> float:
        """For how many seconds to wait for what a bug may keep from coming; not for what comes all the same."""
        return PATIENCE_WITH_BUG_SECONDS if self.has_bug else PATIENCE_SECONDS

    def last_words(self) -> list[str]:
        """Return the last lines that are more than information."""
        lines = self.process.lines if self.lives else []
        return [line for line in lines if '"level": "info"' not in line][-_LAST_WORDS:]

    async def start(self) -> None:
        """Start it."""
        process = await start_worker("run", "--role", self._role, env=self.env, module="chaos.saboteur")
        self.lives.append(Life(process, self._world.name, mails=self._role not in {"process", "web", "receive"}))

    async def ready(self) -> None:
        """Wait until it has its partitions and their state."""
        async with patience("a worker to be ready"):
            await self.process.said('"started')

    def told(self, step: str, nth: int, what: str, delay: float = 0.0) -> None:
        """Have it signal itself at a step, the `nth` time from now."""
        Order(step, nth, what, delay).give(self._order)

    def untold(self) -> None:
        """Take back what it was told and has not done."""
        self._order.unlink(missing_ok=True)

    async def died(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it has ended; return its exit code."""
        async with patience("a worker to end", seconds):
            return await self.process.exited()

    async def kill(self) -> None:
        """End it by SIGKILL, whatever it is doing."""
        if self.lives and not self.process.ended:
            await self.process.end(signal.SIGKILL)

    async def stop(self) -> int:
        """End it by SIGTERM and return the exit code."""
        async with patience("a worker to stop"):
            return await self.process.end(signal.SIGTERM)

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.tell(number)

    def settled(self) -> int:
        """Return how often its groups have settled: once for each role and rebalance."""
        return self.process.count("has partitions")

    async def settles(self, times: int) -> None:
        """Wait until they have settled so often."""
        async with patience("the groups to settle"):
            await self.process.said("has partitions", times)

    async def begun(self) -> None:
        """Wait until somebody else's `live` has made it ready."""
        while not self.lives:  # noqa: ASYNC110 - once, for the time a process takes to be made
            await asyncio.sleep(_POLL_SECONDS)
        await self.ready()

    async def live(self) -> None:
        """Be started again whenever it ends, as an orchestrator does it, until cancelled."""
        while True:
            await self.start()
            await self.process.exited()


async def _until_dead(
    worker: Worker, provoke: Callable[[], Awaitable[None]], *, every: float, seconds: float = PATIENCE_SECONDS
) -> None:
    """Do it again and again, so many seconds apart, until a worker has died of it."""
    dying = asyncio.create_task(worker.died(seconds))
    while not dying.done():
        await provoke()
        await asyncio.wait([dying], timeout=every)
    await dying


async def _is_empty(admin: AIOKafkaAdminClient, group: str) -> bool:
    # One at a time: aiokafka 0.14.0 cannot read an answer about two.
    [answer] = await admin.describe_consumer_groups([group])
    return all(state == "Empty" for _, _, state, *_ in answer.groups)


@asynccontextmanager
async def patience(what: str, seconds: float = PATIENCE_SECONDS) -> AsyncIterator[None]:
    """Raise NotHealed if what is waited for takes too long."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise NotHealed(in_vain(what, seconds)) from None


def in_vain(what: str, seconds: float) -> str:
    """Say that something did not come."""
    return f"waited {seconds:.0f} s in vain for {what}"


@asynccontextmanager
async def world(
    name: str,
    kafka: str,
    folder: Path,
    *,
    seed: str,
    customers: int = 150,
    partitions: int = PARTITIONS,
    inbox: Inbox | None = None,
    loop: "ClosedLoop | None" = None,
    **env: str,
) -> AsyncIterator[World]:
    """Make a world; its workers are gone at the end, whatever happens."""
    home = folder / name
    home.mkdir()
    async with contextlib.AsyncExitStack() as stack:
        mailbox = await stack.enter_async_context(inbox or Inbox())
        made = World(name, kafka, home, mailbox, random.Random(seed), Feed(seed, customers), env, partitions, loop)
        try:
            yield made
        finally:
            for worker in made.workers:
                with contextlib.suppress(ProcessLookupError):
                    await worker.kill()
            await made.hang_up()


Say = Callable[[str], None]
