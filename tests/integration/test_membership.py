"""Joining the group where something is not as it usually is: what passes is waited for, what stays is said."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.cluster import ClusterMetadata
from integration.conftest import make_settings

from worker.app import Worker, running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import MembershipLost
from worker.kafka import topics
from worker.settings import KafkaSettings, Settings
from worker.streams.membership import MemberThread
from worker.streams.shell import Shell


def settings_of(kafka: EmbeddedKafka, inbox: Inbox, name: str, **changes: Any) -> Settings:
    """Return settings under a name of its own; changes are of its Kafka, and are not checked."""
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=name)
    return make_settings(kafka, inbox, topic_prefix=name, kafka=settings.model_copy(update=changes))


async def until(condition: Callable[[], bool]) -> None:
    """Wait; nothing that is waited for here raises an event."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def partitions(worker: Worker) -> dict[str, int]:
    """Return how many partitions of the responses and of the alerts a worker has."""
    process, notify = worker.of(Shell)["process"], worker.of(Shell)["notify"]
    return {
        "responses": len(process.consumer.due(process.topic_name("responses"))),
        "alerts": len(notify.consumer.due(notify.topic_name("alerts"))),
    }


async def test_a_broker_that_names_no_broker_yet_is_asked_again(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that the controller does not count as alive, just after its start or after it was frozen."""
    take_in: Callable[[ClusterMetadata, Any], None] = ClusterMetadata.update_metadata
    asked: dict[ClusterMetadata, int] = {}

    def late(cluster: ClusterMetadata, metadata: Any) -> None:
        if threading.current_thread() is not threading.main_thread():  # where consumers are
            asked[cluster] = asked.get(cluster, 0) + 1
            if asked[cluster] <= 2:
                metadata.brokers = []
        take_in(cluster, metadata)

    monkeypatch.setattr(ClusterMetadata, "update_metadata", late)
    async with running(settings_of(kafka, inbox, "no-broker-named")) as worker:
        assert partitions(worker) == {"responses": 4, "alerts": 4}


async def test_topics_that_a_broker_has_not_heard_of_yet_are_waited_for(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the others of a cluster have not, just after one of them was asked to make them."""
    create = topics._create
    made: list[asyncio.Task[None]] = []

    async def create_later(_admin: AIOKafkaAdminClient, missing: Any, count: int, settings: Any) -> None:
        async def later() -> None:
            # Joining takes less: the partitions would be shared out before.
            await asyncio.sleep(1.5)
            async with topics.administrator(settings) as admin:
                await create(admin, missing, count, settings)

        made.append(asyncio.create_task(later()))

    monkeypatch.setattr(topics, "_create", create_later)
    async with running(settings_of(kafka, inbox, "late-topics")) as worker:
        assert partitions(worker) == {"responses": 4, "alerts": 4}
    await asyncio.gather(*made)


async def test_a_group_that_does_not_take_the_worker_stops_it_and_is_named(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    # Less than the broker allows. With ordinary settings a group may be refused for want of a permission.
    settings = settings_of(kafka, inbox, "refused", session_timeout_seconds=0.5)

    with pytest.raises(MembershipLost, match=r"refused-.* cannot be joined: .*InvalidSessionTimeout"):
        async with running(settings):
            pass


async def test_an_end_of_the_coordination_stops_the_worker_and_is_named(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def assert_in_vain(*_: Any) -> Any:
        raise AssertionError("as aiokafka does")

    monkeypatch.setattr(MemberThread, "_look_up", staticmethod(assert_in_vain))
    with pytest.raises(MembershipLost, match=r"unled-.* cannot be joined: .*as aiokafka does"):
        async with running(settings_of(kafka, inbox, "unled")):
            pass


@pytest.mark.thorough
async def test_who_has_stood_by_for_an_hour_takes_over(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """It fetched nothing meanwhile, as there are fewer partitions than workers."""
    settings = settings_of(kafka, inbox, "standing-by", partitions=1)
    async with AsyncExitStack() as one, AsyncExitStack() as other:
        stacks = {stack: await stack.enter_async_context(running(settings, "process")) for stack in (one, other)}
        shares = {stack: worker.of(Shell)["process"].consumer for stack, worker in stacks.items()}
        topic = stacks[one].of(Shell)["process"].topic_name("responses")
        async with asyncio.timeout(300):
            await until(lambda: all(worker.ready for worker in stacks.values()))
            await until(lambda: sorted(len(share.due(topic)) for share in shares.values()) == [0, 1])
            owner, spare = sorted(shares, key=lambda stack: len(shares[stack].due(topic)), reverse=True)
            thread = shares[spare]._thread
            thread._ensure_consumer()._subscription._last_fetch_ended -= 3_600
            beat_at = thread.heartbeat_at
            await until(lambda: thread.heartbeat_at > beat_at)

            await owner.aclose()

            await until(lambda: bool(shares[spare].due(topic)))
