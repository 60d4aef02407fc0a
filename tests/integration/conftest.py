"""A worker on the session's Kafka, under names of its own; and what a receiver of its topics reads."""

import asyncio
import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from integration import topics
from integration.reading import LARGEST, read_topic

from worker.app import Worker, running
from worker.demo.backlog import Backlog
from worker.demo.environment import Environment
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.flow.policy import AlertPolicy, BurstPolicy, InvitationPolicy, Platform
from worker.notify.channels.email.smtp import SmtpSettings
from worker.settings import EmailSettings, KafkaSettings, Settings
from worker.streams.shell import Shell
from worker.streams.store import PartitionedStore

#: Most tests have several answers of one customer at the same time.
NO_BURSTS = BurstPolicy(scanner_seconds=0, double_click_seconds=0)

_names = itertools.count(1)
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == _HERE and "kafka" in item.fixturenames:
            item.obj = _removing_topics(item, item.obj) if inspect.iscoroutinefunction(item.obj) else item.obj


def _removing_topics(item: pytest.Function, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return the test; what it has made on the session's Kafka is deleted when it has passed."""

    @wraps(test)
    async def removing(*args: Any, **options: Any) -> None:
        kafka = item.funcargs["kafka"]
        assert isinstance(kafka, EmbeddedKafka)
        servers = kafka.bootstrap_servers
        before = await topics.names(servers)
        await test(*args, **options)
        await topics.remove(servers, await topics.names(servers) - before)

    return removing


@dataclass
class Bench:
    """A running worker, and the two ends of it that a test holds."""

    environment: Environment
    producer: AIOKafkaProducer

    @property
    def settings(self) -> Settings:
        return self.environment.settings

    @property
    def inbox(self) -> Inbox:
        return self.environment.inbox

    @property
    def worker(self) -> Worker:
        return self.environment.worker

    async def publish(
        self, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]] | None = None, **options: Any
    ) -> int:
        """Publish a response and return its place among its partition's records."""
        topic = f"{self.settings.topic_prefix}.responses"
        sent = await self.producer.send_and_wait(topic, value, key=key, headers=headers or [], **options)
        return int(sent.offset)

    async def settle(self) -> None:
        """Wait until everything published has had all its effects; fail with whatever stopped the worker."""
        await self.until(self._settled())

    async def until(self, happened: Coroutine[Any, Any, None]) -> None:
        """Wait until something has happened; fail with whatever stopped the worker."""
        failing = asyncio.create_task(self.worker.failure())
        waiting = asyncio.create_task(happened)
        done, _ = await asyncio.wait([failing, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (failing, waiting):
            task.cancel()
        for task in done:
            task.result()

    async def _settled(self) -> None:
        while await self.environment.backlog.waiting() != 0:  # noqa: ASYNC110 - the broker's offsets raise no event here
            await asyncio.sleep(0.02)

    def rows(self, table: str) -> dict[bytes, bytes]:
        """Return the rows that the worker holds of a table."""
        shells = self.worker.of(Shell).values()
        found = next(shell.tables[table] for shell in shells if table in shell.tables)
        partitions = cast(PartitionedStore, found.data).partitions
        return {key: row for partition in partitions.values() for key, row in partition.rows.items()}

    async def read(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """Return everything a topic holds now."""
        return await read_topic(self.settings.kafka.bootstrap_servers, f"{self.settings.topic_prefix}.{topic}")


def make_settings(kafka: EmbeddedKafka, inbox: Inbox, /, **sections: Any) -> Settings:
    """Return settings with a prefix and a group that no other test has."""
    name = f"t{next(_names)}"
    wanted = {
        "topic_prefix": name,
        "kafka": KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=f"{name}-worker"),
        "smtp": SmtpSettings(host=inbox.host, port=inbox.port, tls="none"),
        "email": EmailSettings(sender="nps@example.com", to=["support@example.com"]),
        "alerts": AlertPolicy(max_age_days=36_500),  # the tests' answers are of 2025
        "bursts": NO_BURSTS,
        "invitations": InvitationPolicy(platform=Platform(url="https://example.com/tell")),
    }
    return Settings.model_construct(**{**wanted, **sections})


StartBench = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def bench(kafka: EmbeddedKafka, inbox: Inbox) -> StartBench:
    @asynccontextmanager
    async def start(**sections: Any) -> AsyncIterator[Bench]:
        settings = make_settings(kafka, inbox, **sections)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, max_request_size=LARGEST)
        await producer.start()
        try:
            async with running(settings) as worker, Backlog(settings, worker) as backlog:
                yield Bench(Environment(settings, worker, inbox, backlog), producer)
        finally:
            await producer.stop()

    return start
