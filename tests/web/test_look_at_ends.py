"""How old the board is while Kafka answers, while it is away, and if it does not let the worker in."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from flow.records import Record

from worker.clock import SystemClock
from worker.errors import Refused
from worker.kafka import reading
from worker.settings import KafkaSettings
from worker.web.following import services
from worker.web.following.followed import Followed, Source
from worker.web.following.services import look_at_ends


class Clock(SystemClock):
    time = 1_000

    def now(self) -> int:
        return self.time


class Kafka:
    """A Kafka with one topic, whose end is given by a test; an error stands for an answer."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[int | Exception] = asyncio.Queue()
        self.asked = asyncio.Semaphore(0)

    @asynccontextmanager
    async def reader(self, *_: Any) -> AsyncIterator["Kafka"]:
        yield self

    async def ends_of(self, topics: Mapping[str, Collection[int]]) -> dict[str, dict[int, int]]:
        assert topics == {"nps.scores": [0]}
        self.asked.release()
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return {"nps.scores": {0: answer}}


@asynccontextmanager
async def looking(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Kafka, Followed, dict[str, int | None], Clock]]:
    kafka, clock, known_at = Kafka(), Clock(), dict[str, int | None]()

    async def answers(*_: Any) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(services, "preflight", answers)
    monkeypatch.setattr(services, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(reading, "reader", kafka.reader)
    followed = Followed(Source("nps.scores", ("scores",), lambda _: None, lambda _: None), known_at, clock)
    followed.note_caught_up({0: 0})
    task = asyncio.create_task(look_at_ends(KafkaSettings(), [followed], clock))
    try:
        yield kafka, followed, known_at, clock
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_board_grows_older_while_kafka_is_away_and_is_fresh_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with looking(monkeypatch) as (kafka, followed, known_at, clock):
        assert known_at == {"scores": 1_000}
        await kafka.asked.acquire()
        clock.time = 5_000
        kafka.answers.put_nowait(KafkaConnectionError())
        await kafka.asked.acquire()
        assert known_at == {"scores": 1_000}
        kafka.answers.put_nowait(2)
        await kafka.asked.acquire()
        assert known_at == {"scores": 1_000}
        followed.take([cast(Any, Record(b"", b"", offset, topic="nps.scores")) for offset in (0, 1)])
        assert known_at == {"scores": 5_000}


async def test_who_is_not_let_in_learns_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka, known_at = Kafka(), dict[str, int | None]()
    monkeypatch.setattr(reading, "reader", kafka.reader)

    async def answers(*_: Any) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(services, "preflight", answers)
    followed = Followed(Source("nps.scores", ("scores",), lambda _: None, lambda _: None), known_at, Clock())
    followed.note_caught_up({0: 0})
    kafka.answers.put_nowait(TopicAuthorizationFailedError("nps.scores"))
    with pytest.raises(Refused, match="kafka-acls"):
        await look_at_ends(KafkaSettings(), [followed], Clock())
