"""What a new owner of the topics goes on from: the offsets of the group that owned them before."""

from collections.abc import Collection
from typing import Any, cast

import pytest

from worker import maintenance
from worker.clock import SystemClock
from worker.flow import events
from worker.flow.timestamps import DAY
from worker.kafka import changelogs, groups
from worker.kafka.rows import Head, PartitionState
from worker.maintenance import Position
from worker.settings import Settings

NOW = 1_000 * DAY


class Kafka:
    """Two partitions of each topic, with offsets from 100 to 200; `young`: where alerts begin that are not too old."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.committed: dict[tuple[str, str], dict[int, int]] = {}
        self.heads: dict[str, dict[int, Head]] = {}
        self.young: dict[int, int] = {}
        self.asked_for: list[int] = []
        monkeypatch.setattr(groups, "committed", self._committed)
        monkeypatch.setattr(changelogs, "states", self._states)
        monkeypatch.setattr(SystemClock, "now", lambda _: NOW)

    async def _committed(self, _: Any, group: str, topic: str) -> dict[int, int]:
        return dict(self.committed.get((group, topic), {}))

    async def _states(self, _: Any, changelog: str, partitions: Collection[int]) -> dict[int, PartitionState]:
        found = {partition: PartitionState() for partition in partitions}
        for partition, state in found.items():
            state.head = self.heads[changelog].get(partition, Head())
        return found

    async def partitions(self, topic: str) -> set[int]:
        return {0, 1} if topic.startswith("nps.") or topic in self.heads else set()

    async def starts(self, _: str, partitions: Collection[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 100)

    async def ends(self, _: str, partitions: Collection[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 200)

    async def from_time(self, _: str, partitions: Collection[int], time: int) -> dict[int, int]:
        self.asked_for.append(time)
        return {n: first for n, first in self.young.items() if n in partitions}

    async def read_by_the_old_group(self) -> dict[tuple[str, str], Position]:
        settings = Settings.model_construct()
        return await maintenance.positions(settings, cast(Any, None), cast(Any, self), "old")


async def test_what_the_old_group_has_committed_is_where_the_new_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(monkeypatch)
    kafka.committed = {
        (f"old-{role}", f"nps.{topic}"): {0: 150, 1: 200}
        for role, topic in (
            *(("process", topic) for topic in events_of_process()),
            ("notify", events.ALERTS),
        )
    }
    found = await kafka.read_by_the_old_group()

    assert found == {
        **{("process", topic): Position({0: 150, 1: 200}, 0) for topic in events_of_process()},
        ("notify", events.ALERTS): Position({0: 150, 1: 200}, 0),
    }


async def test_offsets_that_kafka_has_forgotten_come_from_the_changelogs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka deletes the offsets of a group that has had no members for a week."""
    kafka = Kafka(monkeypatch)
    kafka.committed = {("old-process", "nps.responses"): {1: 170}}
    kafka.heads = {"old-process-contacts-changelog": {0: Head(mark=2**40 + 149, base=2**40), 1: Head(mark=3)}}
    found = await kafka.read_by_the_old_group()

    assert found["process", events.RESPONSES] == Position({0: 150, 1: 170}, 0)


async def test_what_nothing_says_is_counted_and_alerts_that_are_too_old_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka(monkeypatch)
    kafka.young = {0: 180}  # in partition 1 all alerts are too old
    found = await kafka.read_by_the_old_group()

    assert found["process", events.RESPONSES] == Position({}, 200)
    assert found["notify", events.ALERTS] == Position({0: 180, 1: 200}, 20)
    assert kafka.asked_for == [NOW - 14 * DAY]


def events_of_process() -> tuple[str, ...]:
    return (events.RESPONSES, events.TALLIES, events.HOURS, events.ALERT_COMMANDS, events.CASES)
