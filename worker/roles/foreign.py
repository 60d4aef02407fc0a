"""The service that reads a topic of another program, on which a connector has put deliveries of a survey tool.

It is a consumer group of its own for each topic, since a topic has its own number of partitions, and so that no topic
delays another one. The topic may come later than the worker: until then the rest of the role works without it.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from aiokafka.errors import KafkaError

from worker.cancelling import cancel_all
from worker.errors import TopicsUnfit
from worker.flow.batch import Decided, Record
from worker.kafka import foreign, topics
from worker.kafka.partitioner import partition_of
from worker.kafka.rows import PartitionState
from worker.receive.foreign import Reading, decide
from worker.receive.settings import TopicSettings
from worker.roles.heartbeats import watch_heartbeats
from worker.roles.surroundings import Surroundings
from worker.service import Failure, first_end
from worker.streams.shell import Shell
from worker.streams.transactions import OpenTransactions
from worker.throttle import Throttle

log = logging.getLogger(__name__)

#: How often the worker looks whether a topic exists by now, and whether partitions were added to it, in seconds.
_LOOK_SECONDS = 5.0
_PARTITIONS_LOOK_SECONDS = 30.0
#: The shortest time between two equal log lines about a topic that cannot be read yet, in seconds.
_QUIET_SECONDS = 600.0


class ForeignTopic:
    """A service that reads one foreign topic, from when it exists."""

    def __init__(self, surroundings: Surroundings, at: TopicSettings, kafka: topics.KafkaInfo) -> None:
        settings = surroundings.settings
        self._surroundings = surroundings
        self._kafka = kafka
        self._at = topics.foreign_topic(at.name, at.topic)
        self._reading = Reading(
            at.of_tool,
            settings.receive.reading_of(at),
            at.unwrap,
            partition_of(kafka.partitions),
            settings.intake,
            None if surroundings.meters is None else surroundings.meters.of_topic(at.name),
        )
        self._shell: Shell | None = None
        self._failure = Failure()
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether the topic is read, or does not exist, in which case there is nothing to read."""
        return self._shell is None or self._shell.ready

    async def start(self) -> None:
        """Begin to read the topic, once it exists."""
        self._task = asyncio.create_task(self._run(), name=f"the reading of {self._at.topic}")
        self._task.add_done_callback(self._failure.keep_of)

    async def stop(self) -> None:
        """Finish the batches in flight, commit the offsets, and leave the group."""
        if self._task is not None:
            await cancel_all([self._task])
        if self._shell is not None:
            await self._shell.stop()

    async def failure(self) -> None:
        """Wait until an error must stop the worker, and raise it."""
        await self._failure.raised()

    async def _run(self) -> None:
        partitions = await self._prepared()
        shell = self._shell = self._shell_of(partitions)
        if (meters := self._surroundings.meters) is not None:
            meters.watch([shell])
        transactions = OpenTransactions(lambda: shell.consumer.known())  # noqa: PLW0108 - it is made at the start
        session = self._surroundings.settings.kafka.session_timeout_seconds
        await _first_end_of(shell.start(), shell.failure())
        await _first_end_of(
            shell.failure(),
            shell.activity.report(),
            transactions.report(),
            watch_heartbeats([shell], session),
            self._watch_partitions(partitions),
        )

    async def _prepared(self) -> int:
        """Wait until the topic can be read. Return how many partitions it has."""
        quiet, said = Throttle(_QUIET_SECONDS), ""
        while True:
            try:
                found = await foreign.prepare(self._surroundings.settings, self._at)
            except topics.NOT_PERMITTED as error:
                raise topics.not_permitted(error) from error
            except KafkaError as error:
                found = f"Kafka: {type(error).__name__}; trying again"
            if isinstance(found, int):
                return found
            if quiet.allows() or found != said:
                log.warning("%s: %s", self._at.topic, found)
            said = found
            await asyncio.sleep(_LOOK_SECONDS)

    def _shell_of(self, partitions: int) -> Shell:
        observer = self._surroundings.observer_of(self._at.role)
        kafka = self._kafka._replace(partitions=partitions)
        shell = Shell(self._surroundings.settings, self._at.role, kafka, observer=observer)
        reading = self._reading

        def read(records: list[Record], _: int, __: PartitionState) -> Decided:
            return decide(records, reading)

        shell.agent(self._at.topic, shell.table(topics.OFFSETS), read, is_foreign=True)
        return shell

    async def _watch_partitions(self, partitions: int) -> None:
        """Raise TopicsUnfit once partitions were added, which the changelog has to follow before they are read."""
        while True:
            await asyncio.sleep(_PARTITIONS_LOOK_SECONDS)
            try:
                count = await foreign.partitions_of(self._surroundings.settings, self._at)
            except KafkaError:
                continue  # other parts of the worker log it
            if count is not None and count != partitions:
                raise TopicsUnfit(
                    f"{self._at.topic} has {count} partitions now, and had {partitions}: start the worker again, which "
                    "then reads all of them"
                )


async def _first_end_of(*works: Coroutine[Any, Any, None]) -> None:
    await first_end([asyncio.create_task(work) for work in works])


def foreign_topics(surroundings: Surroundings, kafka: topics.KafkaInfo) -> Iterable[ForeignTopic]:
    """Return a service for each foreign topic of the settings."""
    return [ForeignTopic(surroundings, at, kafka) for at in surroundings.settings.receive.topics]
