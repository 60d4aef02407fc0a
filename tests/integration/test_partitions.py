"""Partitions that are added while a worker runs would not be read: the worker stops and says so."""

import asyncio

import pytest
from aiokafka.admin import NewPartitions
from integration.conftest import make_settings

from worker.app import running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import TopicsUnfit
from worker.kafka import topics
from worker.settings import KafkaSettings


@pytest.mark.parametrize(
    "topic", ["responses", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("tallies", "alerts"))]
)
async def test_partitions_that_are_added_stop_the_worker_and_are_named(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    monkeypatch.setattr(topics, "_PARTITIONS_LOOK_SECONDS", 0.5)
    prefix = f"partitions-{topic}"
    connection = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=prefix)
    settings = make_settings(kafka, inbox, topic_prefix=prefix, kafka=connection)
    name = f"{prefix}.{topic}"
    async with topics.administrator(settings.kafka) as admin:

        async def add() -> None:
            async with running(settings) as worker:
                await asyncio.sleep(1.5)  # it looks, and all is well
                await admin.create_partitions({name: NewPartitions(6)})
                async with asyncio.timeout(30):
                    await worker.failure()

        with pytest.raises(TopicsUnfit, match=rf"started with 4 partitions, but now {name} has 6: .*create them with"):
            await add()
    with pytest.raises(TopicsUnfit, match="keyed state needs the same number"):
        await topics.ensure(settings)


async def test_a_running_worker_looks_soon_enough() -> None:
    assert topics._PARTITIONS_LOOK_SECONDS <= 45
