"""What is said about a topic that is to be followed and is not there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from worker.kafka import following, reading
from worker.settings import KafkaSettings


class Found(Exception):
    """The topic is there."""


class Reader:
    """A reader of a broker that does not know the topic at first."""

    def __init__(self, answers: Iterator[set[int]]) -> None:
        self._answers = answers

    async def partitions(self, _topic: str) -> set[int]:
        return next(self._answers)

    async def ends(self, *_: Any) -> dict[int, int]:
        raise Found


@pytest.mark.parametrize(("created_within", "warnings"), [(60.0, 0), (0.0, 1)])
async def test_a_topic_that_was_just_created_is_waited_for_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, created_within: float, warnings: int
) -> None:
    reader = Reader(iter([set(), set(), set(), {0}]))

    @asynccontextmanager
    async def opened(*_: Any) -> AsyncIterator[Reader]:
        yield reader

    async def answers(*_: Any) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(following, "preflight", answers)
    monkeypatch.setattr(reading, "reader", opened)
    for name, seconds in {"_CREATION": created_within, "_SOON": 0.0, "_RETRY": 0.0}.items():
        monkeypatch.setattr(following, f"{name}_SECONDS", seconds)

    follower: Any = None
    with pytest.raises(Found):
        await following.follow(KafkaSettings(), "nps.silences", follower)
    assert sum("does not exist yet" in record.getMessage() for record in caplog.records) == warnings
