"""Ticks for the plans of receivers: when something is due, once a second at most, and none if nothing waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from chaos.clock import FakeClock
from notify.mailboxes import pending

from worker.errors import StateNotDurable
from worker.flow import events
from worker.notify import mailbox, receiver_plan
from worker.notify.forwarded import TICK_KEY
from worker.notify.mailbox import Mailbox
from worker.notify.receiver_plan import Plan, plan_key
from worker.roles.plan_rows import PlanRows
from worker.roles.wakeups import WaitingForDigests, Wakeups
from worker.service import Background


class World:
    """What wakeups see of their worker, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sent: list[tuple[int, list[bytes]]] = []
        self.broken = False
        sender = SimpleNamespace(send=self._send)
        shell = cast(Any, SimpleNamespace(sender=sender, topic_name=lambda topic: f"nps.{topic}"))
        self.wakeups = Wakeups(shell, self.clock, events.NOTICES)

    async def _send(self, batches: Any) -> None:
        if self.broken:
            raise StateNotDurable("nps.notices: nothing can be sent")
        for topic, partition, records in batches:
            assert topic == "nps.notices"
            assert {key for key, *_ in records} == {TICK_KEY}
            self.sent.append((partition, [value for _, value, *_ in records]))

    def plan(self, receiver: str, wake: int, partition: int = 0) -> None:
        """Note the row of a plan that is due at a time."""
        row = receiver_plan.encode(Plan(wake=wake))
        PlanRows(self.wakeups).on_rows(partition, {plan_key(receiver): row, b"c-1": b"\x00"})

    async def at(self, moment: int) -> list[tuple[int, list[bytes]]]:
        """Return which ticks are sent until a moment."""
        self.clock.move_to(moment)
        for _ in range(50):
            await asyncio.sleep(0)
        sent, self.sent = self.sent, []
        return sent

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Background]:
        running = Background(self.wakeups.run, self.wakeups.end)
        await running.start()
        try:
            yield running
        finally:
            await running.stop()


async def test_a_receiver_gets_a_tick_when_its_plan_is_due_and_again_while_it_is() -> None:
    world = World()
    begun = world.clock.now()
    async with world.running():
        world.plan("desk", begun + 5_000)
        world.plan("boss", begun + 5_000)
        world.plan("lyon", begun + 5_000, partition=3)
        assert await world.at(begun + 4_999) == []
        assert await world.at(begun + 5_000) == [(0, [b"boss", b"desk"]), (3, [b"lyon"])]
        world.plan("desk", begun + 5_000)  # the tick came too early by the broker's clock
        world.plan("boss", 0)
        PlanRows(world.wakeups).on_rows(3, {plan_key("lyon"): None})
        assert await world.at(begun + 5_999) == []
        assert await world.at(begun + 6_000) == [(0, [b"desk"])]
        world.plan("desk", begun + 60_000)
        assert await world.at(begun + 59_999) == []
        assert await world.at(begun + 60_000) == [(0, [b"desk"])]


async def test_what_went_to_another_worker_gets_no_tick() -> None:
    world = World()
    begun = world.clock.now()
    async with world.running():
        world.plan("desk", begun + 5_000)
        await PlanRows(world.wakeups).on_revoked()
        assert await world.at(begun + 9_000) == []


async def test_a_tick_that_cannot_be_sent_stops_the_worker() -> None:
    world = World()
    world.broken = True
    async with world.running() as running:
        world.plan("desk", 1)
        with pytest.raises(StateNotDurable, match="nothing can be sent"):
            await running.failure()


async def test_members_are_forgotten_with_their_partitions() -> None:
    waiting = WaitingForDigests()
    waiting.on_rows(0, {b"c-1": mailbox.encode(Mailbox([pending(digest="x")]))})
    assert [member.key for member in waiting.members.of(0, "x")] == [b"c-1"]
    await waiting.on_revoked()
    assert waiting.members.of(0, "x") == []
