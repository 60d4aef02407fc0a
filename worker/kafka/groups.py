"""Consumer groups, seen from outside: whether anybody works in them, and how far they are."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)

from worker.kafka.connection import client_options
from worker.settings import KafkaSettings

#: What Kafka says while it chooses a group's coordinator, how often it is asked again, and after how many seconds each.
_NO_COORDINATOR_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
_COORDINATOR_TRIES, _COORDINATOR_SECONDS = 60, 0.25


async def with_members(admin: AIOKafkaAdminClient, groups: Iterable[str]) -> list[str]:
    """Return those of the groups that have members. Raise KafkaError if Kafka does not say."""
    return [group for group in groups if await _has_members(admin, group)]


async def _has_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    [answer] = await admin.describe_consumer_groups([group])
    for code, _, _state, _protocol_type, _protocol, members, *_ in answer.groups:
        if code:
            raise for_code(code)(group)
        if members:
            return True
    return False


async def committed(admin: AIOKafkaAdminClient, group: str, topic: str) -> dict[int, int]:
    """Return what a group has committed of a topic, by partition. Raise KafkaError if Kafka does not say."""
    offsets = await admin.list_consumer_group_offsets(group)
    return {
        place.partition: said.offset for place, said in offsets.items() if place.topic == topic and said.offset >= 0
    }


async def topics_read(admin: AIOKafkaAdminClient, group: str) -> set[str]:
    """Return the topics of which a group has committed offsets. Raise KafkaError if Kafka does not say.

    On a new cluster nobody coordinates groups until the first one is asked for: that takes a second or two.
    """
    for _ in range(_COORDINATOR_TRIES):
        with contextlib.suppress(*_NO_COORDINATOR_YET):
            return await _topics_read(admin, group)
        await asyncio.sleep(_COORDINATOR_SECONDS)
    return await _topics_read(admin, group)


async def _topics_read(admin: AIOKafkaAdminClient, group: str) -> set[str]:
    offsets = await admin.list_consumer_group_offsets(group)
    return {place.topic for place, said in offsets.items() if said.offset >= 0}


async def commit(kafka: KafkaSettings, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Commit offsets of a topic for a group. Raise KafkaError if Kafka does not take them, as when it has members."""
    consumer = AIOKafkaConsumer(**client_options(kafka), group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        places = {TopicPartition(topic, number): offset for number, offset in offsets.items()}
        consumer.assign(list(places))
        await consumer.commit(places)
    finally:
        await consumer.stop()
