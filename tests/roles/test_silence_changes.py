"""Plans learn of a silence that has changed, once, if something waits there because of it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from flow.records import NOW, Record
from notify.silencer import DAY, Silencer, silence

from worker.flow import events
from worker.notify import receiver_plan
from worker.notify.forwarded import SILENCE_KEY, SilenceChange, read_change
from worker.notify.receiver_plan import Plan, plan_key
from worker.roles.plan_rows import PlanRows
from worker.roles.silence_changes import SilenceChanges
from worker.service import Background


class World:
    """What is sent, and the rows of plans."""

    def __init__(self) -> None:
        self.silencer = Silencer()
        self.sent: list[tuple[int, SilenceChange]] = []
        sender = SimpleNamespace(send=self._send)
        shell = cast(Any, SimpleNamespace(sender=sender, topic_name=lambda topic: f"nps.{topic}"))
        self.changes = SilenceChanges(shell, self.silencer, events.NOTICES)

    async def _send(self, batches: Any) -> None:
        for topic, partition, records in batches:
            assert topic == "nps.notices"
            for key, value, *_ in records:
                assert key == SILENCE_KEY
                self.sent.append((partition, read_change(Record(value))))

    def waits(self, receiver: str = "desk", version: int = 1, partition: int = 0) -> None:
        plan = Plan()
        receiver_plan.hold_back(plan, "s-1", version, NOW + DAY, "d-1")
        PlanRows(self.changes).on_rows(partition, {plan_key(receiver): receiver_plan.encode(plan), b"c-1": b"\x00"})

    async def told(self) -> list[tuple[int, SilenceChange]]:
        for _ in range(50):
            await asyncio.sleep(0)
        sent, self.sent = self.sent, []
        return sent


async def test_a_plan_is_told_once_of_each_newer_version_of_a_silence_that_it_waits_for() -> None:
    world = World()
    running = Background(world.changes.run, world.changes.end)
    await running.start()
    world.waits()
    world.waits("boss", partition=2)
    assert await world.told() == []
    world.silencer.note(silence())
    assert await world.told() == []  # it is the version that the plans know

    world.silencer.end(NOW + 5)
    assert sorted(await world.told()) == sorted(
        [(0, SilenceChange("desk", "s-1", 2, NOW + 5)), (2, SilenceChange("boss", "s-1", 2, NOW + 5))],
        key=lambda one: one[0],
    )
    world.waits()
    world.silencer.note(silence("s-2"))
    assert await world.told() == []

    # Nothing waits any more, and then something does that was decided before the silence was ended.
    PlanRows(world.changes).on_rows(0, {plan_key("desk"): None})
    world.waits()
    assert await world.told() == [(0, SilenceChange("desk", "s-1", 2, NOW + 5))]

    # After a take-over, a plan that has not read the message is told again, and one that has is not.
    await PlanRows(world.changes).on_revoked()
    world.waits()
    world.waits("boss", version=2, partition=2)
    assert await world.told() == [(0, SilenceChange("desk", "s-1", 2, NOW + 5))]
    PlanRows(world.changes).on_rows(0, {plan_key("desk"): None})
    await running.stop()


async def test_a_plan_whose_rows_are_there_before_the_silences_are_known_is_told_once_they_are() -> None:
    world = World()
    world.silencer.caught_up.clear()
    running = Background(world.changes.run, world.changes.end)
    await running.start()
    world.waits()
    assert await world.told() == []

    # The silence was ended while no worker was there: both states are among those of the start.
    world.silencer.note(silence())
    world.silencer.end(NOW + 5)
    assert await world.told() == []
    world.silencer.caught_up.set()
    assert await world.told() == [(0, SilenceChange("desk", "s-1", 2, NOW + 5))]
    await running.stop()


async def test_a_stop_does_not_wait_for_the_silences() -> None:
    world = World()
    world.silencer.caught_up.clear()
    running = Background(world.changes.run, world.changes.end)
    await running.start()
    await world.told()
    async with asyncio.timeout(2):
        await running.stop()
