"""A command that Kafka does not permit: the error names the topic and says what to do."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError

from schemas.examples import ALERT_COMMAND_RESULT
from worker.alerts.commanding import give, give_all
from worker.errors import Refused, Unreachable
from worker.kafka import asking, reading
from worker.kafka.asking import Topics
from worker.settings import KafkaSettings

COMMAND = {"command_id": "k-1", "customer_id": "c-1"}
TOPICS = Topics("nps.alert-commands", "nps.alert-command-results")


class Kafka:
    """A Kafka that does not permit everything."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown = {0, 1}
        self.may_read = True
        #: What the producer raises at its start, and for a record.
        self.refuses_start: KafkaError | None = None
        self.refuses_record: KafkaError | None = None
        self.stopped = 0

        async def let_in(_: KafkaSettings) -> None:
            pass

        @asynccontextmanager
        async def opened(_: KafkaSettings) -> AsyncIterator[Kafka]:
            yield self

        async def start(_: Any) -> None:
            if self.refuses_start is not None:
                raise self.refuses_start

        async def send(*_: Any, **__: Any) -> None:
            if self.refuses_record is not None:
                raise self.refuses_record

        async def stop(producer: Any) -> None:
            producer._closed = True
            self.stopped += 1

        monkeypatch.setattr(asking, "preflight", let_in)
        monkeypatch.setattr(reading, "reader", opened)
        monkeypatch.setattr(AIOKafkaProducer, "start", start)
        monkeypatch.setattr(AIOKafkaProducer, "send_and_wait", send)
        monkeypatch.setattr(AIOKafkaProducer, "stop", stop)

    async def partitions(self, _: str) -> set[int]:
        return self.shown

    async def ends(self, _: str, partitions: Collection[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 5)

    async def read(self, topic: str, _: Any) -> AsyncGenerator[list[Any], None]:
        if not self.may_read:
            raise TopicAuthorizationFailedError(topic)
        yield []


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return Kafka(monkeypatch)


async def test_a_topic_of_answers_that_kafka_does_not_show_is_named(kafka: Kafka) -> None:
    kafka.shown = set()
    with pytest.raises(Unreachable, match=r"^nps\.alert-command-results does not exist yet, or may not be read"):
        await give(KafkaSettings(), TOPICS, COMMAND, 1.0)


@pytest.mark.parametrize("at_start", [True, False])
async def test_a_producer_that_may_not_write_names_the_topic(kafka: Kafka, *, at_start: bool) -> None:
    if at_start:
        kafka.refuses_start = ClusterAuthorizationFailedError()
    else:
        kafka.refuses_record = TopicAuthorizationFailedError()
    with pytest.raises(Refused, match=r"FailedError nps\.alert-commands\. .* run: python -m worker topics"):
        await give(KafkaSettings(), TOPICS, COMMAND, 1.0)
    assert kafka.stopped == 1


async def test_many_commands_are_answered_in_any_order_and_what_is_missing_is_left_out(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [COMMAND | {"command_id": f"k-{number}", "customer_id": f"c-{number}"} for number in range(9)]
    answered = ["k-7", "k-0", "of somebody else", *(f"k-{number}" for number in range(1, 7))]
    spans: list[Mapping[int, tuple[int, int]]] = []

    async def read(_: str, span: Mapping[int, tuple[int, int]]) -> AsyncGenerator[list[Any], None]:
        spans.append(span)
        bodies = [ALERT_COMMAND_RESULT | {"command_id": answered.pop(0)} for _ in range(min(2, len(answered)))]
        yield [SimpleNamespace(value=json.dumps(body).encode()) for body in bodies]
        yield [SimpleNamespace(value=b"no answer")]

    monkeypatch.setattr(kafka, "read", read)
    monkeypatch.setattr(asking, "_LOOK_SECONDS", 0.001)
    found = await give_all(KafkaSettings(), TOPICS, commands, 0.5)

    assert sorted(found) == [f"k-{number}" for number in range(8)]
    assert spans[0] == {0: (5, 5), 1: (5, 5)}


async def test_answers_that_may_not_be_read_are_named(kafka: Kafka) -> None:
    kafka.may_read = False
    with pytest.raises(Refused, match=r"TopicAuthorizationFailedError nps\.alert-command-results"):
        await give(KafkaSettings(), TOPICS, COMMAND, 1.0)
