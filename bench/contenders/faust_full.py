"""The full job on Faust, as its guide writes it: this project's decisions, Faust's tables, an event after the other."""

import os
from typing import Any

import faust

from bench.contenders.faust_reduced import ending, make, start
from bench.contenders.task import Meter, Task, given
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.responses import road
from worker.flow.responses.road import Batch
from worker.flow.segments import road as segments
from worker.kafka.partitioner import partition_of
from worker.settings import Settings

#: What the full job writes to.
OUTPUTS = (
    events.ALERTS,
    events.INVITATIONS,
    events.DECISIONS,
    events.DEAD_LETTERS,
    events.TALLIES,
    events.HOURS,
    events.SCORES,
    events.CASES,
)
#: Its tables.
TABLES = ("contacts", "windows")
_RAW: dict[str, Any] = {
    "key_type": bytes,
    "value_type": bytes,
    "key_serializer": "raw",
    "value_serializer": "raw",
}


class _Job:
    """The two agents, and how far they are."""

    def __init__(self, app: faust.App, task: Task) -> None:
        self._task = task
        self._policy = Settings.model_construct().policy
        self._owner = partition_of(task.partitions)
        self.topics: Any = {
            name: app.topic(f"{task.name}.{name}", partitions=task.partitions, **_RAW) for name in OUTPUTS
        }
        kept: dict[str, Any] = {
            "partitions": task.partitions,
            "use_partitioner": True,
            "key_type": bytes,
            "value_type": bytes,
        }
        self._contacts, self._windows = (app.Table(table, **kept) for table in TABLES)
        self._meter = Meter()
        self._decided = self._tallies = self._counted = 0

    async def decide(self, stream: Any) -> None:
        """Decide responses."""
        async for event in stream.events():
            if self._decided >= self._task.events:
                continue  # what the others read
            self._meter.begin()
            record = _Record(event.message)
            batch = Batch([record], record.partition, self._task.topic, self._task.topic, {})
            decided = road.decide(batch, self._policy, self._contacts.get, self._owner)
            self._tallies += sum(output.topic == events.TALLIES for output in decided.outputs)
            await self._keep(decided, self._contacts)
            self._decided += 1
            self._end_if_done()

    async def count(self, stream: Any) -> None:
        """Count tallies."""
        async for event in stream.events():
            await self._keep(segments.count([_Record(event.message)], self._windows, 0), self._windows)
            self._counted += 1
            self._end_if_done()

    def _end_if_done(self) -> None:
        """End the process once everything is decided and counted, whichever of the two comes last."""
        if self._decided >= self._task.events and self._counted >= self._tallies:
            self._meter.end(self._decided)
            os._exit(0)

    async def _keep(self, decided: Decided, table: Any) -> None:
        for output in decided.outputs:
            await self._send(output)
        for key, row in decided.rows.items():
            table[key] = row

    async def _send(self, output: Output) -> None:
        headers = dict(output.headers)
        topic = self.topics[output.topic]
        await topic.send(key=output.key, value=output.value, headers=headers, partition=output.partition)


class _Record:
    """A Faust message as the core reads it."""

    def __init__(self, message: Any) -> None:
        self.topic: str = message.topic
        self.partition: int = message.partition
        self.offset: int = message.offset
        self.timestamp = round(message.timestamp * 1000)
        self.key: bytes | None = message.key
        self.value: bytes | None = message.value
        self.headers: tuple[tuple[str, bytes | None], ...] = ()


def main(task: Task) -> None:
    """Run until every response and every tally is counted."""
    app = make(task)
    job = _Job(app, task)
    app.agent(app.topic(task.topic, **_RAW))(ending(job.decide))
    app.agent(job.topics[events.TALLIES])(ending(job.count))
    start(app)


if __name__ == "__main__":
    main(given())
