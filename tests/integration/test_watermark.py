"""Time may pass once the whole group has decided what had arrived; not while it has still to read."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from integration.conftest import StartBench, make_settings

from worker.clock import SystemClock
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka import groups, reading
from worker.kafka.topics import group_id
from worker.roles.watermark import Watermark
from worker.settings import KafkaSettings


class Steady(SystemClock):
    """A clock whose time is said by the test, in ms."""

    time = 1_000

    def steady(self) -> int:
        return self.time


async def test_it_has_passed_when_every_partition_was_committed_up_to_where_it_ended(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    # Names of its own: this module's conftest is another than the fixtures', and counts by itself.
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="watermark")
    settings, clock = make_settings(kafka, inbox, topic_prefix="watermark", kafka=own), Steady()
    topic, group = f"{settings.topic_prefix}.responses", group_id(settings.kafka.group, "process")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        await admin.start()
        commands = f"{settings.topic_prefix}.alert-commands"
        await admin.create_topics([NewTopic(topic, 2, 1), NewTopic(commands, 2, 1)])
        await admin.close()
        watermark = Watermark(settings, "process", 2, clock)
        await _passed(watermark)
        for partition in (0, 0, 1):
            await producer.send_and_wait(topic, b"", partition=partition)
        assert not await watermark.passed()
        await groups.commit(own, group, topic, {0: 2})
        assert not await watermark.passed()
        await groups.commit(own, group, topic, {1: 1})
        await _passed(watermark)
        await producer.send_and_wait(topic, b"", partition=1)
        assert not await watermark.passed()
        await producer.send_and_wait(topic, b"", partition=1)
        clock.time += 31_000
        await groups.commit(own, group, topic, {1: 2})
        assert not await watermark.passed()
        await groups.commit(own, group, topic, {1: 3})
        await _passed(watermark)
        await producer.send_and_wait(commands, b"", partition=0)
        assert not await watermark.passed()  # somebody may have acknowledged what would be escalated
        await groups.commit(own, group, commands, {0: 1})
        await _passed(watermark)


@pytest.mark.parametrize("committing", [True, False], ids=["committed", "aborted"])
async def test_a_transaction_at_the_end_of_a_partition_does_not_stop_time(
    kafka: EmbeddedKafka, inbox: Inbox, *, committing: bool
) -> None:
    name = f"transactions-{committing}".lower()
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=name)
    settings = make_settings(kafka, inbox, topic_prefix=name, kafka=own)
    topic, group = f"{name}.responses", group_id(name, "process")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1), NewTopic(f"{name}.alert-commands", 2, 1)])
    await admin.close()
    watermark = Watermark(settings, "process", 2, SystemClock())
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=name) as producer:
        for _ in range(2):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"", partition=0)
            await (producer.commit_transaction() if committing else producer.abort_transaction())
    async with reading.reader(settings.kafka, committed_only=True) as reader:
        while (await reader.ends(topic, [0]))[0] < 4:  # noqa: ASYNC110 - markers follow a moment later, and raise no event
            await asyncio.sleep(0.05)
        if committing:
            assert await reader.holds_records(topic, {0: (2, 3)})  # what a marker commits can be read a moment later
    if committing:
        assert not await watermark.passed()
        await groups.commit(own, group, topic, {0: 1})
        assert not await watermark.passed()
        await groups.commit(own, group, topic, {0: 3})  # what follows is a marker
    await _passed(watermark)


async def test_a_worker_finds_that_everything_published_in_transactions_is_done(bench: StartBench) -> None:
    """The ticker's question, and the demo's, of a worker that has decided all of it."""
    async with bench() as running:
        servers, topic = running.settings.kafka.bootstrap_servers, f"{running.settings.topic_prefix}.responses"
        answer = {"response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": 3}
        value = json.dumps({**answer, "responded_at": "2025-06-01T10:00:00Z"}).encode()
        async with AIOKafkaProducer(bootstrap_servers=servers, transactional_id=topic) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(topic, value, key=b"c-1")
            await producer.commit_transaction()
            await producer.begin_transaction()
            await producer.send_and_wait(topic, value, key=b"c-1")
            await producer.abort_transaction()
        await running.settle()
        await running.inbox.wait_for(1)
        [decision] = await running.read("decisions")
        assert json.loads(decision.value)["outcome"] == "accepted"
        await _passed(Watermark(running.settings, "process", 4, SystemClock()))


async def test_it_has_not_passed_while_nobody_can_say(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    settings = make_settings(kafka, inbox)
    unreachable = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    watermark = Watermark(settings.model_copy(update={"kafka": unreachable}), "process", 2, SystemClock())

    assert not await watermark.passed()


async def _passed(watermark: Watermark) -> None:
    """Wait until it has: a broker that is busy may not be able to say at once."""
    while not await watermark.passed():  # noqa: ASYNC110 - Kafka raises no event
        await asyncio.sleep(0.05)
