"""Background decisions wait for urgent batches, one at a time, and not for ever."""

import asyncio
from math import inf

import pytest

from worker.streams.turns import Turns


class Decisions:
    """Notes which decisions have begun and ended."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.seen: list[str] = []
        self.go_on = asyncio.Event()
        self.began = asyncio.Event()

    async def decide(self, name: str) -> None:
        async with self.turns.background():
            self.seen.append(f"{name} begins")
            self.began.set()
            await self.go_on.wait()
            self.seen.append(f"{name} ends")


async def some_turns_of_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_background_decision_waits_while_an_urgent_batch_is_in_flight() -> None:
    decisions = Decisions(Turns(longest=inf, between=0.0))
    with decisions.turns.urgent():
        with decisions.turns.urgent():
            task = asyncio.create_task(decisions.decide("tallies"))
            await some_turns_of_the_loop()
        await some_turns_of_the_loop()
        assert decisions.seen == []
    decisions.go_on.set()
    await task
    assert decisions.seen == ["tallies begins", "tallies ends"]


async def test_it_does_not_wait_for_ever() -> None:
    decisions = Decisions(Turns(longest=0.01, between=0.0))
    decisions.go_on.set()
    with decisions.turns.urgent():
        await decisions.decide("tallies")
    assert decisions.seen == ["tallies begins", "tallies ends"]


async def test_background_decisions_come_one_at_a_time_and_what_came_meanwhile_goes_first() -> None:
    decisions = Decisions(Turns(longest=inf, between=0.0))
    tasks = [asyncio.create_task(decisions.decide(name)) for name in ("first", "second")]
    await decisions.began.wait()
    await some_turns_of_the_loop()
    assert decisions.seen == ["first begins"]
    with decisions.turns.urgent():
        decisions.go_on.set()
        await tasks[0]
        await some_turns_of_the_loop()
        assert decisions.seen == ["first begins", "first ends"]
    await tasks[1]
    assert decisions.seen[2:] == ["second begins", "second ends"]


async def test_between_two_of_them_there_is_time_to_hand_out_records() -> None:
    decisions = Decisions(Turns(longest=inf, between=0.01))
    decisions.go_on.set()
    tasks = [asyncio.create_task(decisions.decide(name)) for name in ("first", "second")]
    await tasks[0]
    await some_turns_of_the_loop()
    with decisions.turns.urgent():
        assert decisions.seen == ["first begins", "first ends"]
    await tasks[1]


async def test_an_error_ends_a_turn() -> None:
    turns = Turns(longest=inf, between=0.0)
    with pytest.raises(ZeroDivisionError):
        async with turns.background():
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), turns.urgent():
        raise ZeroDivisionError
    async with turns.background():
        pass
