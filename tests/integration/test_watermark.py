"""Time may pass once the whole group has decided what had arrived; not while it has still to read."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from integration.conftest import make_settings

from worker.clock import SystemClock
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.streams.topics import group_id
from worker.streams.watermark import Watermark


class Steady(SystemClock):
    """A clock whose time is said by the test, in ms."""

    time = 1_000

    def steady(self) -> int:
        return self.time


async def test_it_has_passed_when_every_partition_was_committed_up_to_where_it_ended(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    settings, clock = make_settings(kafka, inbox), Steady()
    topic, group = f"{settings.topic_prefix}.responses", group_id(settings.kafka.group, "process")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await admin.start()
        await admin.create_topics([NewTopic(topic, 2, 1)])
        await admin.close()
        watermark = Watermark(settings, "process", 2, clock)
        while not await watermark.passed():  # noqa: ASYNC110 - until the broker can say anything about groups
            await asyncio.sleep(0.05)
        for partition in (0, 0, 1):
            await producer.send_and_wait(topic, b"", partition=partition)
        nobody_read = await watermark.passed()
        half = await _commit(kafka, group, {TopicPartition(topic, 0): 2}, watermark)
        await producer.send_and_wait(topic, b"", partition=1)
        all_that_was_there = await _commit(kafka, group, {TopicPartition(topic, 1): 1}, watermark)
        one_more = await watermark.passed()
        clock.time += 31_000
        still = await watermark.passed()
        at_last = await _commit(kafka, group, {TopicPartition(topic, 1): 2}, watermark)

    assert [nobody_read, half, all_that_was_there] == [False, False, True]
    assert [one_more, still, at_last] == [False, False, True]


async def test_it_has_not_passed_while_nobody_can_say(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    settings = make_settings(kafka, inbox)
    unreachable = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    watermark = Watermark(settings.model_copy(update={"kafka": unreachable}), "process", 2, SystemClock())

    assert not await watermark.passed()


async def _commit(kafka: EmbeddedKafka, group: str, offsets: dict[TopicPartition, int], watermark: Watermark) -> bool:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, group_id=group)
    async with consumer:
        consumer.assign(list(offsets))
        await consumer.commit(offsets)
    return await watermark.passed()
