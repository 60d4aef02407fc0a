"""A Faust app as this worker needs it, and the crew that carries its batches."""

import asyncio
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import faust
from aiokafka.partitioner import murmur2
from faust.types import EventT, Message
from yarl import URL

from worker.errors import Fatal
from worker.settings import Settings
from worker.streams import topics
from worker.streams.connection import credentials, servers
from worker.streams.lane import Decide, Lane, Place
from worker.streams.ordered import Fetched, OrderedConsumer, OrderedTransport
from worker.streams.recovery import use_loud_recovery
from worker.streams.sending import Sender
from worker.streams.table import DurableTable

_HEARTBEAT_SECONDS = 3.0
_REBALANCE_SECONDS = 30.0
#: How long a broker may take over a produce request before it is tried anew: longer than an ordinary outage.
_PRODUCE_SECONDS = 180.0
_FETCH_BYTES = 4 * 1024 * 1024
#: A produce batch of this size, and any single record the core makes, is below Kafka's default limit of 1 MiB.
_PRODUCE_BYTES = 900_000


class Shell:
    """One role's Faust app, with its tables, lanes and batches in hand.

    `failed` gets the first error that must stop the worker.
    """

    def __init__(self, settings: Settings, role: str, kafka: topics.Found) -> None:
        self.settings = settings
        self.partitions = kafka.partitions
        self.role = role
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.app = _faust_app(settings, role, kafka.partitions)
        self.sender = Sender(self.app)
        self.tables: dict[str, DurableTable] = {}
        self._carrying: set[asyncio.Task[None]] = set()

    @property
    def consumer(self) -> OrderedConsumer:
        """The app's consumer."""
        return cast(OrderedConsumer, self.app.consumer)

    def topic_name(self, topic: str) -> str:
        """Return a topic's full name."""
        return topics.topic_name(self.settings.topic_prefix, topic)

    def table(self, name: str) -> DurableTable:
        """Declare a table."""
        table = DurableTable(self.app, name=name, partitions=self.partitions, sender=self.sender, on_failure=self.fail)
        self.app.tables.add(table)
        self.tables[name] = table
        return table

    def agent(self, topic: str, table: DurableTable, decide: Decide, place: Place) -> None:
        """Declare the agent of a topic: it takes batches and has each one carried.

        Partitions do not wait for each other.
        """
        lane = Lane(
            consumer=lambda: self.consumer,
            sender=self.sender,
            table=table,
            decide=decide,
            place=place,
            topic_name=self.topic_name,
            lease_seconds=self.settings.kafka.session_timeout_seconds,
        )
        channel = self.app.topic(
            self.topic_name(topic),
            schema=_Batches(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"),
            partitions=self.partitions,
        )

        async def take(stream: faust.Stream[Fetched]) -> None:
            async for event in stream.noack().events():
                self._carry(lane, event.message)

        self.app.agent(channel, name=f"worker.{topic}")(cast(Any, take))

    def fail(self, error: BaseException) -> None:
        """Stop the worker, loudly, for this error."""
        if not self.failed.done():
            self.failed.set_result(error)

    async def failure(self) -> None:
        """Wait until something must stop the worker; raise it."""
        # Faust has no public way to wait for a crash.
        crashed: asyncio.Future[Any] = asyncio.ensure_future(self.app._crashed.wait())
        await asyncio.wait([self.failed, crashed], return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            crashed.cancel()
            raise self.failed.result()
        raise Fatal(f"Faust stopped: {type(self.app.crash_reason).__name__}") from self.app.crash_reason

    @property
    def ready(self) -> bool:
        """Whether the group has settled and the state of this worker's partitions is recovered."""
        return bool(self.app.tables.actives_ready) and not self.app.rebalancing

    def _carry(self, lane: Lane, message: Message) -> None:
        if self.failed.done():
            self.consumer.release(message)
            return
        task = asyncio.create_task(lane.carry(message))
        self._carrying.add(task)
        task.add_done_callback(self._carried)

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._carrying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)


class _Batches(faust.Schema[bytes, bytes]):
    """Hands a batch through untouched; bytes are read in the core, where a bad record becomes a dead letter."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:
            del propagate
            return cast(EventT[Any], app.create_event(None, message.value, {}, message))

        return decode


def partition_of(partitions: int) -> Callable[[bytes], int]:
    """Return Kafka's default partitioner for keys. Hashing in Python is slow, so recent keys are remembered."""

    @lru_cache(maxsize=65_536)
    def owner(key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % partitions)

    return owner


def _faust_app(settings: Settings, role: str, partitions: int) -> faust.App:
    kafka = settings.kafka
    session = kafka.session_timeout_seconds
    urls = [URL(f"kafka://{server}") for server in servers(kafka)]
    app = faust.App(
        topics.group_id(kafka.group, role),
        broker=urls,
        broker_credentials=credentials(kafka),
        broker_session_timeout=session,
        broker_heartbeat_interval=min(_HEARTBEAT_SECONDS, session / 3),
        broker_rebalance_timeout=_REBALANCE_SECONDS,
        broker_commit_interval=1.0,
        broker_max_poll_records=kafka.batch_records,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=_FETCH_BYTES,
        producer_linger=0.0,
        producer_request_timeout=_PRODUCE_SECONDS,
        producer_max_batch_size=_PRODUCE_BYTES,
        producer_max_request_size=_FETCH_BYTES,
        stream_wait_empty=True,
        stream_buffer_maxsize=64,
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / "detractor-worker",
        table_standby_replicas=0,
        topic_partitions=partitions,
        topic_replication_factor=kafka.replication_factor,
        topic_disable_leader=True,
        web_enabled=False,
    )
    app.transport = OrderedTransport(urls, app)
    use_loud_recovery(app)
    return app
