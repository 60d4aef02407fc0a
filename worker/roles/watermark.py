"""The progress of the consumer group: whether every response that had arrived a moment ago is decided.

Only then may ticks be written. Otherwise, after three days in which no worker ran, the hours that still have to be read
would look like silence. The progress of the whole group counts, since answers to a segment come from every partition.

A partition may end with the marker of a transaction, or with records of an aborted one. No committed offset reaches
such an end, since these records are never handed out. So if a committed offset is lower than the end, the watermark
checks whether there is any record between the two.
"""

from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from worker.cancelling import finish
from worker.clock import Clock
from worker.flow import events
from worker.kafka import groups, reading, topics
from worker.kafka.connection import client_options
from worker.settings import Settings

#: How long the ends of the partitions are used before Kafka is asked for them again, in ms. Commits follow within a
#: second or two.
_FRESH_MS = 30_000


class Watermark:
    """Compares the ends of the responses topic's `partitions` with the offsets that `role` has committed there."""

    def __init__(self, settings: Settings, role: str, partitions: int, clock: Clock) -> None:
        self._kafka = settings.kafka
        self._topic = topics.topic_name(settings.topic_prefix, events.RESPONSES)
        self._group = topics.group_id(settings.kafka.group, role)
        self._partitions = range(partitions)
        self._clock = clock
        self._asked = 0
        self._ends: dict[int, int] = {}

    async def passed(self) -> bool:
        """Say whether every response is decided that had arrived at some moment of the last half minute.

        If not, or if Kafka does not answer, the caller asks again later.
        """
        try:
            if not self._ends or self._clock.steady() - self._asked > _FRESH_MS:
                self._asked = self._clock.steady()
                async with reading.reader(self._kafka, committed_only=True) as reader:
                    self._ends = await reader.ends(self._topic, self._partitions)
            committed = await self._committed()
            spans = {partition: (committed.get(partition, 0), end) for partition, end in self._ends.items()}
            passed = not await self._undecided({n: (first, end) for n, (first, end) in spans.items() if first < end})
        except KafkaError:
            return False  # other parts of the worker log that Kafka does not answer
        if passed:
            self._ends = {}
        return passed

    async def _undecided(self, spans: Mapping[int, reading.Span]) -> bool:
        if not spans:
            return False
        async with reading.reader(self._kafka, committed_only=True) as reader:
            return await reader.holds_records(self._topic, spans)

    async def _committed(self) -> dict[int, int]:
        admin = AIOKafkaAdminClient(**client_options(self._kafka))
        await admin.start()
        try:
            return await groups.committed(admin, self._group, self._topic)
        finally:
            await finish(admin.close())
