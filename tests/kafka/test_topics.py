"""What is said of a topic that Kafka does not create."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import InvalidReplicationFactorError, TopicAuthorizationFailedError

from worker.errors import TopicsUnfit
from worker.kafka.topics import TopicPlan, _create
from worker.settings import KafkaSettings


class Admin:
    """Refuses each topic with an error; one broker is there."""

    def __init__(self, code: int, text: str | None) -> None:
        self._code, self._text = code, text

    async def create_topics(self, new: list[Any]) -> Any:
        return SimpleNamespace(topic_errors=[(topic.name, self._code, self._text) for topic in new])

    async def describe_cluster(self) -> Any:
        return {"brokers": [{"node_id": 1}]}


async def create(code: int, text: str | None = None) -> None:
    plan = TopicPlan("nps.alerts", {}, {})
    await _create(Admin(code, text), [plan], 4, KafkaSettings(replication_factor=3))


async def test_too_few_brokers_for_the_copies_are_said_with_the_setting() -> None:
    with pytest.raises(TopicsUnfit, match=r"^nps.alerts could not be created: .*: kafka.replication_factor is 3, and"):
        await create(InvalidReplicationFactorError.errno)


async def test_a_broker_that_has_just_started_is_waited_for() -> None:
    text = "Unable to replicate the partition 1 time(s): All brokers are currently fenced."
    with pytest.raises(InvalidReplicationFactorError):  # which is tried again
        await create(InvalidReplicationFactorError.errno, text)


async def test_a_missing_permission_stays_what_it_is() -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await create(TopicAuthorizationFailedError.errno)
