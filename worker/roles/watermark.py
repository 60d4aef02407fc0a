"""How far the group has come: whether everything that had arrived a moment ago is decided.

A tick may only be given then: to a worker that was down for three days, the hours that it has still to read would look
like silence. What counts is the whole group's progress, since answers to a segment come from every partition.

A partition may end in the marker of a transaction, or in records of an aborted one. No commit reaches such an end, as
nothing of it is ever handed out. So where a commit lies before the end, the watermark reads whether any record lies
between the two.
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

#: How long the ends of the partitions that Kafka has named are used, in ms; commits follow within a second or two.
_FRESH = 30_000


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
        """Say whether everything is decided that had arrived half a minute ago or later; ask again if it is not."""
        try:
            if not self._ends or self._clock.steady() - self._asked > _FRESH:
                self._asked = self._clock.steady()
                async with reading.reader(self._kafka, committed_only=True) as reader:
                    self._ends = await reader.ends(self._topic, self._partitions)
            committed = await self._committed()
            spans = {partition: (committed.get(partition, 0), end) for partition, end in self._ends.items()}
            passed = not await self._undecided({n: (first, end) for n, (first, end) in spans.items() if first < end})
        except KafkaError:
            return False  # whoever works with Kafka says that it is away
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
