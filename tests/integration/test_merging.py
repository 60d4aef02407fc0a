"""Answers whose parts come one after the other, on a real Kafka: each is one response, whoever is killed."""

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from integration.conftest import make_settings
from integration.processes import environment, worker_process
from integration.reading import read_topic
from integration.test_rebuild import delete

from worker.app import Worker, running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import StateNotDurable
from worker.flow.messages import response_part
from worker.flow.messages.response_part import ResponsePart
from worker.kafka.partitioner import partition_of
from worker.kafka.topics import ANSWERS, MERGE, changelog_name, ensure
from worker.rebuild.command import rebuild
from worker.receive.settings import ReceiveSettings
from worker.settings import Settings
from worker.streams.shell import Shell
from worker.streams.table import DurableTable

SOURCE = {
    "name": "onsite", "tool": "survicate", "secrets": ["s"], "score_question": "score", "comment_question": "why",
}  # fmt: skip


def settings_of(kafka: EmbeddedKafka, inbox: Inbox) -> Settings:
    return make_settings(kafka, inbox, receive=ReceiveSettings.model_validate({"sources": [SOURCE], "port": 0}))


def part(answer: int, question: str, at: int, **fields: Any) -> ResponsePart:
    response_id = f"survicate:{answer}"
    usual = {"survey_id": "s", "customer_id": f"c-{answer}", "responded_at": f"2026-03-02T10:00:{at:02}Z"}
    return ResponsePart("onsite", response_id, question, at, {**usual, "response_id": response_id, **fields})


def parts_of(answers: Iterable[int]) -> list[ResponsePart]:
    """Return the parts of some answers: two scores, of which the later one counts, and a comment."""
    return [
        one
        for answer in answers
        for one in (
            part(answer, "score", 1, score=(answer + 1) % 11),
            part(answer, "why", 2, comment=f"because of {answer}"),
            part(answer, "score", 3, score=answer % 11),
        )
    ]


class Topics:
    """The topics of a worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._servers = settings.kafka.bootstrap_servers
        self._owner: Callable[[bytes], int] = partition_of(settings.kafka.partitions)

    async def publish(self, parts: Sequence[ResponsePart]) -> None:
        """Publish parts, as the receiver does."""
        async with AIOKafkaProducer(bootstrap_servers=self._servers) as producer:
            for sent in map(response_part.output, parts):
                name = f"{self.settings.topic_prefix}.{sent.topic}"
                await producer.send(name, sent.value, key=sent.key, partition=self._owner(sent.key or b""))

    async def responses(self) -> list[tuple[int, dict[str, Any]]]:
        """Return the responses with their partitions, in the order of each partition."""
        found = await read_topic(self._servers, f"{self.settings.topic_prefix}.responses")
        return [(record.partition, json.loads(record.value or b"")) for record in found]

    async def until(self, wanted: Mapping[str, tuple[int, str]]) -> None:
        """Wait until the last revision of each response has this score and this comment."""
        while await self.contents() != wanted:  # noqa: ASYNC110 - a topic raises no event
            await asyncio.sleep(0.2)

    async def contents(self) -> dict[str, tuple[int, str | None]]:
        return {key: (one["score"], one.get("comment")) for key, one in (await self.last()).items()}

    async def last(self) -> dict[str, dict[str, Any]]:
        """Return the last revision of each response. Fail if a revision was published with several contents."""
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for partition, one in await self.responses():
            assert partition == self._owner(one["customer_id"].encode())
            assert found.setdefault((one["response_id"], one["revision"]), one) == one
        return {response_id: one for (response_id, _), one in sorted(found.items(), key=lambda item: item[0])}


def wanted(answers: Iterable[int]) -> dict[str, tuple[int, str]]:
    return {f"survicate:{answer}": (answer % 11, f"because of {answer}") for answer in answers}


async def decided(worker: Worker, count: int) -> None:
    """Wait until so many parts are decided, and their rows durable."""
    shell = worker.of(Shell)[MERGE]
    topic = shell.topic_name("response-parts")
    while sum(shell.consumer.due(topic).values()) < count:  # noqa: ASYNC110 - offsets raise no event
        await asyncio.sleep(0.02)


async def test_parts_become_one_response_in_its_customers_partition_over_a_restart_and_a_failure(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics(settings_of(kafka, inbox))
    async with running(topics.settings, "receive") as worker:
        await topics.publish([part(1, "score", 1, score=6), part(2, "why", 1, comment="first")])
        await decided(worker, 2)

    async def fail(*_: Any) -> bool:
        raise StateNotDurable("a row is not acknowledged")

    write: Callable[..., Any] = DurableTable.write
    monkeypatch.setattr(DurableTable, "write", fail)
    async with running(topics.settings, "receive") as worker:
        await topics.publish([part(1, "why", 2, comment="Prices.")])
        with pytest.raises(StateNotDurable, match="not acknowledged"):
            await worker.failure()
    monkeypatch.setattr(DurableTable, "write", write)

    async with running(topics.settings, "receive") as worker:
        await topics.publish([part(2, "score", 2, score=9), part(1, "score", 1, score=6)])
        await decided(worker, 5)
        rows = worker.of(Shell)[MERGE].tables[ANSWERS].row_count

    assert rows == 2
    found = [(one["response_id"], one["revision"], one["score"]) for _, one in await topics.responses()]
    assert sorted(found) == [
        ("survicate:1", 0, 6),
        *[("survicate:1", 1, 6)] * 2,  # a replay repeats it as it was
        ("survicate:2", 1, 9),
    ]
    last = await topics.last()
    assert {key: one["comment"] for key, one in last.items()} == {"survicate:1": "Prices.", "survicate:2": "first"}


async def test_a_lost_table_is_rebuilt_so_that_a_late_comment_still_finds_its_score(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    topics = Topics(settings_of(kafka, inbox))
    async with running(topics.settings, "receive") as worker:
        await topics.publish([part(1, "score", 1, score=6), part(2, "why", 1, comment="first")])
        await decided(worker, 2)
    lost = changelog_name(topics.settings.kafka.group, MERGE, ANSWERS)
    await delete(kafka.bootstrap_servers, lost)
    said = await rebuild(topics.settings, [], 2.0, print)

    async with running(topics.settings, "receive") as worker:
        await topics.publish([part(1, "why", 2, comment="Prices."), part(2, "score", 2, score=9)])
        await decided(worker, 4)
    assert said == "rebuild of answers is complete; the workers can be started"
    last = {key: (one["score"], one["comment"], one["revision"]) for key, one in (await topics.last()).items()}
    assert last == {"survicate:1": (6, "Prices.", 1), "survicate:2": (9, "first", 1)}


async def test_a_worker_that_is_killed_at_any_moment_leaves_each_answer_whole(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    """Parts come in any order and more than once, while the worker is killed again and again."""
    settings = settings_of(kafka, inbox)
    topics = Topics(settings)
    env = environment(kafka.bootstrap_servers, inbox, settings.topic_prefix, tmp_path) | {
        "NPS_KAFKA__GROUP": settings.kafka.group,
        "NPS_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
        "NPS_RECEIVE__SOURCES": json.dumps([SOURCE]),
        "NPS_RECEIVE__PORT": "0",
    }
    await ensure(settings)
    draw = random.Random(7)
    rounds = [range(first, first + 60) for first in (0, 60, 120)]
    for answers in rounds:
        async with worker_process("run", "--role", "receive", env=env) as process:
            await process.said("has partitions")
            parts = parts_of(answers)
            draw.shuffle(parts)
            moment = len(await topics.responses()) + draw.randrange(1, len(answers))
            publishing = asyncio.create_task(topics.publish([*parts, *draw.sample(parts, 30)]))
            while len(await topics.responses()) < moment:  # noqa: ASYNC110 - a topic raises no event
                await asyncio.sleep(0.01)
        await publishing
    every = [answer for answers in rounds for answer in answers]
    async with worker_process("run", "--role", "receive", env=env) as process:
        await topics.until(wanted(every))
        assert not process.ended
        assert await process.end() == 0
    assert {one["revision"] for one in (await topics.last()).values()} <= {1, 2}
