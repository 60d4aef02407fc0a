"""What lies on a worker's topics, kept in a file, and put back on another Kafka at the same offsets."""

import asyncio
import lzma
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from integration.reading import LARGEST, read_topic
from integration.sampling import Published
from upgrade.answers import event_of

from worker.embedded.inbox import Mail
from worker.kafka import groups
from worker.settings import KafkaSettings

#: Kafka's number for a config that was set for a topic, among those that it answers for the topic.
_OF_THE_TOPIC = 1
_NO_LIMIT = str(2**63 - 1)


class Kept(NamedTuple):
    """A record: its Kafka time in ms, and all that was published. It lies at its place in the list."""

    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Topic(msgspec.Struct, array_like=True):
    """A topic: the configs that were set for it, and the records of each partition."""

    config: dict[str, str]
    partitions: list[list[Kept]]


class Input(NamedTuple):
    """A record that was published, or is to be: why it must be refused is empty if it is valid, or erases."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    reason: str = ""

    @classmethod
    def of(cls, record: Published) -> "Input":
        """Return what is kept of a record."""
        return cls(record.key, record.value, record.headers, record.reason or "")

    @property
    def published(self) -> Published:
        """The record, with the response that it holds."""
        event = None if self.value is None or self.reason else event_of(self.value)
        return Published(self.key, self.value, self.headers, event, self.reason or None)


class Sent(NamedTuple):
    """A mail that the server has taken: its receivers and its head."""

    recipients: tuple[str, ...]
    head: bytes

    @classmethod
    def of(cls, mail: Mail) -> "Sent":
        """Return what is kept of a mail."""
        return cls(mail.recipients, mail.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    @property
    def mail(self) -> Mail:
        """The mail, without its content."""
        return Mail(recipients=self.recipients, content=self.head)


class State(msgspec.Struct):
    """What a version left behind.

    `version`: its name, and `commit`: where its code is; `prefix` and `group`: as in its settings. `committed`: by
    group and topic, the offset of each partition. `taken`: what was published to it; `to_come`: what is to be published
    to its successor. `mails`: what it has sent.
    """

    version: str
    commit: str
    prefix: str
    group: str
    topics: dict[str, Topic]
    committed: dict[str, dict[str, dict[int, int]]]
    taken: list[Input]
    to_come: list[Input]
    mails: list[Sent]

    @property
    def partitions(self) -> int:
        """How many partitions the responses have."""
        return len(self.topics[f"{self.prefix}.responses"].partitions)


def save(state: State, file: Path) -> None:
    """Write a state to a file."""
    file.write_bytes(lzma.compress(msgspec.msgpack.encode(state), preset=9 | lzma.PRESET_EXTREME))


def load(file: Path) -> State:
    """Return the state that a file holds."""
    return msgspec.msgpack.decode(lzma.decompress(file.read_bytes()), type=State)


async def topics_of(kafka: str, names: Iterable[str]) -> dict[str, Topic]:
    """Return what lies on these topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        [described] = await admin.describe_configs(resources)
        counts = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics([*names])}
    finally:
        await admin.close()
    configs = {
        name: {key: value for key, value, _, source, *_ in entries if source == _OF_THE_TOPIC}
        for _code, _message, _type, name, entries in described.resources
    }
    return {
        name: Topic(configs[name], _by_partition(await read_topic(kafka, name), counts[name])) for name in sorted(names)
    }


def _by_partition(records: list[ConsumerRecord], count: int) -> list[list[Kept]]:
    partitions: list[list[Kept]] = [[] for _ in range(count)]
    for record in records:
        kept = partitions[record.partition]
        # Neither compaction nor a transaction has left a hole; else the records could not be put back where they were.
        assert record.offset == len(kept), (record.topic, record.partition, record.offset)
        kept.append(Kept(record.timestamp, record.key, record.value, [*record.headers]))
    return partitions


async def put_back(kafka: str, state: State) -> None:
    """Create the topics of a state, with their records at the offsets and the times of before, and commit its offsets.

    Nothing is ever deleted, since the file may be old.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        configs = {name: {**topic.config, "retention.ms": "-1"} for name, topic in state.topics.items()}
        # The times are those of before, until everything is there.
        before = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": _NO_LIMIT}
        response = await admin.create_topics(
            [
                NewTopic(name, len(topic.partitions), 1, topic_configs={**configs[name], **before})
                for name, topic in state.topics.items()
            ]
        )
        assert [error for error in response.topic_errors if error[1]] == []
        await _publish(kafka, state)
        for answer in await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, configs=config) for name, config in configs.items()]
        ):
            assert [resource for resource in answer.resources if resource[0]] == []
    finally:
        await admin.close()
    for group, topics in state.committed.items():
        for name, offsets in topics.items():
            await groups.commit(KafkaSettings(bootstrap_servers=kafka), group, name, offsets)


async def _publish(kafka: str, state: State) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, linger_ms=5, max_request_size=LARGEST)
    await producer.start()
    try:
        for name, topic in state.topics.items():
            for number, records in enumerate(topic.partitions):
                sending = [
                    await producer.send(
                        name, record.value, record.key, number, timestamp_ms=record.timestamp, headers=record.headers
                    )
                    for record in records
                ]
                offsets = [sent.offset for sent in await asyncio.gather(*sending)]
                assert offsets == [*range(len(records))], (name, number)
    finally:
        await producer.stop()
