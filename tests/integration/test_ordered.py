"""Records in order and without holes, where offsets have gaps, keys are wrong, and workers come and go."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP
from integration.conftest import Bench, StartBench

from worker.app import running as running_worker
from worker.streams.shell import Shell
from worker.streams.transactions import Known, OpenTransactions


def response(number: int, **changes: Any) -> bytes:
    event = {
        "response_id": f"r-{number}",
        "survey_id": "s",
        "customer_id": "c-1",
        "score": 8,
        "responded_at": "2025-06-01T10:00:00+02:00",
        "segment": ["fr"],
    }
    return json.dumps({**event, **changes}).encode()


async def outcomes(running: Bench) -> list[tuple[str, str]]:
    decisions = [json.loads(r.value) for r in await running.read("decisions")]
    return [(decision["response_id"], decision["outcome"]) for decision in decisions]


async def test_a_publishers_transactions_leave_gaps_and_aborted_answers_never_happened(bench: StartBench) -> None:
    async with bench() as running:
        topic = f"{running.settings.topic_prefix}.responses"
        publisher = AIOKafkaProducer(
            bootstrap_servers=running.settings.kafka.bootstrap_servers, transactional_id=f"{topic}-publisher"
        )
        await publisher.start()
        try:
            for number in range(6):
                await publisher.begin_transaction()
                await publisher.send_and_wait(topic, response(number), key=b"c-1")
                await (publisher.abort_transaction() if number % 2 else publisher.commit_transaction())
        finally:
            await publisher.stop()
        # Its place is behind markers and aborted records; only when it is done are the others.
        await running.publish(response(9, score=1), b"c-1")
        await running.settle()
        assert await outcomes(running) == [(f"r-{n}", "accepted") for n in (0, 2, 4, 9)]


async def test_a_publishers_transaction_that_stays_open_is_said_and_what_waits_behind_it_is_decided_in_the_end(
    bench: StartBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench() as running:
        topic = f"{running.settings.topic_prefix}.responses"
        consumer = running.worker.of(Shell)["process"].consumer
        transactions = OpenTransactions(consumer.known)
        publisher = AIOKafkaProducer(
            bootstrap_servers=running.settings.kafka.bootstrap_servers, transactional_id=f"{topic}-slow"
        )
        await publisher.start()
        try:
            await publisher.begin_transaction()
            open_one = await publisher.send_and_wait(topic, response(0), key=b"c-1")
            await running.publish(response(1), b"c-1")
            tp = TP(topic, open_one.partition)
            last = 0
            for _ in range(2):
                while not is_open(consumer.known().get(tp), open_one.offset, last):  # noqa: ASYNC110 - Kafka's answers raise no event
                    await asyncio.sleep(0.05)
                transactions.look()
                last = consumer.known()[tp].at
            assert [f"{topic}, partition {tp.partition}: a publisher's transaction"] == [
                message.partition(" has been open")[0] for message in caplog.messages if "transaction" in message
            ]
            await publisher.commit_transaction()
        finally:
            await publisher.stop()
        await running.settle()
        assert await outcomes(running) == [("r-0", "accepted"), ("r-1", "accepted")]


def is_open(known: Known | None, begin: int, later_than: int) -> bool:
    """Say whether a transaction from an offset on was open in an answer of Kafka later than a time in ms."""
    return known is not None and known.stable == begin and known.end == begin + 2 and known.at > later_than


async def test_wrong_keys_are_sent_on_in_order_and_keep_their_place(bench: StartBench) -> None:
    async with bench() as running:
        places = [await running.publish(response(number), b"till-7") for number in [*range(20), 3]]
        await running.settle()
        assert await outcomes(running) == [*((f"r-{n}", "accepted") for n in range(20)), ("r-3", "duplicate")]
        decisions = await running.read("decisions")
        assert [json.loads(record.value)["source_offset"] for record in decisions] == places
        rerouted = [r for r in await running.read("responses") if r.key == b"c-1"]
        assert {record.partition for record in rerouted} == {record.partition for record in decisions}
        assert len(rerouted) == len(places)


async def test_a_right_key_on_a_wrong_partition_is_sent_on(bench: StartBench) -> None:
    """Other clients hash keys in other ways; one customer's history must be in one place all the same."""
    async with bench() as running:
        for partition in range(4):
            await running.publish(response(partition), b"c-1", partition=partition)
            await running.publish(response(partition), b"c-1", partition=partition)
        await running.settle()
        found = await outcomes(running)
        assert sorted(found) == sorted((f"r-{n}", o) for n in range(4) for o in ("accepted", "duplicate"))
        assert len(await running.read("responses")) == 8 + 6
        assert len({record.partition for record in await running.read("decisions")}) == 1


async def test_a_second_worker_takes_its_share_and_gives_it_back(bench: StartBench) -> None:
    async with bench() as running:
        published = 0

        async def publish(count: int) -> None:
            nonlocal published
            for _ in range(count):
                published += 1
                await running.publish(response(published, customer_id=f"c-{published}"), f"c-{published}".encode())

        await publish(50)
        async with running_worker(running.settings, "process") as second:
            shells = running.worker.of(Shell)["process"], second.of(Shell)["process"]
            await publish(50)
            topic = shells[0].topic_name("responses")
            while sorted(len(shell.consumer.due(topic)) for shell in shells) != [2, 2]:
                await publish(1)
            await publish(50)
        await publish(50)
        await running.settle()
        scores = {r.key: json.loads(r.value) for r in await running.read("scores")}
        assert scores[b""]["windows"]["all"]["n"] == published
        assert len(set(await outcomes(running))) == published
