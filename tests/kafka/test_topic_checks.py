"""Existing topics: which differences of their configuration are errors, and which are not."""

from collections.abc import Mapping
from typing import Any

import pytest

from worker.kafka import topic_checks, topics
from worker.settings import KafkaSettings, Settings

CHANGELOG, TALLIES, RESPONSES = "nps-worker-process-contacts-changelog", "nps.tallies", "nps.responses"
ALERTS, COMMANDS, DELIVERIES = "nps.alerts", "nps.alert-commands", "nps.deliveries"
DECISIONS, OWNER = "nps.decisions", "nps.worker"
DAY = 86_400_000


def problems(name: str, changes: Mapping[str, str], copies: int = 1) -> list[str]:
    """Return what is said of a topic that is as the worker makes it, but for the changes."""
    settings = Settings.model_construct(kafka=KafkaSettings(replication_factor=copies))
    [plan] = [plan for plan in topics.planned_topics(settings) if plan.name == name]
    configs = {"max.message.bytes": "1048588", **plan.config, **changes}
    return topic_checks.unfit(topic_checks.ExistingTopic(name, copies, configs), plan.needs)


@pytest.mark.parametrize("copies", [1, 2, 3, 5])
def test_what_the_worker_makes_is_fit(copies: int) -> None:
    settings = Settings.model_construct(kafka=KafkaSettings(replication_factor=copies))
    assert [problems(plan.name, {}, copies) for plan in topics.planned_topics(settings)] == [[]] * 27


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        (CHANGELOG, {"cleanup.policy": "delete"}, "cleanup.policy is delete, and must be compact"),
        (CHANGELOG, {"cleanup.policy": "compact,delete"}, "cleanup.policy is compact,delete, and must be compact"),
        (CHANGELOG, {"min.compaction.lag.ms": "0"}, "min.compaction.lag.ms is 0, and must be at least 3600000"),
        (CHANGELOG, {"max.compaction.lag.ms": str(2**63 - 1)}, "must be at most 604800000"),
        (CHANGELOG, {"max.message.bytes": "100000"}, "max.message.bytes is 100000, and must be at least 1048588"),
        (RESPONSES, {"message.timestamp.type": "CreateTime"}, "is CreateTime, and must be LogAppendTime"),
        (RESPONSES, {"cleanup.policy": "compact"}, "cleanup.policy is compact, and must be delete"),
        (TALLIES, {"retention.ms": "3600000"}, "retention.ms is 3600000, and must be at least 604800000, or -1"),
        (TALLIES, {"retention.bytes": "1000000"}, "retention.bytes is 1000000, and must be -1"),
        (RESPONSES, {"retention.ms": "3600000"}, "retention.ms is 3600000, and must be at least 86400000, or -1"),
        (ALERTS, {"retention.ms": "86399999"}, "retention.ms is 86399999, and must be at least 86400000, or -1"),
        (COMMANDS, {"retention.ms": "0"}, "retention.ms is 0, and must be at least 86400000, or -1"),
        (OWNER, {"retention.ms": "604800000"}, "retention.ms is 604800000, and must be -1"),
    ],
)
def test_what_would_lose_something_is_said_with_what_it_should_be(
    name: str, changes: Mapping[str, str], said: str
) -> None:
    [line] = problems(name, changes)
    assert line.startswith(f"{name}: ")
    assert line.endswith(said)


@pytest.mark.parametrize(
    ("copies", "found", "fine"), [(3, "1", False), (3, "2", True), (3, "4", False), (1, "2", False)]
)
def test_copies_that_must_be_in_sync_go_by_how_many_there_are(copies: int, found: str, *, fine: bool) -> None:
    assert (problems(DECISIONS, {"min.insync.replicas": found}, copies) == []) == fine


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (DECISIONS, {"retention.ms": "-1"}),
        (DECISIONS, {"message.timestamp.type": "CreateTime"}),
        (TALLIES, {"retention.ms": "604800000"}),  # as the previous version made it: there is a warning for that
        (TALLIES, {"retention.ms": "-1"}),
        (RESPONSES, {"max.message.bytes": "2000000"}),
        (RESPONSES, {"compression.type": "zstd"}),
        (RESPONSES, {"retention.ms": str(DAY)}),  # there is a warning for these
        (RESPONSES, {"retention.bytes": "1000000"}),
        (DELIVERIES, {"retention.ms": "3600000"}),
        (DECISIONS, {"retention.ms": "3600000"}),  # only other programs read it
    ],
)
def test_what_is_only_different_is_no_error(name: str, changes: Mapping[str, str]) -> None:
    assert problems(name, changes) == []


def test_tallies_and_hours_live_as_long_as_the_answers_they_are_made_from() -> None:
    plans: dict[str, Any] = {plan.name: plan.config for plan in topics.planned_topics(Settings.model_construct())}
    kept = plans["nps.responses"]["retention.ms"]
    assert [plans[f"nps.{name}"]["retention.ms"] for name in ("tallies", "hours")] == [kept, kept]


@pytest.mark.parametrize(
    ("configs", "lines"),
    [
        ({}, []),
        ({"retention.ms": "-1", "retention.bytes": "-1"}, []),
        ({"retention.ms": str(7 * DAY)}, []),
        (
            {"retention.ms": str(DAY)},
            [f"nps.alerts: retention.ms is {DAY}: they are lost. Set it to {7 * DAY} or more"],
        ),
        (
            {"retention.bytes": "9"},
            ["nps.alerts: retention.bytes is 9: with more than that, they are lost. Set it to -1"],
        ),
    ],
)
def test_a_retention_that_is_short_is_said_with_what_is_lost(configs: Mapping[str, str], lines: list[str]) -> None:
    topic = topic_checks.ExistingTopic(ALERTS, 1, configs)

    assert topic_checks.short(topic, 7 * DAY, "they are lost") == lines


@pytest.mark.parametrize("days", [1, 6, 7, 730])
def test_topics_with_the_retention_of_the_settings_are_fit(days: int) -> None:
    settings = Settings.model_construct(kafka=KafkaSettings(retention_days=days))
    found = {
        plan.name: topic_checks.ExistingTopic(plan.name, 1, plan.config) for plan in topics.planned_topics(settings)
    }

    assert [topic_checks.unfit(found[plan.name], plan.needs) for plan in topics.planned_topics(settings)] == [[]] * 27
