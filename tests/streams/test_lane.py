"""A view of a table: what somebody else may have written into it is stated anew by whoever takes over."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from worker.flow.outbox import Output
from worker.settings import KafkaSettings
from worker.streams import reading
from worker.streams.lane import Lane, View
from worker.streams.rows import Head, Partition
from worker.streams.sending import Acknowledged


class Topic:
    """Partition 0 of the view's topic: the keys of its records."""

    def __init__(self, *keys: str) -> None:
        self.keys = [key.encode() for key in keys]
        self.stated: list[tuple[bytes, bytes]] = []

    @asynccontextmanager
    async def reader(self, _: KafkaSettings) -> AsyncIterator["Topic"]:
        yield self

    async def ends(self, _: str, numbers: Collection[int]) -> dict[int, int]:
        return {number: len(self.keys) for number in numbers}

    async def read(self, _: str, spans: Mapping[int, reading.Span]) -> AsyncGenerator[list[Any], None]:
        for number, (first, end) in spans.items():
            yield [SimpleNamespace(partition=number, key=key) for key in self.keys[first:end]]

    async def send(self, batches: Any) -> dict[tuple[str, int], list[Acknowledged]]:
        found = {}
        for topic, number, records in batches:
            found[topic, number] = [Acknowledged(len(self.keys), len(records))]
            self.keys += [key for key, *_ in records]
            self.stated += [(key, value) for key, value, *_ in records]
        return found


def lane(topic: Topic, partition: Partition) -> Lane:
    table: Any = SimpleNamespace(partition=lambda _: partition)
    sender: Any = topic
    unused: Any = None
    return Lane(
        consumer=unused,
        kafka=KafkaSettings(),
        sender=sender,
        table=table,
        decide=unused,
        place=lambda _, number: number,
        topic_name=lambda name: f"nps.{name}",
        view=View("scores", lambda key, row: Output("scores", key, b"score of " + row)),
    )


def owned(view_end: int, **rows: str) -> Partition:
    partition = Partition()
    partition.rows = {key.encode(): row.encode() for key, row in rows.items()}
    partition.head = Head(7, {1: 2}, view_end)
    return partition


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    found = Topic("a", "b", "a", "c", "a")
    monkeypatch.setattr(reading, "reader", found.reader)
    return found


async def test_what_lies_beyond_is_stated_anew_once_a_key(topic: Topic) -> None:
    partition = owned(2, a="1", b="2", c="3")
    await lane(topic, partition).state_anew({0})

    assert [(b"a", b"score of 1"), (b"c", b"score of 3")] == topic.stated
    assert Head(7, {1: 2}, 7) == partition.head


async def test_what_has_no_row_has_nothing_to_state(topic: Topic) -> None:
    partition = owned(2, a="1")
    await lane(topic, partition).state_anew({0})

    assert [(b"a", b"score of 1")] == topic.stated


async def test_where_nobody_else_wrote_nothing_is_stated(topic: Topic) -> None:
    partition = owned(5, a="1")
    await lane(topic, partition).state_anew({0})

    assert [] == topic.stated
    assert Head(7, {1: 2}, 5) == partition.head


async def test_a_second_take_over_has_nothing_to_do(topic: Topic) -> None:
    partition = owned(2, a="1", b="2", c="3")
    await lane(topic, partition).state_anew({0})
    topic.stated.clear()
    await lane(topic, partition).state_anew({0})

    assert [] == topic.stated
