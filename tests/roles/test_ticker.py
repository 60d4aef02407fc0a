"""The ticker: a tick for each partition held, each hour, and when one is taken over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from worker import cancelling
from worker.errors import StateNotDurable
from worker.flow.messages import case_log, tick
from worker.roles.ticker import Ticker
from worker.service import Background

HOUR = 3_600_000
#: A minute past a full hour.
BEGAN = 480_000 * HOUR + 60_000
#: The topics that get ticks, and the keys that ticks have there.
TOPICS = {"nps.tallies": tick.KEY, "nps.cases": case_log.TICK_KEY}


class World:
    """What a ticker sees of its worker, and a clock that stands until it is moved."""

    def __init__(self, *held: int, ready: bool = True) -> None:
        self.held = list(held)
        self.ready = ready
        self.sent: list[tuple[str, int, bytes]] = []
        self.broken = False
        self.caught_up = True
        #: The times of the next timers of cases, by partition.
        self.timers: dict[int, int] = {}
        self.consumer = SimpleNamespace(due=lambda topic: {TP(topic, number): 0 for number in self.held})
        self.sender = self
        self._now = BEGAN
        self._looked = asyncio.Event()
        self._go_on = asyncio.Event()

    def topic_name(self, topic: str) -> str:
        return f"nps.{topic}"

    async def send(self, batches: Any) -> None:
        if self.broken:
            raise StateNotDurable("nps.tallies: nothing can be sent")
        self.sent += [(topic, number, record[0]) for topic, number, records in batches for record in records]

    async def is_caught_up(self) -> bool:
        return self.caught_up

    def next_timer(self, partition: int) -> int | None:
        return self.timers.get(partition)

    def now(self) -> int:
        return self._now

    def steady(self) -> int:
        return self._now

    async def wait(self, event: asyncio.Event, until: int | None) -> None:
        del until
        self._looked.set()
        waiting = [asyncio.create_task(each.wait()) for each in (self._go_on, event)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelling.cancel_all(waiting)
        self._go_on.clear()

    async def looked(self) -> list[int]:
        """Return for which partitions, of each topic that gets ticks, it ticked until it waits again."""
        await self._looked.wait()
        self._looked.clear()
        sent, self.sent = self.sent, []
        self.for_timers = [number for topic, number, _ in sent if topic == "nps.cases" and number in self.timers]
        sent = [one for one in sent if not (one[0] == "nps.cases" and one[1] in self.timers)]
        by_topic = {name: [(number, key) for topic, number, key in sent if topic == name] for name in TOPICS}
        numbers = [number for number, _ in by_topic["nps.tallies"]]
        assert by_topic == {name: [(number, key) for number in numbers] for name, key in TOPICS.items()}
        assert len(sent) == len(TOPICS) * len(numbers)
        return numbers

    async def after(self, ms: int) -> list[int]:
        """Let time pass; return for which partitions it ticks then."""
        self._now += ms
        self._go_on.set()
        return await self.looked()

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[Background]:
        ticker = Ticker(self, self, self.is_caught_up, self.next_timer)  # type: ignore[arg-type]
        ticking = Background(ticker.run, ticker.end)
        await ticking.start()
        try:
            yield ticking
        finally:
            await ticking.stop()


async def test_each_partition_gets_a_tick_at_once_and_after_each_full_hour() -> None:
    world = World(0, 2)
    async with world.ticking():
        assert await world.looked() == [0, 2]
        assert await world.after(1_000) == []
        assert await world.after(HOUR - 1_001) == []
        assert await world.after(1) == [0, 2]


async def test_a_partition_that_is_taken_over_gets_one_at_once() -> None:
    world = World(0)
    async with world.ticking():
        assert await world.looked() == [0]
        world.held = [0, 1]
        assert await world.after(1_000) == [1]


async def test_a_partition_that_was_away_gets_another_since_nobody_knows_what_was_told_there() -> None:
    world = World(0, 1)
    async with world.ticking():
        await world.looked()
        world.held = [0]
        await world.after(1_000)
        world.held = [0, 1]
        assert await world.after(1_000) == [1]


async def test_cases_get_a_tick_once_a_timer_is_due_and_only_its_partition_does() -> None:
    world = World(0, 1)
    async with world.ticking():
        assert await world.looked() == [0, 1]
        world.timers = {1: BEGAN + 10_000}
        for _ in range(10):
            assert await world.after(1_000) == [] == world.for_timers
        assert await world.after(1_000) == []
        assert world.for_timers == [1]


async def test_while_a_timer_stays_due_there_is_a_tick_every_five_seconds() -> None:
    world = World(0)
    async with world.ticking():
        await world.looked()
        world.timers = {0: BEGAN - 60_000}
        ticked = []
        for _ in range(11):
            await world.after(1_000)
            ticked.append(len(world.for_timers))
        assert ticked == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        world.timers = {0: BEGAN + HOUR // 2}
        assert await world.after(10_000) == [] == world.for_timers


async def test_a_timer_too_waits_until_everything_is_decided_that_has_arrived() -> None:
    world = World(0)
    async with world.ticking():
        await world.looked()
        world.timers, world.caught_up = {0: BEGAN}, False
        await world.after(60_000)
        assert world.for_timers == []
        world.caught_up = True
        await world.after(1_000)
        assert world.for_timers == [0]


async def test_it_waits_until_the_worker_is_ready() -> None:
    world = World(0, ready=False)
    async with world.ticking():
        assert await world.looked() == []
        world.ready = True
        assert await world.after(1_000) == [0]


async def test_it_waits_until_everything_is_decided_that_has_arrived() -> None:
    world = World(0)
    world.caught_up = False
    async with world.ticking():
        assert await world.looked() == []
        assert await world.after(HOUR) == []
        world.caught_up = True
        assert await world.after(1_000) == [0]


async def test_a_tick_that_cannot_be_sent_stops_the_worker() -> None:
    world = World(0)
    world.broken = True
    async with world.ticking() as ticking:
        with pytest.raises(StateNotDurable, match="nothing can be sent"):
            await ticking.failure()


async def test_it_stops_although_a_library_swallows_the_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_AGAIN_SECONDS", 1e9)  # by itself, without being cancelled a second time
    world, asked = World(0), asyncio.Event()

    async def caught_up() -> bool:
        """Do as aiokafka does while a consumer is closed."""
        asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True

    ticking = Background(Ticker(world, world, caught_up, world.next_timer).run)  # type: ignore[arg-type]
    await ticking.start()
    await asked.wait()

    await ticking.stop()

    assert world.sent == []


async def test_a_question_in_hand_has_its_answer_before_the_ticker_ends() -> None:
    world, asked, answer = World(0), asyncio.Event(), asyncio.Event()
    answered = []

    async def caught_up() -> bool:
        asked.set()
        await answer.wait()
        answered.append(True)
        return True

    ticker = Ticker(world, world, caught_up, world.next_timer)  # type: ignore[arg-type]
    ticking = Background(ticker.run, ticker.end)
    await ticking.start()
    await asked.wait()
    stopping = asyncio.create_task(ticking.stop())
    await ticker._ending.wait()
    answer.set()
    await stopping

    assert answered == [True]
    assert world.sent == []
