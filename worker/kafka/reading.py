"""Reading from topics directly, without Faust and without a consumer group."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from worker.cancelling import finish
from worker.kafka import header_names
from worker.kafka.connection import client_options
from worker.settings import KafkaSettings

#: How long a poll waits for records, in ms, and how many records it returns at most.
_POLL_MS = 200
_POLL_RECORDS = 5_000
#: How long a broker may wait before it answers a fetch for which it has no records, in ms. The next request on the same
#: connection has to wait for this answer.
_FETCH_WAIT_MS = 50
#: The same, in ms, while a topic is followed. Records end a fetch at once.
_FOLLOW_WAIT_MS = 5_000
#: How much longer than a fetch a follower waits until it looks at the fetches again, although nothing has happened.
_LONGER = 1.25

#: A range of offsets: the first one, and the end, which does not belong to it.
Span = tuple[int, int]


class Reader:
    """Reads topics over a connection of its own, where no request waits behind a fetch of the worker's consumer."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def partitions(self, topic: str) -> set[int]:
        """Return a topic's partitions; an empty set if it does not exist. Raise KafkaError if Kafka does not answer."""
        if topic not in await self._consumer.topics():
            return set()
        await self._consumer._client._wait_on_metadata(topic)  # until then the client may not know the topic
        return set(self._consumer.partitions_for_topic(topic) or ())

    async def ends(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """Return the end of each of these partitions. Raise KafkaError if Kafka does not answer."""
        return (await self.ends_of({topic: partitions}))[topic]

    async def ends_of(self, topics: Mapping[str, Collection[int]]) -> dict[str, dict[int, int]]:
        """Return the end of each of these partitions of some topics. Raise KafkaError if Kafka does not answer."""
        ends = await self._consumer.end_offsets(
            [TopicPartition(topic, partition) for topic, partitions in topics.items() for partition in partitions]
        )
        found: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for place, end in ends.items():
            found[place.topic][place.partition] = end
        return found

    async def starts(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """Return the first offset of each of these partitions. Raise KafkaError if Kafka does not answer."""
        starts = await self._consumer.beginning_offsets([TopicPartition(topic, partition) for partition in partitions])
        return {place.partition: start for place, start in starts.items()}

    async def from_time(self, topic: str, partitions: Collection[int], time: int) -> dict[int, int]:
        """Return for each partition the first offset whose record has this timestamp, in ms, or a later one.

        Partitions without such a record are left out. Raise KafkaError if Kafka does not answer.
        """
        found = await self._consumer.offsets_for_times(
            {TopicPartition(topic, partition): time for partition in partitions}
        )
        return {place.partition: at.offset for place, at in found.items() if at is not None}

    async def read(self, topic: str, spans: Mapping[int, Span]) -> AsyncGenerator[list[ConsumerRecord], None]:
        """Yield the records in a span of each partition, in chunks, and in order within each partition.

        Offsets whose records were compacted away are skipped. If the topic ends before the end of a span by now, it is
        read to its end. Wait while Kafka does not answer. Raise KafkaError if fetching has ended for good.
        """
        ends = {TopicPartition(topic, partition): end for partition, (first, end) in spans.items() if first < end}
        if not ends:
            return
        self._seek({place: spans[place.partition][0] for place in ends})
        while ends:
            found = await self._fetch(ends)
            for place, records in found.items():
                yield [record for record in records if record.offset < ends[place]]
            if not found:
                ends = await self._not_beyond(ends)
            for place, end in list(ends.items()):
                if await self._consumer.position(place) >= end:
                    del ends[place]

    async def _not_beyond(self, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Return the ends of partitions, but none beyond the end that the partition has now.

        A topic may be deleted and created again while it is read. Its old end may then never be reached.
        """
        try:
            now = await self._consumer.end_offsets([*ends])
        except KafkaTimeoutError:  # Kafka does not answer, which is waited for
            return dict(ends)
        return {place: min(end, now[place]) for place, end in ends.items()}

    async def follow(self, topic: str, firsts: Mapping[int, int]) -> AsyncGenerator[list[ConsumerRecord], None]:
        """Yield the records of these partitions from the given offsets on, in chunks, as they arrive, without end.

        Offsets that do not exist any more are skipped. Wait while Kafka does not answer. Raise KafkaError if fetching
        has ended for good.
        """
        places = {TopicPartition(topic, partition): first for partition, first in firsts.items()}
        fetcher, look_ms = self._consumer._fetcher, int(_LONGER * _FOLLOW_WAIT_MS)
        fetcher._fetch_max_wait_ms, fetcher._fetcher_timeout = _FOLLOW_WAIT_MS, look_ms / 1_000
        self._seek(places)
        while True:
            for records in (await self._fetch(places, look_ms)).values():
                yield records

    def _seek(self, firsts: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from now on, each from its offset, and no others."""
        self._consumer.assign(list(firsts))
        for place, first in firsts.items():
            self._consumer.seek(place, first)

    async def _fetch(
        self, places: Iterable[TopicPartition], wait_ms: int = _POLL_MS
    ) -> Mapping[TopicPartition, list[ConsumerRecord]]:
        """Return the next records of these partitions; none if none come within `wait_ms`."""
        fetching = self._consumer._fetcher._fetch_task
        if fetching.done():
            fetching.result()  # raises the error; aiokafka itself would return no records for ever
        found: Mapping[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(
            *places, timeout_ms=wait_ms, max_records=_POLL_RECORDS
        )
        return found

    async def holds_records(self, topic: str, spans: Mapping[int, Span]) -> bool:
        """Say whether there is any record in these spans.

        Compacted records, records of aborted transactions (with `committed_only`), and markers do not count.
        """
        async with aclosing(self.read(topic, spans)) as chunks:
            async for records in chunks:
                if records:
                    return True
        return False


@asynccontextmanager
async def reader(kafka: KafkaSettings, *, committed_only: bool = False) -> AsyncIterator[Reader]:
    """Connect, and disconnect at the end. Raise KafkaError if Kafka cannot be reached.

    With `committed_only`, records of aborted transactions are skipped, and the end of a partition is where its first
    open transaction begins.
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
        await asyncio.sleep(0)  # its tasks begin; if it were stopped before that, they would cancel the stopping task
        yield Reader(consumer)
    finally:
        await finish(consumer.stop())
