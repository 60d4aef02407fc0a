"""A copy that is not complete fails, and one that cannot know what workers have sent on says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

import pytest
from flow.records import Record, value

from worker import copying
from worker.errors import TopicsUnfit, Unreachable
from worker.kafka import reading
from worker.kafka.reading import Reader
from worker.settings import KafkaSettings, Settings

SETTINGS = Settings.model_construct(topic_prefix="nps", kafka=KafkaSettings())


class Written(NamedTuple):
    """A record that was read back. `timestamp_type`: 0 if it has the producer's time, 1 if it has the broker's."""

    timestamp_type: int


class Topic:
    """Reads a topic of one partition; without records there is no topic."""

    def __init__(self, *records: Written) -> None:
        self._records = records

    async def partitions(self, _: str) -> set[int]:
        return {0} if self._records else set()

    async def ends(self, _: str, partitions: set[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, len(self._records))

    async def read(self, _: str, spans: dict[int, tuple[int, int]]) -> AsyncIterator[list[Written]]:
        assert spans == ({0: (0, len(self._records))} if self._records else {})
        if self._records:
            yield [*self._records]


def reading_back(monkeypatch: pytest.MonkeyPatch, *records: Written) -> None:
    @asynccontextmanager
    async def reader(_: Any) -> AsyncIterator[Topic]:
        yield Topic(*records)

    monkeypatch.setattr(reading, "reader", reader)


async def test_a_copy_with_all_records_and_their_times_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    reading_back(monkeypatch, Written(0), Written(0))
    await copying._check_complete(SETTINGS, "nps.responses", 2)


@pytest.mark.parametrize("records", [[Written(0)], [Written(0), Written(1)]], ids=["lost", "with the broker's time"])
async def test_a_copy_that_kafka_has_not_kept_is_an_error(
    monkeypatch: pytest.MonkeyPatch, records: list[Written]
) -> None:
    reading_back(monkeypatch, *records)
    with pytest.raises(TopicsUnfit, match=r"nps\.responses holds 1 of 2 records with their times: delete the topic"):
        await copying._check_complete(SETTINGS, "nps.responses", 2)


async def test_without_the_claim_of_the_workers_everything_is_copied_and_a_line_says_so() -> None:
    said: list[str] = []
    copied = await copying._learned(cast(Reader, Topic()), SETTINGS, "nps.responses", {}, said.append)

    assert copied.headers(Record(value())) == []
    assert [line.partition(",")[0] for line in said] == ["nps.worker has no claim of a worker"]


async def test_a_source_that_does_not_answer_any_more_ends_the_copy() -> None:
    async def read() -> AsyncIterator[list[Any]]:
        yield [Written(0)]
        await asyncio.Event().wait()

    source = Settings.model_construct(kafka=KafkaSettings().model_copy(update={"patience_seconds": 0.01}))
    reading = copying._awaited(read(), source)

    assert await anext(reading) == [Written(0)]
    with pytest.raises(Unreachable, match="has not answered for 0 s: the copy is not complete"):
        await anext(reading)


async def test_the_delivery_log_is_not_copied_before_there_are_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    reading_back(monkeypatch)
    with pytest.raises(TopicsUnfit, match=r"nps\.alerts has no alerts .*: first copy the responses"):
        await copying._places(SETTINGS, "deliveries", 3, has_records=True)
    await copying._places(SETTINGS, "deliveries", 3, has_records=False)
