"""The latest scores are those of the segments, whatever else lies on the topic."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from scores.trees import tree

from worker.kafka import reading
from worker.scores import latest as module
from worker.scores.latest import latest
from worker.settings import KafkaSettings


class Record(NamedTuple):
    """What somebody wrote to the topic."""

    partition: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    topic: str = "nps.scores"
    offset: int = 0


GOOD = tree(fr__shop=(1, 2, 3))


def good(path: str, partition: int, timestamp: int) -> Record:
    return Record(partition, timestamp, path.encode(), GOOD[path].model_dump_json().encode())


class Reader:
    """Gives these records, one partition after the other."""

    def __init__(self, records: list[Record]) -> None:
        self._records = records

    async def partitions(self, _: str) -> set[int]:
        return {record.partition for record in self._records}

    async def ends(self, _: str, partitions: Collection[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 1)

    async def read(self, _: str, spans: Mapping[int, object]) -> AsyncIterator[list[Record]]:
        for partition in spans:
            yield [record for record in self._records if record.partition == partition]


async def found(monkeypatch: pytest.MonkeyPatch, *records: Record) -> set[str]:
    @asynccontextmanager
    async def reader(_: KafkaSettings) -> AsyncIterator[Reader]:
        yield Reader(list(records))

    async def preflight(_: KafkaSettings) -> None:
        pass

    monkeypatch.setattr(reading, "reader", reader)
    monkeypatch.setattr(module, "preflight", preflight)
    return set(await latest(KafkaSettings(), "nps.scores"))


async def test_a_stray_record_is_left_out_with_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert {"fr"} == await found(monkeypatch, good("fr", 0, 1), Record(0, 2, b"zzz", b"x"))
    assert "nps.scores, partition 0, offset 0" in caplog.text


async def test_a_null_in_another_partition_hides_nothing_that_is_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {""} == await found(monkeypatch, good("", 0, 2), Record(1, 1, b"", None))
    assert set() == await found(monkeypatch, good("", 0, 1), Record(0, 2, b"", None))
