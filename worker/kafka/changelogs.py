"""Changelogs without a table: reading one to its end, writing head rows, and beginning at the end of a topic."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import aclosing

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from worker.kafka import groups, reading, topics
from worker.kafka.connection import client_options
from worker.kafka.rows import ChangelogRecord, Head, PartitionState
from worker.settings import KafkaSettings, Settings

log = logging.getLogger(__name__)

#: How long to wait before Kafka is asked again if it did not answer, in seconds.
_RETRY_SECONDS = 1.0


async def states(reader: reading.Reader, changelog: str, partitions: Collection[int]) -> dict[int, PartitionState]:
    """Read a changelog to its end; return the state of each partition."""
    found = {partition: PartitionState() for partition in partitions}
    for partition, first in (await reader.starts(changelog, partitions)).items():
        found[partition].begin(first)
    spans = {partition: (0, end) for partition, end in (await reader.ends(changelog, partitions)).items()}
    async with aclosing(reader.read(changelog, spans)) as chunks:
        async for records in chunks:
            for record in records:
                headers = list(record.headers)
                found[record.partition].apply(record.offset, record.key or b"", record.value, headers)
    return found


def cut(changelog: str, partition: int, state: PartitionState, table: str) -> str:
    """Return a sentence which says that the first records of a changelog were deleted, and what to do."""
    return (
        f"{changelog}, partition {partition}: the records before offset {state.deleted_until} were deleted, so rows "
        f"are missing. Stop every worker and run: python -m worker rebuild --table {table}"
    )


async def write_heads(kafka: KafkaSettings, changelog: str, heads: Mapping[int, ChangelogRecord]) -> None:
    """Append a head row to each of these partitions of a changelog. Raise KafkaError if Kafka does not answer."""
    producer = AIOKafkaProducer(**client_options(kafka), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        for partition, (key, value, _) in heads.items():
            await producer.send_and_wait(changelog, value, key=key, partition=partition)
    finally:
        await producer.stop()


async def begin_at_end(settings: Settings, topic: str, consumer: topics.Consumed) -> bool:
    """Let a consumer that has never read a topic begin at its present end; return whether it does.

    Head rows say that everything up to the end is decided. They have the lowest fence there is, so if another worker
    does the same at this moment, or has begun already, its own head rows count. Wait while Kafka does not answer; raise
    Refused if the worker lacks a permission.
    """
    while True:
        try:
            return await _begin_at_end(settings, topic, consumer)
        except topics.NOT_PERMITTED as error:
            raise topics.not_permitted(error) from error
        except KafkaError as error:
            log.warning("Kafka: %s; trying again in %.0f s", type(error).__name__, _RETRY_SECONDS)
        await asyncio.sleep(_RETRY_SECONDS)


async def _begin_at_end(settings: Settings, topic: str, consumer: topics.Consumed) -> bool:
    name = topics.topic_name(settings.topic_prefix, topic)
    if await _committed(settings.kafka, topics.group_id(settings.kafka.group, consumer.role), name):
        return False
    changelog = topics.changelog_name(settings.kafka.group, consumer.role, consumer.table)
    async with reading.reader(settings.kafka) as reader:
        partitions = await reader.partitions(name)
        if any((await reader.ends(changelog, partitions)).values()):
            return False
        ends = await reader.ends(name, partitions)
    heads = {partition: PartitionState().head_record(Head(end - 1)) for partition, end in ends.items()}
    await write_heads(settings.kafka, changelog, heads)
    return True


async def _committed(kafka: KafkaSettings, group: str, topic: str) -> dict[int, int]:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        return await groups.committed(admin, group, topic)
    finally:
        await admin.close()
