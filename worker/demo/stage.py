"""The stage: a Kafka, an inbox and a running worker, all on this machine."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.app import Worker, running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.flow import outbox
from worker.notify.channels.email import SmtpSettings
from worker.settings import EmailSettings, KafkaSettings, Settings
from worker.streams.connection import client_options

#: In the order in which records travel: what is done upstream can only add to what is behind it.
_STAGES = (
    ("process", outbox.RESPONSES),
    ("process", outbox.TALLIES),
    ("notify", outbox.ALERTS),
)


class Stage:
    """What is running. `async with` connects what it needs to see how far the worker is."""

    def __init__(self, settings: Settings, worker: Worker, inbox: Inbox) -> None:
        self.settings = settings
        self.worker = worker
        self.inbox = inbox
        # A connection of its own: on the worker's, the question would wait behind a fetch that waits for records.
        self._asking = AIOKafkaConsumer(**client_options(settings.kafka))

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._asking.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._asking.stop()

    async def waiting(self) -> int | None:
        """Return how many records and mails are still on their way; None before that is known.

        Looked at in the order of travel, so that zero means zero: everything is processed and delivered.
        """
        for role, topic in _STAGES:
            shell = self.worker.shells[role]
            name = shell.topic_name(topic)
            ends = await self._asking.end_offsets([TopicPartition(name, n) for n in range(shell.partitions)])
            due = {(tp.topic, tp.partition): offset for tp, offset in shell.consumer.due(name).items()}
            if not due:
                return None
            behind: int = sum(end - due.get((place.topic, place.partition), 0) for place, end in ends.items())
            if behind:
                return behind
        assert self.worker.postman is not None
        return self.worker.postman.pending


@contextlib.asynccontextmanager
async def stage(progress: Callable[[str], None], kafka: str | None = None) -> AsyncIterator[Stage]:
    """Set the stage and clear it at the end. `kafka` (host:port) replaces the embedded one; its topics are new ones."""
    async with contextlib.AsyncExitStack() as stack:
        prefix = "nps" if kafka is None else f"nps-demo-{secrets.token_hex(4)}"
        if kafka is None:
            kafka = (await stack.enter_async_context(EmbeddedKafka(progress=progress))).bootstrap_servers
        inbox = await stack.enter_async_context(Inbox())
        settings = Settings.model_construct(
            topic_prefix=prefix,
            kafka=KafkaSettings(bootstrap_servers=kafka, group=f"{prefix}-worker"),
            smtp=SmtpSettings(host=inbox.host, port=inbox.port, tls="none"),
            email=EmailSettings(sender="nps-worker@example.com", to=["support@example.com"]),
        )
        progress("starting the worker")
        worker = await stack.enter_async_context(running(settings))
        yield await stack.enter_async_context(Stage(settings, worker, inbox))
