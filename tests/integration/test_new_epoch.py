"""A consumed topic is deleted and made anew: the worker stops instead of taking what is new for replays, and goes on
after a command."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.structs import TopicPartition
from integration.processes import Process, environment, worker_process
from integration.reading import read_topic

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka import groups

PORTION = 20
STAMPED = {"message.timestamp.type": "LogAppendTime"}


async def publish(kafka: EmbeddedKafka, name: str, numbers: Iterable[int]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all") as producer:
        for n in numbers:
            answer = {"response_id": f"r-{n}", "survey_id": "s", "customer_id": f"c-{n}", "score": 2}
            value = json.dumps({**answer, "responded_at": "2025-06-01T10:00:00Z"}).encode()
            await producer.send_and_wait(f"{name}.responses", value, key=f"c-{n}".encode())


async def renew(kafka: EmbeddedKafka, topic: str) -> None:
    """Delete a topic and create it again."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while True:
            answer = await admin.create_topics([NewTopic(topic, 4, 1, topic_configs=STAMPED)])
            if answer.topic_errors[0][1] == 0:
                return
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def decided(kafka: EmbeddedKafka, name: str, count: int) -> list[str]:
    """Wait for so many accepted answers, and return the responses' ids."""
    while True:
        decisions = [json.loads(r.value) for r in await read_topic(kafka.bootstrap_servers, f"{name}.decisions")]
        accepted = [decision["response_id"] for decision in decisions if decision["outcome"] == "accepted"]
        if len(accepted) >= count:
            return accepted
        await asyncio.sleep(0.2)


async def counted(env: dict[str, str], count: int) -> None:
    """Wait until the scores show so many answers."""
    shown = ""
    while f" {count}" not in shown:
        async with worker_process("scores", "--window", "all", env=env) as showing:
            await showing.exited()
        shown = "\n".join(showing.lines)


async def pass_by(kafka: EmbeddedKafka, group: str, topic: str) -> None:
    """Write a record that is skipped to each partition, and wait until the worker has passed it."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all") as producer:
        sent = [await producer.send_and_wait(topic, b"stray", partition=n) for n in range(4)]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        while True:
            committed = await groups.committed(admin, group, topic)
            if all(committed.get(one.partition, 0) > one.offset for one in sent):
                return
            await asyncio.sleep(0.2)
    finally:
        await admin.close()


async def stopped(process: Process, topic: str) -> None:
    """Expect that it ends by itself, with one line that says why and what to do."""
    assert await process.exited() == 1
    [line] = [line for line in process.lines if '"critical"' in line]
    assert topic in line, line
    assert f"python -m worker new-epoch {topic.rpartition('.')[2]}" in line


@pytest.mark.parametrize(
    ("short", "running"),
    [
        ("responses", True),
        pytest.param("responses", False, marks=pytest.mark.thorough),
        pytest.param("alerts", True, marks=pytest.mark.thorough),
        pytest.param("alerts", False, marks=pytest.mark.thorough),
    ],
)
async def test_a_topic_made_anew_stops_the_worker_and_after_a_command_all_of_it_counts(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path, short: str, *, running: bool
) -> None:
    name = f"anew-{short}-{running}".lower()
    env, topic = environment(kafka.bootstrap_servers, inbox, name, tmp_path), f"{name}.{short}"
    async with worker_process("run", env=env) as process:
        await process.said("started")
        await publish(kafka, name, range(PORTION))
        await inbox.wait_for(PORTION)
        if running:
            await renew(kafka, topic)
            await publish(kafka, name, range(PORTION, 2 * PORTION))
            await stopped(process, topic)
        else:
            assert await process.end() == 0
            await renew(kafka, topic)
            await publish(kafka, name, range(PORTION, 2 * PORTION))
    async with worker_process("run", env=env) as process:
        await stopped(process, topic)
    for said in ("goes on with partitions", "there is nothing to do"):
        async with worker_process("new-epoch", short, env=env, fresh=True) as command:
            assert await command.exited() == 0, command.lines
        assert said in command.lines[-1]
    async with worker_process("run", env=env) as process:
        await process.said("started")
        await inbox.wait_for(2 * PORTION)
        accepted = await decided(kafka, name, 2 * PORTION)
        assert sorted(accepted) == sorted(f"r-{n}" for n in range(2 * PORTION))
        await counted(env, 2 * PORTION)
        assert await process.end() == 0
    async with worker_process("run", env=env) as process:  # and the epoch is known to the next one
        await process.said("started")
        assert await process.end() == 0
    assert len(inbox.mails) == 2 * PORTION


@pytest.mark.thorough
@pytest.mark.parametrize("short", ["tallies", "hours", "cases", "alert-commands"])
async def test_so_do_the_other_topics_that_the_worker_reads(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path, short: str
) -> None:
    """What was counted stays, what comes later counts too, and the offsets of the new topic are read."""
    name = f"anew-{short}"
    env, topic = environment(kafka.bootstrap_servers, inbox, name, tmp_path), f"{name}.{short}"
    async with worker_process("run", env=env) as process:
        await process.said("started")
        await publish(kafka, name, range(PORTION))
        await inbox.wait_for(PORTION)
        await counted(env, PORTION)
        await pass_by(kafka, f"{name}-process", topic)
        assert await process.end() == 0
    await renew(kafka, topic)
    async with worker_process("run", env=env) as process:
        await stopped(process, topic)
    for said in ("goes on with partitions", "there is nothing to do"):
        async with worker_process("new-epoch", short, env=env) as command:
            assert await command.exited() == 0, command.lines
        assert said in command.lines[-1]
    async with worker_process("run", env=env) as process:
        await process.said("started")
        await publish(kafka, name, range(PORTION, 2 * PORTION))
        await inbox.wait_for(2 * PORTION)
        await counted(env, 2 * PORTION)
        await pass_by(kafka, f"{name}-process", topic)
        assert await process.end() == 0
    async with worker_process("run", env=env) as process:
        await process.said("started")
        assert await process.end() == 0
    assert len(inbox.mails) == 2 * PORTION


async def test_answers_that_retention_deleted_unread_are_said(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    name = "unread"
    env = environment(kafka.bootstrap_servers, inbox, name, tmp_path)
    async with worker_process("run", env=env) as process:
        await process.said("started")
        await publish(kafka, name, range(PORTION))
        await inbox.wait_for(PORTION)
        assert await process.end() == 0
    before = dict.fromkeys((TopicPartition(f"{name}.responses", n) for n in range(4)), 0)
    for record in await read_topic(kafka.bootstrap_servers, f"{name}.responses"):
        before[TopicPartition(f"{name}.responses", record.partition)] += 1
    await publish(kafka, name, range(PORTION, 2 * PORTION))
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_records({tp: RecordsToDelete(before_offset=count + 1) for tp, count in before.items()})
    finally:
        await admin.close()
    async with worker_process("run", env=env) as process:
        await process.said("started")
        await inbox.wait_for(2 * PORTION - 4)
        assert await process.end() == 0
    said = [json.loads(line) for line in process.lines if "offsets before they were read" in line]
    assert [line["level"] for line in said] == ["warning"] * 4
    assert sorted(line["message"] for line in said) == [
        f"{name}.responses, partition {n}: retention deleted 1 offsets before they were read" for n in range(4)
    ]
