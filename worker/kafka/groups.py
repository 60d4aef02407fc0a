"""Consumer groups as an administrator sees them: whether they have members, and what they have committed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

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

#: The errors by which Kafka answers while it chooses a group's coordinator.
_NO_COORDINATOR_YET = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
#: How often Kafka is then asked again, and how long to wait before each time, in seconds.
_COORDINATOR_TRIES, _COORDINATOR_SECONDS = 60, 0.25

#: What Kafka answers about a group.
_Answer = TypeVar("_Answer")


async def with_members(admin: AIOKafkaAdminClient, groups: Iterable[str]) -> list[str]:
    """Return those of the groups that have members. Raise KafkaError if Kafka does not answer."""
    return [group for group in groups if await _once_coordinated(_has_members, admin, group)]


async def _has_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    [answer] = await admin.describe_consumer_groups([group])
    for code, _, _state, _protocol_type, _protocol, members, *_ in answer.groups:
        if code:
            raise for_code(code)(group)
        if members:
            return True
    return False


async def committed(admin: AIOKafkaAdminClient, group: str, topic: str) -> dict[int, int]:
    """Return the offsets that a group has committed in a topic, by partition.

    Raise KafkaError if Kafka does not answer.
    """
    return (await committed_in(admin, group, [topic]))[topic]


async def committed_in(admin: AIOKafkaAdminClient, group: str, topics: Iterable[str]) -> dict[str, dict[int, int]]:
    """Return the offsets that a group has committed in each of some topics, by topic and partition.

    Raise KafkaError if Kafka does not answer.
    """
    found: dict[str, dict[int, int]] = {topic: {} for topic in topics}
    for place, at in (await admin.list_consumer_group_offsets(group)).items():
        if place.topic in found and at.offset >= 0:
            found[place.topic][place.partition] = at.offset
    return found


async def topics_read(admin: AIOKafkaAdminClient, group: str) -> set[str]:
    """Return the topics in which a group has committed offsets. Raise KafkaError if Kafka does not answer."""
    return await _once_coordinated(_topics_read, admin, group)


async def _once_coordinated(
    ask: Callable[[AIOKafkaAdminClient, str], Awaitable[_Answer]], admin: AIOKafkaAdminClient, group: str
) -> _Answer:
    """Return what Kafka answers about a group, once the group has a coordinator.

    A new cluster has no coordinator of groups until the first request for one; it then takes a second or two.
    """
    for _ in range(_COORDINATOR_TRIES):
        with contextlib.suppress(*_NO_COORDINATOR_YET):
            return await ask(admin, group)
        await asyncio.sleep(_COORDINATOR_SECONDS)
    return await ask(admin, group)


async def _topics_read(admin: AIOKafkaAdminClient, group: str) -> set[str]:
    offsets = await admin.list_consumer_group_offsets(group)
    return {place.topic for place, at in offsets.items() if at.offset >= 0}


async def commit(kafka: KafkaSettings, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Commit offsets of a topic, by partition, for a group.

    Raise KafkaError if Kafka does not accept them, for instance because the group has members.
    """
    consumer = AIOKafkaConsumer(**client_options(kafka), group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        places = {TopicPartition(topic, partition): offset for partition, offset in offsets.items()}
        consumer.assign(list(places))
        await consumer.commit(places)
    finally:
        await consumer.stop()
