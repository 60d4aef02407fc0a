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


class Spans:
    """A reader that notes which offsets it is to read."""

    def __init__(self) -> None:
        self.read_spans: dict[int, tuple[int, int]] = {}

    async def partitions(self, _topic: str) -> set[int]:
        return {0, 1, 2}

    async def ends(self, *_: Any) -> dict[int, int]:
        return {0: 10, 1: 3, 2: 1}

    async def read(self, _topic: str, spans: dict[int, tuple[int, int]]) -> AsyncIterator[list[Any]]:
        self.read_spans = spans
        yield []

    async def follow(self, _topic: str, _firsts: dict[int, int]) -> AsyncIterator[list[Any]]:
        yield self._found()

    def _found(self) -> list[Any]:
        raise Found


class Follower:
    """A follower that has read the first partition already, up to offset 9."""

    def next_offset(self, partition: int) -> int:
        return 9 if partition == 0 else 0

    def forget(self, partition: int) -> None:
        raise NotImplementedError

    def take(self, records: Any) -> None:
        assert not records

    def note_caught_up(self, ends: Any) -> None:
        assert ends == {0: 10, 1: 3, 2: 1}


@pytest.mark.parametrize(
    ("newest", "expected"), [(None, {0: (9, 10), 1: (0, 3), 2: (0, 1)}), (6, {0: (9, 10), 1: (1, 3), 2: (0, 1)})]
)
async def test_the_newest_offsets_of_each_partition_are_read_that_are_not_known(
    monkeypatch: pytest.MonkeyPatch, newest: int | None, expected: dict[int, tuple[int, int]]
) -> None:
    reader = Spans()

    @asynccontextmanager
    async def opened(*_: Any) -> AsyncIterator[Spans]:
        yield reader

    async def answers(*_: Any) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(following, "preflight", answers)
    monkeypatch.setattr(reading, "reader", opened)
    with pytest.raises(Found):
        await following.follow(KafkaSettings(), "nps.alerts", Follower(), newest)
    assert reader.read_spans == expected
