"""The progress of the consumer group: whether every record of some topics that had arrived a moment ago is decided.

Only if that is so for responses and commands may ticks be written. Otherwise, after three days in which no worker ran,
the hours that still have to be read would look like silence, and cases that somebody has acknowledged meanwhile would
be escalated. And only if it is so for alerts may the mails of receivers' plans be sent (courier.py). The progress of
the whole group counts, since answers to a segment come from every partition, and so do the alerts of a receiver.

A partition may end with the marker of a transaction, or with records of an aborted one. No committed offset reaches
such an end, since these records are never handed out. So if a committed offset is lower than the end, the watermark
checks whether there is any record between the two.
"""

from collections.abc import Mapping, Sequence

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
    """Compares the ends of the partitions of `sources` with the offsets that `role` has committed.

    `fresh_ms`: how long the ends are used before Kafka is asked for them again. With infinity, the first ends count.
    """

    def __init__(
        self,
        settings: Settings,
        role: str,
        partitions: int,
        clock: Clock,
        *,
        sources: Sequence[str] = (events.RESPONSES, events.ALERT_COMMANDS),
        fresh_ms: float = _FRESH_MS,
    ) -> None:
        self._kafka = settings.kafka
        self._topics = [topics.topic_name(settings.topic_prefix, topic) for topic in sources]
        self._fresh_ms = fresh_ms
        self._group = topics.group_id(settings.kafka.group, role)
        self._partitions = range(partitions)
        self._clock = clock
        self._asked = 0
        # The ends of the partitions, by topic.
        self._ends: dict[str, dict[int, int]] = {}

    async def passed(self) -> bool:
        """Say whether everything is decided that had arrived at some moment of the last `fresh_ms`.

        If not, or if Kafka does not answer, the caller asks again later.
        """
        try:
            if not self._ends or self._clock.steady() - self._asked > self._fresh_ms:
                self._asked = self._clock.steady()
                async with reading.reader(self._kafka, committed_only=True) as reader:
                    self._ends = {topic: await reader.ends(topic, self._partitions) for topic in self._topics}
            passed = not await self._undecided(await self._behind())
        except KafkaError:
            return False  # other parts of the worker log that Kafka does not answer
        if passed:
            self._ends = {}
        return passed

    async def _undecided(self, behind: Mapping[str, Mapping[int, reading.Span]]) -> bool:
        """Say whether there are records in some spans of partitions, by topic."""
        if not any(behind.values()):
            return False
        async with reading.reader(self._kafka, committed_only=True) as reader:
            for topic, spans in behind.items():
                if spans and await reader.holds_records(topic, spans):
                    return True
        return False

    async def _behind(self) -> dict[str, dict[int, reading.Span]]:
        """Return the spans between the committed offsets and the ends, by topic and partition, if they differ."""
        admin = AIOKafkaAdminClient(**client_options(self._kafka))
        await admin.start()
        try:
            committed = await groups.committed_in(admin, self._group, self._topics)
        finally:
            await finish(admin.close())
        return {
            topic: {
                partition: (first, end)
                for partition, end in ends.items()
                if (first := committed[topic].get(partition, 0)) < end
            }
            for topic, ends in self._ends.items()
        }
