"""Topics of another program on a real Kafka: each delivery becomes one response, whatever happens meanwhile."""

import asyncio
import gzip
import json
import signal
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from integration.conftest import make_settings
from integration.processes import environment, worker_process
from integration.reading import read_topic
from integration.topics import create, remove

from worker.app import running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import TopicsUnfit
from worker.kafka.partitioner import partition_of
from worker.maintenance import take_over
from worker.receive.settings import ReceiveSettings
from worker.roles import foreign

MAPPING = {"response_id": "id", "survey_id": "survey", "score": "score", "responded_at": "at", "customer_id": "who"}
#: The partitions of the worker's own topics, which are not as many as those of the other program.
PARTITIONS = 4


def row(number: int, **changes: Any) -> dict[str, Any]:
    usual = {"id": number, "survey": "autumn", "score": number % 11, "at": "2025-06-01T10:00:00Z", "who": f"c-{number}"}
    return usual | changes


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


async def until(count: int, read: Callable[[], Any]) -> list[Any]:
    """Wait until so many different things can be read; return all of them."""
    while len(found := await read()) < count:  # noqa: ASYNC110 - Kafka raises no event
        await asyncio.sleep(0.1)
    return list(found)


async def responses(kafka: EmbeddedKafka, prefix: str) -> list[ConsumerRecord[bytes, bytes]]:
    return await read_topic(kafka.bootstrap_servers, f"{prefix}.responses")


async def ids(kafka: EmbeddedKafka, prefix: str) -> set[str]:
    return {json.loads(record.value or b"")["response_id"] for record in await responses(kafka, prefix)}


async def publish(
    kafka: EmbeddedKafka, topic: str, values: Collection[Any], *, is_keyed: bool = False, **options: Any
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, **options) as producer:
        for number, value in enumerate(values):
            sent = value if value is None or isinstance(value, bytes) else text(value)
            await producer.send(topic, sent, key=b"row-%d" % number if is_keyed else None)
        await producer.flush()


async def test_each_delivery_is_one_response_although_the_worker_is_killed_in_the_middle(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    name, topic, count = "foreign-kill", "crm.answers-1", 3_000
    rubbish = [
        b"",
        b"{",
        b"\x00\x00\x00\x00\x07avro",
        b"[]",
        text({"score": 3}),
        gzip.compress(b"{}"),
        b"\xff" * 70_000,
    ]
    rubbish += [text(row(1, score=42)), text(row(2, who="x" * 300))]
    await create(kafka.bootstrap_servers, topic, 3, {"cleanup.policy": "compact"})
    first = [row(n) for n in range(count // 2)]
    second = [row(n) for n in range(count // 2, count)]
    env = {
        **environment(kafka.bootstrap_servers, inbox, name, tmp_path),
        "NPS_KAFKA__BATCH_RECORDS": "50",
        "NPS_RECEIVE__PORT": "0",
        "NPS_RECEIVE__TOPICS": json.dumps([{"name": "crm", "topic": topic, "tool": "template", "mapping": MAPPING}]),
    }
    async with asyncio.timeout(150):
        await publish(kafka, topic, [*first, *rubbish, None], is_keyed=True, compression_type="gzip")
        async with worker_process("run", "--role", "receive", env=env) as worker:
            await until(200, lambda: ids(kafka, name))  # of 1,500, in batches of 50
            assert await worker.end(signal.SIGKILL) == -signal.SIGKILL
        async with worker_process("run", "--role", "receive", env=env) as worker:
            # Offsets of transactions' markers are holes in the log, and what was aborted is no delivery.
            async with AIOKafkaProducer(
                bootstrap_servers=kafka.bootstrap_servers, transactional_id=name, compression_type="lz4"
            ) as producer:
                await producer.begin_transaction()
                for value in second:
                    await producer.send(topic, text(value), key=b"row-%d" % value["id"])
                await producer.commit_transaction()
                await producer.begin_transaction()
                for value in second[:100]:
                    await producer.send(topic, text({**value, "id": f"aborted-{value['id']}"}), key=b"aborted")
                await producer.flush()
                await producer.abort_transaction()
            await until(count, lambda: ids(kafka, name))
            assert await worker.end() == 0, worker.lines
        async with worker_process("run", "--role", "process", env=env) as worker:
            await until(count, lambda: decided(kafka, name))
            assert await worker.end() == 0, worker.lines

    expected = {f"crm:{n}" for n in range(count)}
    found = await responses(kafka, name)
    assert {json.loads(record.value or b"")["response_id"] for record in found} == expected
    values = {json.loads(record.value or b"")["response_id"]: record.value for record in found}
    owner = partition_of(PARTITIONS)
    for record in found:
        assert record.value == values[json.loads(record.value or b"")["response_id"]], "a replay repeats what was sent"
        assert record.key is not None
        assert record.partition == owner(record.key)
        assert dict(record.headers)["nps-source"] == b"crm"
    outcomes = Counter[str]()
    for decision in await read_topic(kafka.bootstrap_servers, f"{name}.decisions"):
        outcomes[json.loads(decision.value or b"")["outcome"]] += 1
    assert outcomes["accepted"] == count
    assert set(outcomes) <= {"accepted", "duplicate"}
    letters = await read_topic(kafka.bootstrap_servers, f"{name}.dead-letters")
    of_topic = {
        (letter["topic"], letter["partition"], letter["offset"]): letter["reason"]
        for letter in (json.loads(record.value or b"") for record in letters)
    }
    assert len(of_topic) == len(rubbish)
    assert {place[0] for place in of_topic} == {topic}
    lying = {(r.topic, r.partition, r.offset): r.value for r in await read_topic(kafka.bootstrap_servers, topic)}
    assert {lying[place] for place in of_topic} == set(rubbish)
    assert worker.count("bug") == 0


async def decided(kafka: EmbeddedKafka, prefix: str) -> set[str]:
    found = await read_topic(kafka.bootstrap_servers, f"{prefix}.decisions")
    return {json.loads(record.value or b"")["response_id"] for record in found}


async def test_a_topic_may_come_later_grow_and_be_created_again(
    kafka: EmbeddedKafka,
    inbox: Inbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    topic, servers = "crm.public.answers-2", kafka.bootstrap_servers
    at = {"name": "crm", "topic": topic, "tool": "template", "mapping": MAPPING, "unwrap": "debezium"}
    settings = make_settings(kafka, inbox, receive=ReceiveSettings.model_validate({"topics": [at], "port": 0}))
    prefix = settings.topic_prefix
    monkeypatch.setattr(foreign, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(foreign, "_PARTITIONS_LOOK_SECONDS", 0.3)

    def changes(first: int, count: int) -> list[Any]:
        return [{"payload": {"before": None, "after": row(n), "op": "c"}} for n in range(first, first + count)]

    async with asyncio.timeout(150):
        async with running(settings, "receive") as worker:
            assert worker.ready
            while "the topic does not exist; the worker waits for it" not in caplog.text:  # noqa: ASYNC110 - a log raises no event
                await asyncio.sleep(0.05)
            await create(servers, topic, 2, {"message.timestamp.type": "CreateTime"})
            await publish(kafka, topic, [*changes(0, 20), {"payload": {"before": row(1), "after": None, "op": "d"}}])
            await until(20, lambda: ids(kafka, prefix))
            await grow(servers, topic, 5)
            with pytest.raises(TopicsUnfit, match="has 5 partitions now, and had 2: start the worker again"):
                await worker.failure()
        await publish(kafka, topic, changes(20, 30))
        env = {
            **environment(servers, inbox, prefix, tmp_path),
            "NPS_KAFKA__GROUP": settings.kafka.group,
            "NPS_RECEIVE__PORT": "0",
            "NPS_RECEIVE__TOPICS": json.dumps([at]),
        }
        async with worker_process("run", "--role", "receive", env=env) as process:
            await until(50, lambda: ids(kafka, prefix))
            await remove(servers, [topic])
            assert await process.exited() == 1
            await process.said(f"{topic}: the topic does not exist any more. The next start waits for it")
        await create(servers, topic, 5, {})
        await publish(kafka, topic, changes(100, 3))
        async with running(settings, "receive"):
            await until(53, lambda: ids(kafka, prefix))
            assert "it is read from its beginning" in caplog.text

    assert await ids(kafka, prefix) == {f"crm:{n}" for n in (*range(50), 100, 101, 102)}
    assert await read_topic(servers, f"{prefix}.dead-letters") == []
    assert len(await responses(kafka, prefix)) == 53, "without a crash, nothing is published twice"


async def grow(servers: str, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(partitions)})
    finally:
        await admin.close()


async def test_neither_a_lost_changelog_nor_another_group_lets_anything_be_read_a_second_time(
    kafka: EmbeddedKafka, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    topic = "crm.answers-3"
    at = {"name": "crm", "topic": topic, "tool": "template", "mapping": MAPPING}
    settings = make_settings(kafka, inbox, receive=ReceiveSettings.model_validate({"topics": [at], "port": 0}))
    prefix = settings.topic_prefix
    await create(kafka.bootstrap_servers, topic, 2, {})
    async with asyncio.timeout(120):
        await publish(kafka, topic, [row(n) for n in range(10)])
        async with running(settings, "receive"):
            await until(10, lambda: ids(kafka, prefix))
        await remove(kafka.bootstrap_servers, [f"{settings.kafka.group}-topic-crm-offsets-changelog"])
        await publish(kafka, topic, [row(n) for n in range(10, 15)])
        async with running(settings, "receive"):
            await until(15, lambda: ids(kafka, prefix))

        assert "its changelog was lost; reading goes on at offset" in caplog.text
        # Another group that takes over goes on where the first one has stopped.
        heir = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"group": f"{prefix}-heir"})})
        await take_over(heir, may_repeat=True)
        await publish(kafka, topic, [row(n) for n in range(15, 18)])
        async with running(heir, "receive"):
            await until(18, lambda: ids(kafka, prefix))

    assert len(await responses(kafka, prefix)) == 18
