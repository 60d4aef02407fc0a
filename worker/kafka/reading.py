"""Reading from topics directly, outside of Faust and of any group."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from worker.cancelling import finish
from worker.kafka import header_names
from worker.kafka.connection import client_options
from worker.settings import KafkaSettings

_WAIT_MS = 200
_AT_ONCE = 5_000
#: How long a broker may wait for records that are not there yet, in ms: what is read is there. The next question on the
#: connection waits as long.
_FETCH_WAIT_MS = 50

#: The first offset, and the end, which is not part of it.
Span = tuple[int, int]


class Reader:
    """Has a connection of its own: on the worker's, a question waits behind a fetch that waits for records."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def partitions(self, topic: str) -> set[int]:
        """Return a topic's partitions; none if it is not there. Raise KafkaError if Kafka does not answer."""
        if topic not in await self._consumer.topics():
            return set()
        await self._consumer._client._wait_on_metadata(topic)  # before this the client may know nothing of it
        return set(self._consumer.partitions_for_topic(topic) or ())

    async def ends(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """Return the end of each of a topic's partitions. Raise KafkaError if Kafka does not answer."""
        ends = await self._consumer.end_offsets([TopicPartition(topic, partition) for partition in partitions])
        return {place.partition: end for place, end in ends.items()}

    async def starts(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """Return the first offset of each of a topic's partitions. Raise KafkaError if Kafka does not answer."""
        starts = await self._consumer.beginning_offsets([TopicPartition(topic, partition) for partition in partitions])
        return {place.partition: start for place, start in starts.items()}

    async def from_time(self, topic: str, partitions: Collection[int], time: int) -> dict[int, int]:
        """Return the first offset of each partition whose record is of a time, in ms, or later.

        Partitions without such a record are left out. Raise KafkaError as `ends` does.
        """
        found = await self._consumer.offsets_for_times(
            {TopicPartition(topic, partition): time for partition in partitions}
        )
        return {place.partition: at.offset for place, at in found.items() if at is not None}

    async def read(self, topic: str, spans: Mapping[int, Span]) -> AsyncGenerator[list[ConsumerRecord], None]:
        """Yield the records in a span of each partition, some at a time, in order within each partition.

        Some may be compacted away. Waits while Kafka does not answer. Raise KafkaError if fetching has ended for good.
        """
        ends = {TopicPartition(topic, partition): end for partition, (first, end) in spans.items() if first < end}
        if not ends:
            return
        self._consumer.assign(list(ends))
        for place in ends:
            self._consumer.seek(place, spans[place.partition][0])
        fetching = self._consumer._fetcher._fetch_task
        while ends:
            if fetching.done():
                fetching.result()  # aiokafka would return nothing, for ever
            fetched = await self._consumer.getmany(*ends, timeout_ms=_WAIT_MS, max_records=_AT_ONCE)
            for place, records in fetched.items():
                yield [record for record in records if record.offset < ends[place]]
            for place, end in list(ends.items()):
                if await self._consumer.position(place) >= end:
                    del ends[place]

    async def holds_records(self, topic: str, spans: Mapping[int, Span]) -> bool:
        """Say whether there is any record in these spans; what is compacted or aborted, and markers, are none."""
        async with aclosing(self.read(topic, spans)) as pieces:
            async for records in pieces:
                if records:
                    return True
        return False


@asynccontextmanager
async def reader(kafka: KafkaSettings, *, committed_only: bool = False) -> AsyncIterator[Reader]:
    """Connect. Raise KafkaError if Kafka cannot be reached.

    With `committed_only`, what belongs to an aborted transaction is no record, and a partition ends where the first
    transaction that is still open begins.
    """
    header_names.accept_any()
    isolation = "read_committed" if committed_only else "read_uncommitted"
    consumer = AIOKafkaConsumer(
        **client_options(kafka),
        auto_offset_reset="earliest",
        isolation_level=isolation,
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    try:
        await consumer.start()
        await asyncio.sleep(0)  # its tasks begin: stopped before that, they would cancel whoever stops it
        yield Reader(consumer)
    finally:
        await finish(consumer.stop())
