"""A changelog in memory, as all workers see it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka.errors import KafkaConnectionError

from schemas.cloudevents import Headers
from worker.kafka import reading
from worker.kafka.rows import ChangelogRecord
from worker.settings import KafkaSettings
from worker.streams.sending import Acknowledged

#: What a produce batch takes.
PRODUCE_BYTES = 900_000


class Record(NamedTuple):
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers


class Crash(BaseException):
    """The worker is gone."""


def produce_batches(records: list[Any]) -> list[list[Any]]:
    """Cut records into batches as the sender does, by size."""
    batches: list[list[Any]] = [[]]
    for record in records:
        if sum(len(value or b"") for _, value, *_ in [*batches[-1], record]) > PRODUCE_BYTES:
            batches.append([])
        batches[-1].append(record)
    return [batch for batch in batches if batch]


class Kafka:
    """One changelog, partition 0, as all workers see it; `away`: how many more attempts to reach it fail.

    `first`: the first offset that was not deleted. `left`: after how many more produce batches the worker is gone that
    sends them, if it is at all.
    """

    def __init__(self) -> None:
        self.log: list[ChangelogRecord] = []
        self.first = 0
        self.away = 0
        self.silent = False
        self.left: int | None = None

    async def send(self, batches: Any) -> dict[tuple[str, int], list[Acknowledged]]:
        [(topic, number, records)] = batches
        acknowledged = []
        for batch in produce_batches(records):
            if self.left is not None:
                if not self.left:
                    raise Crash
                self.left -= 1
            acknowledged.append(Acknowledged(-1 if self.silent else len(self.log), len(batch)))
            self.log += [(key, value, headers) for key, value, headers, _ in batch]
            await asyncio.sleep(0)
        return {(topic, number): acknowledged}

    @asynccontextmanager
    async def reader(self, _: KafkaSettings) -> AsyncIterator["Kafka"]:
        if self.away:
            self.away -= 1
            raise KafkaConnectionError
        yield self

    async def ends(self, _: str, numbers: Collection[int]) -> dict[int, int]:
        return {number: len(self.log) for number in numbers}

    async def starts(self, _: str, numbers: Collection[int]) -> dict[int, int]:
        return dict.fromkeys(numbers, self.first)

    async def read(self, _: str, spans: Mapping[int, reading.Span]) -> AsyncGenerator[list[Record], None]:
        for number, (first, end) in spans.items():
            yield [Record(number, offset, *self.log[offset]) for offset in range(max(first, self.first), end)]
