"""Changelogs as a rebuild reads and writes them. It writes as a later owner than all others, so that its rows count."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager

import msgspec
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import Headers
from worker.flow.batch import Output
from worker.kafka import journal
from worker.kafka.connection import client_options
from worker.kafka.reading import Reader
from worker.kafka.rows import HEAD_KEY, ChangelogRecord, Fence, Head, PartitionState
from worker.kafka.topics import LARGEST_RECORD
from worker.rebuild.progress import Progress, Say, offsets_in
from worker.rebuild.records import apply
from worker.settings import KafkaSettings

#: A record to publish: its key, value and headers.
_Published = tuple[bytes | None, bytes | None, Headers]
#: The number of records that wait for their acknowledgement at the same time.
_TOGETHER = 2_000


async def read(reader: Reader, topic: str, partitions: Iterable[int], say: Say) -> list[PartitionState]:
    """Return the state of each partition of a changelog. A write that a crash has left in pieces is completed."""
    found = [PartitionState() for _ in partitions]
    firsts, ends = await reader.starts(topic, range(len(found))), await reader.ends(topic, range(len(found)))
    for partition, first in firsts.items():
        found[partition].begin(first)
    spans = {partition: (first, ends[partition]) for partition, first in firsts.items()}
    progress = Progress(topic, offsets_in(spans.values()), say)
    async with aclosing(reader.read(topic, spans)) as pieces:
        async for records in pieces:
            for record in records:
                found[record.partition].apply(record.offset, record.key or b"", record.value, list(record.headers))
            progress.count(len(records))
    for state in found:
        if state.head.pieces:
            _finish(state)
        # What is written from now on replaces everything that is there.
        state.own = Fence(state.fence.era + 1, 0)
    return found


def _finish(state: PartitionState) -> None:
    """Complete a write that a crash has left in pieces."""
    try:
        rows = journal.joined(state.rows, state.head.pieces)
    except KeyError:
        return  # a piece is missing, since the changelog was cut back: the worker that takes it over reports that
    for key in journal.keys(state.rows):
        del state.rows[key]
    apply(state.rows, rows)


class Writer:
    """Writes records. Each method returns once all of them are acknowledged, and raises KafkaError if one is not."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def mark(self, topic: str, partitions: Iterable[PartitionState]) -> None:
        """Write a head row to each partition of a changelog which says that the partition is being rebuilt."""
        for partition, state in enumerate(partitions):
            await self._write(topic, partition, [state.head_record(Head(rebuilding=True))])

    async def rows(
        self, topic: str, partition: int, state: PartitionState, rows: Mapping[bytes, bytes], progress: Progress
    ) -> None:
        """Write the rows of a partition, and erase its other rows."""
        known = state.rows.keys() | state.stale
        gone = [state.record(key, None) for key in sorted(known - rows.keys() - {HEAD_KEY})]
        records = [*gone, *(state.record(key, row) for key, row in rows.items())]
        for first in range(0, len(records), _TOGETHER):
            together = records[first : first + _TOGETHER]
            await self._write(topic, partition, together)
            progress.count(len(together))

    async def head(self, topic: str, partition: int, state: PartitionState, head: Head) -> None:
        """Write a partition's head row, after the rows that it is about, and which do not rest on deleted records."""
        front = max(state.deleted_until, state.head.front)
        await self._write(topic, partition, [state.head_record(msgspec.structs.replace(head, front=front))])

    async def outputs(self, topic: str, partition: int, outputs: Iterable[Output]) -> None:
        """Publish outputs to a topic's partition."""
        await self._write(topic, partition, [(output.key, output.value, output.headers) for output in outputs])

    async def _write(self, topic: str, partition: int, records: Iterable[ChangelogRecord | _Published]) -> None:
        waiting = [
            await self._producer.send(topic, value, key=key, partition=partition, headers=headers)
            for key, value, headers in records
        ]
        await asyncio.gather(*waiting)


@asynccontextmanager
async def writer(kafka: KafkaSettings) -> AsyncIterator[Writer]:
    """Connect to Kafka. Raise KafkaError if it cannot be reached."""
    producer = AIOKafkaProducer(
        **client_options(kafka), acks="all", enable_idempotence=True, linger_ms=5, max_request_size=LARGEST_RECORD
    )
    try:
        await producer.start()
        yield Writer(producer)
    finally:
        await producer.stop()
