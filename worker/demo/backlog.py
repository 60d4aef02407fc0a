"""The backlog of a running worker: how many records and mails it still has to process."""

from contextlib import AsyncExitStack
from typing import Self

from worker.app import Worker
from worker.flow import events
from worker.kafka import reading, topics
from worker.roles.courier import Courier
from worker.settings import Settings
from worker.streams.shell import Shell

#: The roles and further channels, and the topics that they read, in the order in which records travel. A stage adds
#: records only to later stages.
_STAGES = (
    (topics.MERGE, events.RESPONSE_PARTS),
    ("process", events.RESPONSES),
    ("process", events.TALLIES),
    ("process", events.HOURS),
    ("process", events.ALERT_COMMANDS),
    ("process", events.CASES),
    ("process", events.SILENCE_COMMANDS),
    ("notify", events.ALERTS),
    ("notify", events.NOTICES),
    *(
        (channel, topic)
        for channel, outbox in topics.CHANNELS.items()
        for topic in (events.ALERTS, topics.PLANS_OF[outbox].topic)
    ),
)


class Backlog:
    """The backlog of a worker, as Kafka and the worker know it. `async with` connects to Kafka."""

    def __init__(self, settings: Settings, worker: Worker) -> None:
        self._worker = worker
        # Kafka is asked over a connection of its own: on the worker's, requests wait behind a fetch that waits for
        # records.
        self._settings = settings
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect."""
        connecting = reading.reader(self._settings.kafka, committed_only=True)
        self._reader = await self._open.enter_async_context(connecting)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._open.aclose()

    async def waiting(self) -> int | None:
        """Return how many records are not processed yet, or if there are none, how many mails are not delivered yet.

        Return None before that is known. The stages are looked at in the order in which records travel, so zero means
        that everything is processed and delivered.
        """
        behind = await self.behind()
        if behind != 0:
            return behind
        if pending := self._pending():
            return pending
        # A courier may have handed something over to a plan since the topics of the plans were looked at.
        behind = await self.behind()
        return behind if behind != 0 else self._pending()

    def _pending(self) -> int:
        """Return how many mails are not delivered yet."""
        return sum(service.pending for service in self._worker if isinstance(service, Courier))

    async def behind(self) -> int | None:
        """Return how many records the first stage with unprocessed ones has; 0 if no stage has any.

        Return None before that is known.
        """
        for role, topic in _STAGES:
            shell = self._worker.of(Shell).get(role)
            if shell is None:
                continue
            name = shell.topic_name(topic)
            ends = await self._reader.ends(name, range(shell.partitions))
            due = {tp.partition: offset for tp, offset in shell.consumer.due(name).items()}
            if not due:
                return None
            # If a partition ends with the marker of a transaction, its due offset never reaches the end, although
            # nothing is left to process.
            spans = {partition: (due.get(partition, 0), end) for partition, end in ends.items()}
            unread = {partition: (first, end) for partition, (first, end) in spans.items() if first < end}
            if unread and await self._reader.holds_records(name, unread):
                return sum(end - first for first, end in unread.values())
        return 0
