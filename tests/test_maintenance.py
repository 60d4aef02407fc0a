"""What a new owner of the topics goes on from: the offsets of the group that owned them before."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from worker import maintenance
from worker.clock import SystemClock
from worker.errors import Unconfirmed
from worker.flow import events
from worker.flow.timestamps import DAY
from worker.kafka import changelogs, groups, ownership, reading
from worker.kafka.ownership import Claim, Owner
from worker.kafka.rows import Head, PartitionState
from worker.maintenance import Position
from worker.receive.settings import ReceiveSettings
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
            ("notify", events.NOTICES),
        )
    }
    found = await kafka.read_by_the_old_group()

    assert found == {
        **{("process", topic): Position({0: 150, 1: 200}, 0) for topic in events_of_process()},
        ("notify", events.ALERTS): Position({0: 150, 1: 200}, 0),
        ("notify", events.NOTICES): Position({0: 150, 1: 200}, 0),
    }


async def test_offsets_that_kafka_has_forgotten_come_from_the_changelogs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka deletes the offsets of a group that has had no members for a week."""
    kafka = Kafka(monkeypatch)
    kafka.committed = {("old-process", "nps.responses"): {1: 170}}
    kafka.heads = {"old-process-contacts-changelog": {0: Head(mark=2**40 + 149, base=2**40), 1: Head(mark=3)}}
    found = await kafka.read_by_the_old_group()

    assert found["process", events.RESPONSES] == Position({0: 150, 1: 170}, 0)


async def test_the_orders_that_the_old_group_has_carried_out_are_not_carried_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = {"name": "monkey", "tool": "surveymonkey", "secrets": ["s"], "score_question": "1"}
    settings = Settings.model_construct(receive=ReceiveSettings(sources=[source]))
    kafka = Kafka(monkeypatch)
    kafka.committed["old-fetch", "nps.fetches"] = {0: 150}
    found = await maintenance.positions(settings, cast(Any, None), cast(Any, kafka), "old")

    assert found["fetch", "fetches"] == Position({0: 150}, 0)
    assert ("fetch", "fetches") not in await kafka.read_by_the_old_group()


async def test_what_nothing_says_is_counted_and_alerts_that_are_too_old_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka(monkeypatch)
    kafka.young = {0: 180}  # in partition 1 all alerts are too old
    found = await kafka.read_by_the_old_group()

    assert found["process", events.RESPONSES] == Position({}, 200)
    assert found["notify", events.ALERTS] == Position({0: 180, 1: 200}, 20)
    assert kafka.asked_for == [NOW - 14 * DAY]


@pytest.mark.parametrize(("unknown", "may_repeat", "refused"), [(0, False, False), (7, False, True), (7, True, False)])
async def test_nothing_is_repeated_without_a_confirmation_and_the_offsets_precede_the_claim(
    monkeypatch: pytest.MonkeyPatch, unknown: int, *, may_repeat: bool, refused: bool
) -> None:
    done: list[Any] = []

    class Admin:
        async def list_topics(self) -> list[str]:
            return ["nps.worker"]

    @asynccontextmanager
    async def opened(*_: Any, **__: Any) -> AsyncIterator[Admin]:
        yield Admin()

    async def owner_of(*_: Any) -> Owner:
        return Owner(Claim("old", bytes(32)), 0)

    async def with_members(*_: Any) -> list[str]:
        return []

    async def positions(*_: Any) -> dict[tuple[str, str], Position]:
        return {
            ("process", events.RESPONSES): Position({0: 150}, unknown),
            ("process", events.HOURS): Position({}, 0),
            ("process", events.CASES): Position({}, 300 * unknown),
            ("notify", events.ALERTS): Position({0: 20}, 2 * unknown),
            ("webhook", events.ALERTS): Position({0: 20}, 3 * unknown),
        }

    async def commit(_: Any, group: str, topic: str, offsets: dict[int, int]) -> None:
        done.append((group, topic, offsets))

    async def take_over(_: Any, topic: str, owner: Owner) -> Claim:
        done.append((topic, owner.claim.group))
        return Claim("nps-worker", owner.claim.secret, owner.offset)

    monkeypatch.setattr(maintenance, "_admin", opened)
    monkeypatch.setattr(reading, "reader", opened)
    monkeypatch.setattr(ownership, "owner_of", owner_of)
    monkeypatch.setattr(ownership, "take_over", take_over)
    monkeypatch.setattr(groups, "with_members", with_members)
    monkeypatch.setattr(groups, "commit", commit)
    monkeypatch.setattr(maintenance, "positions", positions)
    settings = Settings.model_construct()
    if refused:
        with pytest.raises(
            Unconfirmed, match=r"^nothing says how far the group old has read .* Nothing was changed.* --yes$"
        ) as refusal:
            await maintenance.take_over(settings, may_repeat=may_repeat)
        assert "35 of nps.alerts (alerts are mailed once more" in str(refusal.value)
        assert "2,100 of nps.cases, 7 of nps.responses (answers are decided once more)" in str(refusal.value)
        assert "nps.hours" not in str(refusal.value)
        assert done == []
        return

    said = await maintenance.take_over(settings, may_repeat=may_repeat)
    assert said.startswith("nps-worker owns nps.* now; old did before. ")
    assert said.endswith("python -m worker rebuild --all")
    assert done == [
        ("nps-worker-process", "nps.responses", {0: 150}),
        ("nps-worker-notify", "nps.alerts", {0: 20}),
        ("nps-worker-webhook", "nps.alerts", {0: 20}),
        ("nps.worker", "old"),
    ]


def events_of_process() -> tuple[str, ...]:
    return (
        events.RESPONSES,
        events.TALLIES,
        events.HOURS,
        events.ALERT_COMMANDS,
        events.CASES,
        events.SILENCE_COMMANDS,
    )
