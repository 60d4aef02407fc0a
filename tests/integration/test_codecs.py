"""Batches in every codec, by publishers and by topics: everything is read, counted and recovered exactly."""

from collections.abc import Iterable

import pytest
from integration.conftest import Bench, StartBench
from integration.exactness import check_exact
from integration.sampling import Published, workload
from integration.writing import publish_all

from worker.kafka import topics
from worker.kafka.topics import TopicPlan
from worker.settings import Settings

CODECS = ("gzip", "snappy", "lz4", "zstd")
SIZE = 400


async def publish(running: Bench, records: Iterable[Published], codec: str) -> None:
    """Publish in batches of one codec."""
    topic = f"{running.settings.topic_prefix}.responses"
    await publish_all(running.settings.kafka.bootstrap_servers, topic, records, compression_type=codec)


@pytest.mark.parametrize(
    "topics_codec",
    ["producer", "zstd", *(pytest.param(c, marks=pytest.mark.thorough) for c in CODECS if c != "zstd")],
)
async def test_every_codec_is_read_from_every_topic(
    bench: StartBench, monkeypatch: pytest.MonkeyPatch, topics_codec: str
) -> None:
    """The broker compresses each topic again, changelogs included; publishers have codecs of their own."""
    planned = topics.planned_topics

    def compressed(settings: Settings) -> list[TopicPlan]:
        codec = {"compression.type": topics_codec}
        return [plan._replace(config={**plan.config, **codec}) for plan in planned(settings)]

    monkeypatch.setattr(topics, "planned_topics", compressed)
    records = workload(SIZE, seed=7)
    share = SIZE // len(CODECS)
    async with bench() as running:
        names = {"topic_prefix": running.settings.topic_prefix, "kafka": running.settings.kafka}
        for number, codec in enumerate(CODECS[:2]):
            await publish(running, records[number * share : (number + 1) * share], codec)
        await running.settle()
    # Another worker goes on from what the changelogs hold.
    async with bench(**names) as running:
        for number, codec in enumerate(CODECS[2:], 2):
            await publish(running, records[number * share : (number + 1) * share], codec)
        await running.settle()
        await check_exact(running, records[: share * len(CODECS)])
