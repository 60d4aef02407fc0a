"""A lease is what the group says it is, and how long ago it said so."""

import asyncio
from time import monotonic
from typing import Any, cast

import pytest

from worker.streams import lease
from worker.streams.lease import lease_confirmed, lease_holds

SESSION = 10.0


class Consumer:
    """`heard`: the time of the heartbeat that was accepted last; None once the generation is over."""

    def __init__(self, heard: float | None) -> None:
        self.heard = heard

    def holds(self, generation: int) -> bool:
        return generation == 1 and self.heard is not None

    def heartbeat_age(self) -> float:
        assert self.heard is not None
        return monotonic() - self.heard


def ask(question: Any, consumer: Consumer, *more: float) -> "asyncio.Task[bool]":
    return asyncio.create_task(question(cast(Any, consumer), 1, *more))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.001)


async def test_with_a_fresh_heartbeat_it_holds() -> None:
    assert await ask(lease_holds, Consumer(monotonic()), SESSION)


async def test_in_another_generation_it_does_not() -> None:
    assert not await lease_holds(cast(Any, Consumer(monotonic())), 2, SESSION)


async def test_with_an_old_heartbeat_the_next_one_decides() -> None:
    for next_one, expected in ((monotonic(), True), (None, False)):
        consumer = Consumer(monotonic() - 2 * SESSION)
        asked = ask(lease_holds, consumer, SESSION)
        await asyncio.sleep(0.01)
        assert not asked.done()
        consumer.heard = next_one
        assert await asked is expected


async def test_a_fresh_heartbeat_of_before_confirms_nothing() -> None:
    for next_one, expected in ((True, True), (False, False)):
        consumer = Consumer(monotonic())
        asked = ask(lease_confirmed, consumer)
        await asyncio.sleep(0.01)
        assert not asked.done()
        consumer.heard = monotonic() if next_one else None
        assert await asked is expected
