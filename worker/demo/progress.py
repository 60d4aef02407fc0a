"""How far a running worker is."""

from contextlib import AsyncExitStack
from typing import Self

from worker.app import Worker
from worker.flow import events
from worker.kafka import reading
from worker.roles.courier import Courier
from worker.settings import Settings
from worker.streams.shell import Shell

#: In the order in which records travel: what is done upstream can only add to what is behind it.
_STAGES = (
    ("process", events.RESPONSES),
    ("process", events.TALLIES),
    ("process", events.HOURS),
    ("notify", events.ALERTS),
)


class Progress:
    """Asks Kafka and the worker. `async with` connects."""

    def __init__(self, settings: Settings, worker: Worker) -> None:
        self._worker = worker
        # A connection of its own: on the worker's, the question would wait behind a fetch that waits for records.
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
        """Return how many records, or else mails, are still on their way; None before that is known.

        Looked at in the order of travel, so that zero means zero: everything is processed and delivered.
        """
        behind = await self.behind()
        return self._worker.of(Courier)["notify"].pending if behind == 0 else behind

    async def behind(self) -> int | None:
        """Return how many records of a topic this worker's roles have not processed; None before that is known."""
        for role, topic in _STAGES:
            shell = self._worker.of(Shell).get(role)
            if shell is None:
                continue
            name = shell.topic_name(topic)
            ends = await self._reader.ends(name, range(shell.partitions))
            due = {tp.partition: offset for tp, offset in shell.consumer.due(name).items()}
            if not due:
                return None
            # Where a transaction's marker is the end, nothing is left to process, and no due offset reaches it.
            left = {number: (due.get(number, 0), end) for number, end in ends.items() if due.get(number, 0) < end}
            if left and await self._reader.holds_records(name, left):
                return sum(end - first for first, end in left.values())
        return 0
