"""A producer of a receiver: what counts as published, what happens while Kafka is stuck, and after a refusal."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, OutOfOrderSequenceNumber, TopicAuthorizationFailedError

from worker.errors import Refused, TopicsUnfit, Unreachable
from worker.flow.batch import Output, Place
from worker.kafka import producing
from worker.kafka.producing import Producing
from worker.settings import KafkaSettings

#: What Kafka says of each record.
WRITTEN = Place(1, 7)
ONE = Output("responses", b"c-1", b"{}")
PARTITIONS = 4


class Kafka:
    """Kafka as producers see it: each record waits until a test acknowledges or refuses it."""

    def __init__(self) -> None:
        self.producers: list[Producer] = []
        self.sent: list[tuple[Any, asyncio.Future[Any]]] = []
        self.grown = asyncio.Event()
        self.refuses_new: Exception | None = None
        self.answers = True
        self.topics = {"nps.responses", "nps.dead-letters"}

    async def next(self) -> "asyncio.Future[Any]":
        """Return the acknowledgement of the next record, once it is sent."""
        while not self.sent:
            self.grown.clear()
            await self.grown.wait()
        return self.sent.pop(0)[1]


class Producer:
    """An AIOKafkaProducer as far as it is used."""

    kafka: Kafka

    def __init__(self, **options: Any) -> None:
        assert options["acks"] == "all"
        assert options["enable_idempotence"]
        self.client = self
        self.cluster = self
        self._sender = self
        self.sender_task = None
        self._closed = False
        self.kafka.producers.append(self)

    async def start(self) -> None:
        if self.kafka.refuses_new is not None:
            error, self.kafka.refuses_new = self.kafka.refuses_new, None
            raise error

    async def stop(self) -> None:
        self._closed = True

    async def close(self) -> None:
        assert self._closed

    async def partitions_for(self, topic: str) -> set[int]:
        assert topic.startswith("nps.")
        return {*range(PARTITIONS)}

    async def force_metadata_update(self) -> bool:
        return self.kafka.answers

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0} if topic in self.kafka.topics else None

    async def send(self, *record: Any) -> "asyncio.Future[Any]":
        assert not self._closed
        future = asyncio.get_running_loop().create_future()
        self.kafka.sent.append((record, future))
        self.kafka.grown.set()
        return future


@asynccontextmanager
async def started(monkeypatch: pytest.MonkeyPatch, kafka: Kafka) -> AsyncIterator[Producing]:
    monkeypatch.setattr(Producer, "kafka", kafka, raising=False)
    monkeypatch.setattr(producing, "AIOKafkaProducer", Producer)
    monkeypatch.setattr(producing, "_FLUSH_SECONDS", 0.0)
    found = Producing(KafkaSettings(), "nps", ["responses", "dead-letters"], PARTITIONS)
    assert not found.ready
    await found.start()
    try:
        yield found
    finally:
        await found.stop()
    assert not found.ready


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened, of which there is no event."""
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_records_are_published_when_kafka_has_acknowledged_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka()
    async with started(monkeypatch, kafka) as found:
        assert found.ready
        publishing = asyncio.create_task(found.publish([ONE, Output("dead-letters", b"", b"{}")], 60))
        first, second = await kafka.next(), await kafka.next()
        first.set_result(WRITTEN)
        await asyncio.sleep(0)
        assert not publishing.done()
        second.set_result(WRITTEN)
        assert await publishing == [WRITTEN, WRITTEN]


async def test_a_record_goes_to_the_partition_of_its_key_and_to_any_one_without_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka()
    async with started(monkeypatch, kafka) as found:
        outputs = [ONE, ONE, Output("responses", b"c-1", b"{}", partition=2), *[Output("responses", None, b"{}")] * 50]
        publishing = asyncio.create_task(found.publish(outputs, 60))
        while len(kafka.sent) < len(outputs):  # noqa: ASYNC110 - the next turn of the event loop
            await asyncio.sleep(0)
        partitions = [record[3] for record, _ in kafka.sent]
        for _, future in kafka.sent:
            future.set_result(WRITTEN)
        await publishing

    assert partitions[0] == partitions[1]
    assert partitions[2] == 2
    assert {*range(PARTITIONS)} == {*partitions[3:]}


async def test_what_is_not_acknowledged_in_time_is_not_published_and_later_records_of_the_partition_do_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka()
    monkeypatch.setattr(producing, "_STUCK_SECONDS", 0.0)
    async with started(monkeypatch, kafka) as found:
        with pytest.raises(Unreachable):
            await found.publish([ONE], 0.01)
        acknowledgement = await kafka.next()
        with pytest.raises(Unreachable):
            await found.publish([ONE], 60)
        assert kafka.sent == [], "nothing more is given to the producer"

        elsewhere = next(key for key in map(str.encode, "abcdefgh") if found._owner(key) != found._owner(b"c-1"))
        other = asyncio.create_task(found.publish([Output("responses", elsewhere, b"{}")], 60))
        (await kafka.next()).set_result(WRITTEN)
        await other

        acknowledgement.set_result(WRITTEN)
        await asyncio.sleep(0)
        again = asyncio.create_task(found.publish([ONE], 60))
        (await kafka.next()).set_result(WRITTEN)
        await again


async def test_a_producer_that_kafka_has_refused_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka()
    monkeypatch.setattr(producing, "_LOOK_SECONDS", 0.01)
    async with started(monkeypatch, kafka) as found:
        kafka.refuses_new = KafkaTimeoutError()
        first, second = (asyncio.create_task(found.publish([ONE], 60)) for _ in range(2))
        (await kafka.next()).set_exception(OutOfOrderSequenceNumber())
        for publishing in (first, second):
            with pytest.raises(Unreachable):
                await publishing
        kafka.sent.clear()
        await until(lambda: found.ready)
        again = asyncio.create_task(found.publish([ONE], 60))
        (await kafka.next()).set_result(WRITTEN)
        await again

    assert [True, True, True] == [producer._closed for producer in kafka.producers]


async def test_a_producer_that_takes_no_more_records_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka, send = Kafka(), Producer.send

    async def refuse_once(*_: Any) -> None:
        monkeypatch.setattr(Producer, "send", send)
        raise OutOfOrderSequenceNumber

    async with started(monkeypatch, kafka) as found:
        monkeypatch.setattr(Producer, "send", refuse_once)
        with pytest.raises(Unreachable):
            await found.publish([ONE], 60)
        await until(lambda: found.ready)
        again = asyncio.create_task(found.publish([ONE], 60))
        (await kafka.next()).set_result(WRITTEN)
        await again

    assert 2 == len(kafka.producers)


async def test_a_start_waits_until_kafka_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka()
    kafka.refuses_new = KafkaTimeoutError()
    monkeypatch.setattr(producing, "_LOOK_SECONDS", 0.01)
    async with started(monkeypatch, kafka) as found:
        assert found.ready

    assert 2 == len(kafka.producers)


@pytest.mark.parametrize("at_send", [False, True])
async def test_a_missing_permission_stops_the_worker_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, at_send: bool
) -> None:
    kafka = Kafka()

    async def refuse(*_: Any) -> None:
        raise TopicAuthorizationFailedError("nps.responses")

    async with started(monkeypatch, kafka) as found:
        if at_send:
            monkeypatch.setattr(Producer, "send", refuse)
        publishing = asyncio.create_task(found.publish([ONE], 60))
        if not at_send:
            (await kafka.next()).set_exception(TopicAuthorizationFailedError("nps.responses"))
        with pytest.raises(Unreachable):
            await publishing
        with pytest.raises(Refused, match="--format kafka-acls"):
            await found.failure()


async def test_it_is_ready_while_kafka_answers_and_a_deleted_topic_stops_the_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kafka = Kafka()
    monkeypatch.setattr(producing, "_LOOK_SECONDS", 0.001)
    async with started(monkeypatch, kafka) as found:
        kafka.answers = False
        await until(lambda: not found.ready)
        kafka.answers = True
        await until(lambda: found.ready)
        kafka.topics.remove("nps.dead-letters")
        with pytest.raises(TopicsUnfit, match=r"^nps\.dead-letters: the topic does not exist any more"):
            await found.failure()

    said = [record.message for record in caplog.records if record.name == "worker.kafka.producing"]
    assert ["Kafka does not answer; deliveries are refused until it does", "Kafka answers again"] == said
