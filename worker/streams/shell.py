"""The shell of a role: its Faust app, and the tasks that run its batches."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from faust.types import TP, Message

from worker.errors import Fatal, SourceLost, StateLost
from worker.kafka import reading, source, topics
from worker.kafka.rows import Head
from worker.service import Failure
from worker.settings import Settings
from worker.streams.activity import Activity
from worker.streams.checkpoint import Checkpoint, Checkpoints
from worker.streams.faust_app import make
from worker.streams.lane import Decide, Lane, Pace, View, ViewRestater
from worker.streams.lease import lease_confirmed
from worker.streams.observer import ShellObserver
from worker.streams.ordered import OrderedConsumer
from worker.streams.refusals import Refusals
from worker.streams.sending import Sendable, Sender
from worker.streams.table import DurableTable
from worker.streams.turns import Turns

log = logging.getLogger(__name__)

#: How long to wait before a log that seems to be another one is compared again, in seconds.
_LOOK_AGAIN_SECONDS = 2.0


class Shell:
    """The Faust app of a role, with its tables, its lanes and its batches in flight.

    It is a service (worker/service.py), and observes its own consumer (ConsumerObserver). `role`: the end of its
    group's name; `sends`: what its deliveries are called, in the singular and in the plural; `observer` learns what the
    shell has done.
    """

    def __init__(
        self,
        settings: Settings,
        role: str,
        kafka: topics.KafkaInfo,
        *,
        sends: tuple[str, str] = ("mail", "mails"),
        observer: ShellObserver | None = None,
    ) -> None:
        self.settings = settings
        self.partitions = kafka.partitions
        self.role = role
        self._failure = Failure()
        self.app = make(settings, role, kafka.partitions, observer=self)
        self.app.on_partitions_revoked.connect(cast(Any, self._on_revoked), weak=False)
        self.activity = Activity(self.topic_name, sends)
        self.sender = Sender(
            self.app, settings.kafka.patience_seconds, topics.internal_topics(settings), on_sent=self._on_sent
        )
        self._observer = observer
        # Whether the worker has joined the group for the first time. Before that, the consumer cannot be asked.
        self.has_joined = False
        self.tables: dict[str, DurableTable] = {}
        self._table_of: dict[str, DurableTable] = {}
        self._topics: dict[str, str] = {}
        # The full names of the topics that belong to other programs.
        self._foreign: set[str] = set()
        self._lanes: dict[str, Lane] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._checkpoints = Checkpoints(self._failure.keep_of)
        self._turns = Turns()

    def _on_sent(self, topic: str, records: Iterable[Sendable]) -> None:
        self.activity.sent(topic, records)
        if self._observer is not None:
            self._observer.on_sent(topic, records)

    @property
    def topics(self) -> Collection[str]:
        """The full names of the topics that are read."""
        return self._topics

    @property
    def consumer(self) -> OrderedConsumer:
        """The app's consumer."""
        return cast(OrderedConsumer, self.app.consumer)

    def topic_name(self, topic: str) -> str:
        """Return the full name of a topic, which begins with the prefix."""
        return topics.topic_name(self.settings.topic_prefix, topic)

    def table(self, name: str, *, atomic: bool = False) -> DurableTable:
        """Declare a table. `atomic` has the meaning that it has for DurableTable."""
        table = DurableTable(
            self.app,
            name=name,
            partitions=self.partitions,
            kafka=self.settings.kafka,
            sender=self.sender,
            atomic=atomic,
        )
        self.app.tables.add(table)
        self.tables[name] = table
        return table

    def agent(
        self,
        topic: str,
        table: DurableTable,
        decide: Decide,
        *,
        view: View | None = None,
        pace: Pace | None = None,
        checkpoint: Checkpoint | None = None,
        is_foreign: bool = False,
    ) -> None:
        """Declare what reads a topic: a task is started for each batch, so that no partition waits for another.

        `view` publishes the rows of `table`. `pace` delays batches. Without a `checkpoint`, rows are written with each
        batch (checkpoint.py says which tables may have one). `is_foreign`: whether the topic belongs to another
        program; then `topic` is its full name. Faust subscribes to the topic, but has no agent for it, since batches do
        not pass Faust's streams (inflow.py).
        """
        name = topic if is_foreign else self.topic_name(topic)
        lane = self._lanes[name] = Lane(
            consumer=lambda: self.consumer,
            sender=self.sender,
            table=table,
            decide=decide,
            topic_name=self.topic_name,
            kafka=self.settings.kafka,
            view=view,
            pace=pace,
            checkpoint=checkpoint,
            checkpoints=self._checkpoints,
            turns=self._turns,
            refusals=Refusals(),
            observer=self._observer,
        )
        if view is not None:
            table.observe(ViewRestater(lane))
        self._table_of[name] = table
        self._topics[name] = topic
        if is_foreign:
            self._foreign.add(name)
        self.app.topics.add(self.app.topic(name, partitions=self.partitions))

    async def start(self) -> None:
        """Join the group, and begin to read."""
        await self.app.start()

    async def stop(self) -> None:
        """Finish the batches in flight, write the checkpoints, commit the offsets, and leave the group."""
        await self.app.stop()

    async def _on_revoked(self, _app: Any, revoked: Any, **_: Any) -> None:
        del revoked
        # All at once: each may take nearly as long as a rebalance.
        await asyncio.gather(*(table.revoke() for table in self.tables.values()))

    def _head(self, tp: TP) -> Head:
        return self._table_of[tp.topic].state_of(tp.partition).head

    def stands_at(self, tp: TP) -> int:
        """Return the offset up to which a partition's effects are durable."""
        return self._head(tp).stands_at

    async def check_logs(self, starts: Mapping[TP, int], generation: int) -> Mapping[TP, int]:
        """Compare the logs of partitions with their state (source.py); stop the worker if they differ.

        Raise KafkaError if Kafka does not answer.
        """
        found = await self._compare(starts)
        if found.problems:
            # A leader that was just elected may know a lower end for a moment. Or another worker has the partition now.
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            found = await self._compare(starts)
            if found.problems and await lease_confirmed(self.consumer, generation):
                self.on_failure(SourceLost("; ".join(found.problems)))
        for tp, count in found.deleted_unread.items():
            log.warning(
                "%s, partition %d: retention deleted %d offsets before they were read", tp.topic, tp.partition, count
            )
        return found.resume_at

    async def _compare(self, starts: Mapping[TP, int]) -> source.Comparison:
        found = source.Comparison()
        async with reading.reader(self.settings.kafka) as reader:
            for name, topic in self._topics.items():
                due = {tp.partition: offset for tp, offset in starts.items() if tp.topic == name}
                heads = {partition: self._head(TP(name, partition)) for partition in due}
                if due:
                    logs = await source.read_logs(reader, name, heads)
                    must_be_complete, is_foreign = topic in topics.MUST_BE_COMPLETE, name in self._foreign
                    found.add(source.Source(name, topic, must_be_complete, is_foreign), heads, due, logs)
        return found

    async def on_flow_stopped(self) -> None:
        """Write the checkpoints of all lanes. Raise StateNotDurable if the broker does not acknowledge."""
        await self._checkpoints.write_all()

    def on_settled(self, tps: Iterable[TP]) -> None:
        """Log which partitions this worker has."""
        self.has_joined = True
        partitions = sorted({tp.partition for tp in tps})
        if partitions:
            log.info("%s has partitions %s of %d", self.app.conf.id, ", ".join(map(str, partitions)), self.partitions)
        else:
            log.info("%s stands by: other workers have all %d partitions", self.app.conf.id, self.partitions)

    async def on_state_ahead(self, tp: TP, committed: int, generation: int) -> None:
        """Stop the worker, since state was lost; but not if another worker has the partition by now."""
        if not await lease_confirmed(self.consumer, generation):
            return  # another worker has gone on meanwhile
        table = self._table_of[tp.topic]
        changelog = table.changelog_topic.get_topic_name()
        remedy = (
            "The next start goes on from that offset"
            if tp.topic in self._foreign
            else f"Restore it, or stop every worker and run: python -m worker rebuild --table {table.name}"
        )
        self.on_failure(
            StateLost(
                f"{tp.topic}, partition {tp.partition}: offset {committed} is committed, but its state on {changelog} "
                f"ends at {self.stands_at(tp)}: that changelog was deleted or cut back. {remedy}"
            )
        )

    def on_failure(self, error: BaseException) -> None:
        """Stop the worker because of this error."""
        self._failure.keep(error)

    async def failure(self) -> None:
        """Wait until an error must stop the worker; raise it."""
        # Faust has no public method to wait for a crash.
        waiting = [asyncio.ensure_future(self.app._crashed.wait()), asyncio.ensure_future(self._failure.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        if self._failure.error is not None:
            raise self._failure.error
        if isinstance(self.app.crash_reason, Fatal):
            raise self.app.crash_reason
        raise Fatal(f"Faust stopped: {type(self.app.crash_reason).__name__}") from self.app.crash_reason

    @property
    def ready(self) -> bool:
        """Whether the group has settled and the state of this worker's partitions is recovered."""
        return bool(self.app.tables.actives_ready) and not self.app.rebalancing

    def on_batch(self, message: Message) -> None:
        """Begin a task for a batch; nothing new is begun once something has failed."""
        if self._failure.error is not None:
            self.consumer.release(message)
            return
        task = asyncio.create_task(self._lanes[message.topic].run(message))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._failure.keep_of(task)
