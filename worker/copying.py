"""Copying topics of another installation, so that a new one can be made from what has happened: docs/moving.md.

The records keep their Kafka times, since decisions go by these. A record goes to the partition of its key, which may be
another one than before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code
from pydantic_core import from_json

from worker.errors import StillRunning, TopicsUnfit
from worker.flow import events
from worker.flow.record import origin_of
from worker.flow.responses.moved import claims_in
from worker.kafka import groups, ownership, reading, topics
from worker.kafka import topic_checks as checks
from worker.kafka.connection import client_options
from worker.kafka.partitioner import partition_of
from worker.kafka.preflight import preflight
from worker.kafka.reading import Reader
from worker.rebuild.progress import Progress, Say
from worker.settings import Settings

#: The topics that can be copied. All others are made from them.
COPIED = (events.RESPONSES, events.ALERT_COMMANDS, events.DELIVERIES)
#: Kafka's number for a configuration that was set for a topic, among those that it answers for the topic.
_OF_THE_TOPIC = 1
#: Kafka's number for a record whose time is the one that the producer has given to it.
_OF_THE_PRODUCER = 0
#: How often Kafka is asked whether a topic is gone, in seconds.
_LOOK_SECONDS = 0.1

#: Returns the partition that a record goes to.
_Place = Callable[[ConsumerRecord], int]


async def copy(source: Settings, target: Settings, topic: str, say: Say) -> str:
    """Copy a topic from one installation to another, and return in one line what was done.

    `topic`: one of COPIED. The topics of the target are created if they are missing. Records that workers of the source
    have put on nps.responses themselves are left out, since those of the target do that again.

    Raise TopicsUnfit if the source does not have the topic, or if the target's topic is not empty; StillRunning if the
    target has workers; and Unreachable, Refused or KafkaError if Kafka does not answer.
    """
    await preflight(source.kafka)
    await preflight(target.kafka)
    before, after = (topics.topic_name(each.topic_prefix, topic) for each in (source, target))
    kafka = await topics.ensure(target)
    async with (
        _admin(target) as admin,
        reading.reader(source.kafka, committed_only=True) as reader,
        reading.reader(target.kafka) as other,
    ):
        partitions = await reader.partitions(before)
        if not partitions:
            raise TopicsUnfit(f"{before} does not exist on {source.kafka.bootstrap_servers}: there is nothing to copy")
        await _check_unused(admin, other, target, after)
        is_own = await _own_records(source, topic)
        place = await _places(other, target, topic, kafka.partitions)
        starts, ends = await reader.starts(before, partitions), await reader.ends(before, partitions)
        progress, left_out = Progress(topic, sum(ends.values()) - sum(starts.values()), say), 0
        async with (
            _with_times(admin, after, target, kafka.partitions),
            _producer(target) as producer,
            aclosing(reader.read(before, {n: (starts[n], ends[n]) for n in partitions})) as read,
        ):
            async for records in read:
                wanted = [record for record in records if not is_own(record)]
                await _send(producer, after, wanted, place)
                left_out += len(records) - len(wanted)
                progress.count(len(records))
    async with reading.reader(target.kafka) as other:
        await _check_times(other, after)
    progress.end()
    own = f"; {left_out:,} that workers had written there were left out" if left_out else ""
    return f"{before} was copied to {after}{own}"


async def _check_unused(admin: AIOKafkaAdminClient, reader: Reader, target: Settings, name: str) -> None:
    """Raise an error if a worker of the target runs, or if the topic that is to be filled is not empty."""
    used = [topics.group_id(target.kafka.group, role) for role in topics.tables(target)]
    if running := await groups.with_members(admin, used):
        raise StillRunning(f"workers are running in {' and '.join(running)}: stop them first")
    if any((await reader.ends(name, await reader.partitions(name))).values()):
        raise TopicsUnfit(
            f"{name} has records already. If an earlier copy was interrupted, delete the topic, and copy it again"
        )


async def _own_records(source: Settings, topic: str) -> Callable[[ConsumerRecord], bool]:
    """Return a function that says whether a worker has put a record on the topic: a rerouted one, or claims."""
    owner = await ownership.owner_of(source.kafka, topics.ownership_topic(source))
    if topic != events.RESPONSES or owner is None:
        return lambda _: False
    home = f"{await topics.cluster_id(source.kafka)}/{topics.topic_name(source.topic_prefix, topic)}"
    secret = owner.claim.secret
    return lambda record: origin_of(record, home, secret) is not None or claims_in(record, home, secret) is not None


async def _places(reader: Reader, target: Settings, topic: str, partitions: int) -> _Place:
    """Return a function from a record to its partition.

    A line of the delivery log goes to the partition in which its alert lies, and has to be copied after the alerts were
    made again.
    """
    owner = partition_of(partitions)
    if topic != events.DELIVERIES:
        return lambda record: owner(record.key or b"")
    alerts = topics.topic_name(target.topic_prefix, events.ALERTS)
    ends = await reader.ends(alerts, await reader.partitions(alerts))
    lies: dict[str, int] = {}
    async with aclosing(reader.read(alerts, {n: (0, end) for n, end in ends.items()})) as pieces:
        async for records in pieces:
            lies |= {alert: record.partition for record in records if (alert := _alert_of(record))}
    return lambda record: lies.get(_alert_of(record), owner(record.key or b""))


def _alert_of(record: ConsumerRecord) -> str:
    """Return the id of the alert or the incident that a record is about; empty if it is about none."""
    try:
        event = from_json(record.value or b"")
    except ValueError:
        return ""
    found = event.get("alert_id") if isinstance(event, dict) else None
    return found if isinstance(found, str) else ""


async def _send(producer: AIOKafkaProducer, name: str, records: Sequence[ConsumerRecord], place: _Place) -> None:
    """Publish records as they are, and wait until Kafka has acknowledged them. Raise KafkaError if it does not."""
    sending = [
        await producer.send(
            name, record.value, record.key, place(record), timestamp_ms=record.timestamp, headers=[*record.headers]
        )
        for record in records
    ]
    await asyncio.gather(*sending)


async def _check_times(reader: Reader, name: str) -> None:
    """Raise TopicsUnfit if a broker has given its own time to a record of a topic."""
    ends = await reader.ends(name, await reader.partitions(name))
    async with aclosing(reader.read(name, {n: (0, end) for n, end in ends.items()})) as pieces:
        async for records in pieces:
            if any(record.timestamp_type != _OF_THE_PRODUCER for record in records):
                raise TopicsUnfit(
                    f"Kafka has not kept the times of all records of {name}: delete the topic, and copy it again"
                )


@asynccontextmanager
async def _with_times(admin: AIOKafkaAdminClient, name: str, target: Settings, partitions: int) -> AsyncIterator[None]:
    """Create an empty topic again, so that its records keep their times; give it its configuration back at the end.

    It would not be enough to change the configuration, since some brokers may learn of that only later.
    """
    config = await _config(admin, name)
    for _, code in (await admin.delete_topics([name])).topic_error_codes:
        if code:
            raise for_code(code)(name)
    new = NewTopic(
        name,
        partitions,
        target.kafka.replication_factor,
        topic_configs={**config, checks.TIMESTAMP: "CreateTime"},
    )
    exists = TopicAlreadyExistsError.errno
    while (code := (await admin.create_topics([new])).topic_errors[0][1]) == exists:  # noqa: ASYNC110 - no event
        await asyncio.sleep(_LOOK_SECONDS)
    if code:
        raise for_code(code)(name)
    try:
        yield
    finally:
        await _configure(admin, name, config)


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """Return the configuration that was set for a topic."""
    [described] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {
        key: value
        for *_, entries in described.resources
        for key, value, _, origin, *_ in entries
        if origin == _OF_THE_TOPIC
    }


async def _configure(admin: AIOKafkaAdminClient, name: str, config: Mapping[str, str]) -> None:
    """Set the whole configuration of a topic. Raise KafkaError if Kafka refuses it."""
    for answer in await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=dict(config))]):
        for code, *_ in answer.resources:
            if code:
                raise for_code(code)(name)


@asynccontextmanager
async def _producer(target: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **client_options(target.kafka),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_request_size=topics.LARGEST_RECORD,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _admin(target: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(target.kafka))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
