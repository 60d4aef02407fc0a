"""Background decisions wait for urgent batches, one at a time, and not for ever."""

import asyncio
from math import inf

import pytest

from worker.streams.turns import Turns

#: A time that none of these tests waits for, in seconds.
NEVER = 3_600.0


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


async def test_between_two_rounds_there_is_time_to_hand_out_records() -> None:
    decisions = Decisions(Turns(longest=inf, between=0.01, together=0.0))
    decisions.go_on.set()
    tasks = [asyncio.create_task(decisions.decide(name)) for name in ("first", "second")]
    await tasks[0]
    await some_turns_of_the_loop()
    with decisions.turns.urgent():
        assert decisions.seen == ["first begins", "first ends"]
    await tasks[1]


async def test_short_decisions_follow_each_other_and_go_on_together() -> None:
    decisions = Decisions(Turns(longest=inf, between=NEVER, together=inf))
    names = ("first", "second", "third")

    async def decide(name: str) -> None:
        await decisions.decide(name)
        decisions.seen.append(f"{name} goes on")

    tasks = [asyncio.create_task(decide(name)) for name in names]
    await decisions.began.wait()
    decisions.go_on.set()
    await asyncio.gather(*tasks)

    expected = [f"{name} {what}" for name in names for what in ("begins", "ends")]
    assert decisions.seen[: len(expected)] == expected
    assert len(decisions.seen) == len(expected) + len(names)


async def test_a_round_ends_when_the_next_decision_has_to_wait() -> None:
    """For an urgent batch, or since the decisions of the round took long enough."""
    for between, together in ((0.0, inf), (NEVER, inf), (NEVER, 0.0)):
        turns = Turns(longest=inf, between=between, together=together)
        decisions = Decisions(turns)
        first, second = (asyncio.create_task(decisions.decide(name)) for name in ("first", "second"))
        await decisions.began.wait()
        with turns.urgent():
            decisions.go_on.set()
            await first
        assert decisions.seen == ["first begins", "first ends"]
        second.cancel()


async def test_a_round_ends_when_the_decision_that_it_waits_for_is_cancelled_or_fails() -> None:
    # With a pause, only the end of the second decision can end the round.
    turns = Turns(longest=inf, between=NEVER, together=inf)
    decisions = Decisions(turns)
    for end in ("cancelled", "failed"):
        decisions.began.clear()
        decisions.go_on.clear()

        async def fail() -> None:
            async with turns.background():
                raise ZeroDivisionError

        first = asyncio.create_task(decisions.decide("first"))
        await decisions.began.wait()
        second = asyncio.create_task(decisions.decide("second") if end == "cancelled" else fail())
        await some_turns_of_the_loop()
        if end == "cancelled":
            second.cancel()
        decisions.go_on.set()
        await first
        with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
            await second


async def test_a_slice_waits_for_no_round() -> None:
    decisions = Decisions(Turns(longest=inf, between=NEVER, together=inf))
    first = asyncio.create_task(decisions.decide("first"))
    await decisions.began.wait()

    async def decide_slice() -> None:
        async with decisions.turns.background(is_slice=True):
            decisions.go_on.clear()

    decided = asyncio.create_task(decide_slice())
    second = asyncio.create_task(decisions.decide("second"))
    await some_turns_of_the_loop()
    decisions.go_on.set()
    await decided
    assert not first.done(), "it waits for the second one"
    decisions.go_on.set()
    await asyncio.gather(first, second)


async def test_an_error_ends_a_turn() -> None:
    turns = Turns(longest=inf, between=0.0)
    with pytest.raises(ZeroDivisionError):
        async with turns.background():
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), turns.urgent():
        raise ZeroDivisionError
    async with turns.background():
        pass
