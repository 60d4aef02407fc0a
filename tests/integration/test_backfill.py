"""Records of the past are written to a topic, and keep their times on each broker. Later records get the broker's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from embedded.cluster import EmbeddedCluster
from integration.conftest import make_settings
from integration.reading import read_topic

from worker import copying
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import TopicsUnfit
from worker.flow import events
from worker.kafka import backfill, topics
from worker.kafka.backfill import _existing, backfilled
from worker.kafka.topic_checks import TIMESTAMP
from worker.settings import KafkaSettings, Settings

THEN = 1_700_000_000_000
RECORDS = 400


@asynccontextmanager
async def administrator(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def publish(servers: str, name: str, time: int | None = None) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        sent = [await producer.send(name, b"x", b"c-%d" % n, timestamp_ms=time) for n in range(RECORDS)]
        await asyncio.gather(*sent)


async def check_backfill(settings: Settings, topic: str) -> dict[str, str]:
    """Backfill a topic, check the times of what it holds then and later, and return its configuration."""
    servers, name = settings.kafka.bootstrap_servers, f"{settings.topic_prefix}.{topic}"
    async with administrator(servers) as admin:
        async with backfilled(admin, settings, topic) as kafka:
            assert kafka.partitions == settings.kafka.partitions
            await publish(servers, name, THEN)
            assert [record.timestamp for record in await read_topic(servers, name)] == [THEN] * RECORDS
        await publish(servers, name, THEN)
        times = [record.timestamp for record in await read_topic(servers, name)]
        assert (times.count(THEN), len(times)) == (RECORDS, 2 * RECORDS)
        existing = await _existing(admin, name)
    assert existing is not None
    await topics.ensure(settings)  # it raises an error if a worker could not start
    return dict(existing.config)


def planned(settings: Settings, topic: str) -> dict[str, str]:
    return {plan.name: dict(plan.config) for plan in topics.planned_topics(settings)}[
        f"{settings.topic_prefix}.{topic}"
    ]


async def test_a_missing_topic_is_created_with_all_others(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    settings = make_settings(kafka, inbox)

    config = await check_backfill(settings, events.RESPONSES)

    assert config == planned(settings, events.RESPONSES)


async def test_a_topic_that_has_just_been_created_keeps_its_own_configuration(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    """The broker is busy with the creation of the other topics, and does not see at once that this one is deleted."""
    settings = make_settings(kafka, inbox)
    own = {**planned(settings, events.RESPONSES), "retention.ms": "-1", "segment.bytes": "1048576"}
    [plan] = [plan for plan in topics.planned_topics(settings) if plan.name == f"{settings.topic_prefix}.responses"]
    await topics.ensure(settings, instead=plan._replace(config=own))

    config = await check_backfill(settings, events.RESPONSES)

    assert config == own


async def test_one_cluster_is_recognised_by_whatever_address(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """Otherwise a copy would delete the empty topic of the installation that it is to read."""
    settings = make_settings(kafka, inbox)
    other = settings.kafka.bootstrap_servers.replace("127.0.0.1", "localhost")
    assert other != settings.kafka.bootstrap_servers
    alias = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"bootstrap_servers": f"{other},{other}"})}
    )

    assert await copying.are_on_one_cluster(settings, alias)


async def test_a_topic_that_keeps_times_already_is_not_deleted(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """Somebody has created it for a user who may not delete topics."""
    settings = make_settings(kafka, inbox)
    [plan] = [plan for plan in topics.planned_topics(settings) if plan.name == f"{settings.topic_prefix}.responses"]
    keeping = plan._replace(config={**plan.config, TIMESTAMP: "CreateTime"}, needs={})
    await topics.ensure(settings, instead=keeping)
    await publish(kafka.bootstrap_servers, plan.name, THEN + 1)

    async with administrator(kafka.bootstrap_servers) as admin, backfilled(admin, settings, events.RESPONSES):
        await publish(kafka.bootstrap_servers, plan.name, THEN)

    times = [record.timestamp for record in await read_topic(kafka.bootstrap_servers, plan.name)]
    assert sorted(times) == [THEN] * RECORDS + [THEN + 1] * RECORDS
    await topics.ensure(settings)


async def test_a_broker_that_does_not_learn_of_a_change_is_an_error(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings(kafka, inbox)
    await topics.ensure(settings)
    monkeypatch.setattr(backfill, "_LONGEST_SECONDS", 0)

    async with administrator(kafka.bootstrap_servers) as admin:
        with pytest.raises(TopicsUnfit, match=r"after 0 s, not every broker knows that .*\.responses was deleted"):
            async with backfilled(admin, settings, events.RESPONSES):
                pass


@pytest.mark.thorough
async def test_each_of_three_brokers_keeps_the_times(inbox: Inbox) -> None:
    async with EmbeddedCluster() as cluster:
        servers = cluster.bootstrap_servers
        connection = KafkaSettings(bootstrap_servers=servers, group="three", replication_factor=3, partitions=12)
        settings = make_settings(cluster.brokers[1], inbox, topic_prefix="three", kafka=connection)
        for topic in (events.RESPONSES, events.ALERT_COMMANDS, events.DELIVERIES):
            await check_backfill(settings, topic)
