"""Following a topic without a consumer group: it is read to its end, and then new records as they arrive."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Protocol

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from worker.errors import Unreachable
from worker.kafka import reading, topics
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings

log = logging.getLogger(__name__)

#: How long to wait before Kafka is asked again if it did not answer, in seconds.
_RETRY_SECONDS = 2.0
#: How long the role process may take to create the topic, if it starts at the same time on a slow machine, and how long
#: to wait before the broker is asked again, in seconds. Until then, a topic that is missing is nothing to warn of.
_CREATION_SECONDS, _SOON_SECONDS = 20.0, 0.5


class Follower(Protocol):
    """What keeps the newest records of a topic."""

    def next_offset(self, partition: int) -> int:
        """Return the offset of a partition up to which the topic was read."""

    def forget(self, partition: int) -> None:
        """Forget a partition, since its topic was deleted and created again."""

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Apply records, in the order of each partition."""

    def note_caught_up(self, ends: Mapping[int, int]) -> None:
        """Note that the topic was read to the ends of its partitions, as they were then."""


async def follow(kafka: KafkaSettings, topic: str, follower: Follower, newest: int | None = None) -> None:
    """Follow a topic until cancelled. While Kafka does not answer, what is known stays.

    `newest`: how many of the newest offsets are read at first, the same number in each partition; None for all of them.
    Raise Refused if Kafka does not let the worker in, or does not let it read the topic.
    """
    said, created_by = "", monotonic() + _CREATION_SECONDS
    while True:
        try:
            await preflight(kafka)
            async with reading.reader(kafka) as reader:
                partitions = await reader.partitions(topic)
                if partitions:
                    said = ""
                    await _follow(reader, topic, partitions, follower, newest)
            if monotonic() < created_by:
                await asyncio.sleep(_SOON_SECONDS)
                continue
            why = f"{topic} does not exist yet, or may not be read: is the role process running?"
        except topics.NOT_PERMITTED as error:
            raise topics.not_permitted(error) from error
        except Unreachable as error:
            why = str(error)
        except KafkaError as error:
            why = f"Kafka: {type(error).__name__}"
        if why != said:
            log.warning("%s; trying again every %.0f s", why, _RETRY_SECONDS)
        said = why
        await asyncio.sleep(_RETRY_SECONDS)


async def _follow(
    reader: reading.Reader, topic: str, partitions: Iterable[int], follower: Follower, newest: int | None
) -> None:
    ends = await _read_to_end(reader, topic, [*partitions], follower, newest)
    follower.note_caught_up(ends)
    firsts = {partition: max(end, follower.next_offset(partition)) for partition, end in ends.items()}
    async with aclosing(reader.follow(topic, firsts)) as chunks:
        async for records in chunks:
            follower.take(records)


async def _read_to_end(
    reader: reading.Reader, topic: str, partitions: Collection[int], follower: Follower, newest: int | None
) -> Mapping[int, int]:
    """Read a topic to its end, and return the ends of its partitions.

    The topic may be deleted and created again meanwhile. Then it is read from its beginning.
    """
    while True:
        ends = await reader.ends(topic, partitions)
        for partition, end in ends.items():
            if end < follower.next_offset(partition):
                follower.forget(partition)  # the topic was deleted and created again
        share = None if newest is None else -(-newest // len(ends))
        oldest = {partition: 0 if share is None else end - share for partition, end in ends.items()}
        spans = {
            partition: (max(follower.next_offset(partition), oldest[partition]), end) for partition, end in ends.items()
        }
        async with aclosing(reader.read(topic, spans)) as chunks:
            async for records in chunks:
                follower.take(records)
        now = await reader.ends(topic, partitions)
        created_again = [partition for partition, end in ends.items() if now[partition] < end]
        if not created_again:
            return ends
        for partition in created_again:
            follower.forget(partition)
