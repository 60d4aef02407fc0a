import asyncio

from worker.clock import SystemClock


async def test_a_wait_ends_with_the_event() -> None:
    clock, event = SystemClock(), asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, None))
    await asyncio.sleep(0)
    assert not waiting.done()
    event.set()
    await waiting


async def test_or_when_the_time_has_come() -> None:
    clock = SystemClock()
    until = clock.steady() + 20
    await clock.wait(asyncio.Event(), until)
    assert clock.steady() >= until - 1


async def test_a_time_that_is_past_is_not_waited_for() -> None:
    clock = SystemClock()
    await clock.wait(asyncio.Event(), clock.steady() - 1_000)
