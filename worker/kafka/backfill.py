"""Backfilling a topic: records of the past are written to it, and Kafka keeps their times.

Kafka gives its own time of arrival to the records of the worker's topics (LogAppendTime). A topic that is to be
backfilled is created in such a way that it keeps the times of the producer (CreateTime), and is configured as the
worker needs it when it is complete.

A topic that exists with the worker's configuration is deleted for that, and created again. To change its configuration
would not be enough: the brokers learn of a change one after the other, and nobody can see when the last of them uses
it. For the same reason, the topic is created only when no broker knows the deleted one any more. Until then a broker
takes records for the old topic, acknowledges them, and deletes them with it: with Apache Kafka 4.1, up to 400 of 400
records were lost, or had the broker's time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.admin import DescribeConfigsRequest

from worker.errors import TopicsUnfit
from worker.kafka import topic_checks as checks
from worker.kafka import topics
from worker.settings import Settings

#: The value of message.timestamp.type by which records keep the times that their producer has given to them.
_KEEPING_TIMES = "CreateTime"
#: Kafka's number for a configuration that was set for a topic, among those that it answers for the topic.
_OF_THE_TOPIC = 1
#: How often the brokers are asked whether they have learned of a change, and for how long at most, in seconds.
_LOOK_SECONDS = 0.1
_LONGEST_SECONDS = 60.0


class _Existing(NamedTuple):
    """A topic that exists."""

    #: The configuration that was set for it.
    config: Mapping[str, str]
    #: Whether its records keep the times that their producer has given to them.
    keeps_times: bool


@asynccontextmanager
async def backfilled(admin: AIOKafkaAdminClient, settings: Settings, topic: str) -> AsyncIterator[topics.KafkaInfo]:
    """Create the topics that are missing. Until the end of this context, `topic` keeps the times of its records.

    The topic must be missing or empty. If it exists, it keeps the configuration that was set for it. Raise TopicsUnfit
    if a broker does not learn of the changes, and what topics.ensure raises.
    """
    name = topics.topic_name(settings.topic_prefix, topic)
    [plan] = [plan for plan in topics.planned_topics(settings) if plan.name == name]
    existing = await _existing(admin, name)
    if existing is not None and not existing.keeps_times:
        await _delete(admin, name)
    config = plan.config if existing is None else existing.config
    needs = {**plan.needs, checks.TIMESTAMP: checks.exactly(_KEEPING_TIMES)}
    keeping = plan._replace(config={**config, checks.TIMESTAMP: _KEEPING_TIMES}, needs=needs)
    kafka = await topics.ensure(settings, instead=keeping)
    try:
        yield kafka
    finally:
        await _configure(admin, name, {**config, checks.TIMESTAMP: plan.config[checks.TIMESTAMP]})


async def _existing(admin: AIOKafkaAdminClient, name: str, broker: int | None = None) -> _Existing | None:
    """Return what a broker, or any broker, knows of a topic; None if it does not know it. Raise KafkaError."""
    request = DescribeConfigsRequest([(ConfigResourceType.TOPIC, name, None)])
    [(code, _message, _type, _name, entries)] = (await admin._send_request(request, broker)).resources
    if code == UnknownTopicOrPartitionError.errno:
        return None
    if code:
        raise for_code(code)(name)
    effective = {key: (value, origin) for key, value, _, origin, *_ in entries}
    config = {key: value for key, (value, origin) in effective.items() if origin == _OF_THE_TOPIC}
    return _Existing(config, effective[checks.TIMESTAMP][0] == _KEEPING_TIMES)


async def _delete(admin: AIOKafkaAdminClient, name: str) -> None:
    """Delete a topic, and wait until no broker knows it. Raise KafkaError if Kafka refuses it."""
    for _, code in (await admin.delete_topics([name])).topic_error_codes:
        if code:
            raise for_code(code)(name)

    async def is_gone(broker: int) -> bool:
        found = await topics.described(admin, [name], broker)
        return all(topic["error_code"] == UnknownTopicOrPartitionError.errno for topic in found)

    await _until_every_broker(admin, is_gone, f"{name} was deleted")


async def _configure(admin: AIOKafkaAdminClient, name: str, config: Mapping[str, str]) -> None:
    """Set the whole configuration of a topic, and wait until each broker has it. Raise KafkaError if Kafka refuses."""
    for answer in await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=dict(config))]):
        for code, *_ in answer.resources:
            if code:
                raise for_code(code)(name)

    async def has_it(broker: int) -> bool:
        existing = await _existing(admin, name, broker)
        return existing is not None and existing.config == config

    await _until_every_broker(admin, has_it, f"{name} has another configuration")


async def _until_every_broker(admin: AIOKafkaAdminClient, knows: Callable[[int], Awaitable[bool]], change: str) -> None:
    """Wait until all brokers know of a change; `change`: the change as a sentence.

    Raise TopicsUnfit if one of them does not learn of it, KafkaError if one does not answer.
    """
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            await admin._client.force_metadata_update()
            brokers = [broker.nodeId for broker in admin._client.cluster.brokers()]
            while not all([await knows(broker) for broker in brokers]):  # noqa: ASYNC110 - no event
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise TopicsUnfit(f"after {_LONGEST_SECONDS:.0f} s, not every broker knows that {change}") from None
