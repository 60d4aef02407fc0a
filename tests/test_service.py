"""What services are made of: a coroutine in the background, and the first error kept."""

import asyncio

import pytest

from worker.errors import StateNotDurable
from worker.service import Background, Failure


async def test_the_first_error_is_kept_for_everybody_who_waits() -> None:
    failure = Failure()
    waiting = [asyncio.create_task(failure.raised()) for _ in range(2)]
    failure.keep(StateNotDurable("first"))
    failure.keep(StateNotDurable("second"))

    for task in waiting:
        with pytest.raises(StateNotDurable, match="first"):
            await task
    with pytest.raises(StateNotDurable, match="first"):
        await failure.raised()


async def test_whoever_stops_waiting_does_not_take_the_failure_with_it() -> None:
    failure = Failure()
    waiting = asyncio.create_task(failure.raised())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    failure.keep(StateNotDurable("after it"))

    assert isinstance(failure.error, StateNotDurable)


async def test_work_in_the_background_is_cancelled_by_a_stop_and_that_is_no_failure() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    service = Background(work)
    await service.start()
    await began.wait()
    await service.stop()

    assert ended.is_set()
    assert service._failure.error is None


async def test_an_error_of_the_work_is_the_failure() -> None:
    async def work() -> None:
        raise StateNotDurable("gone")

    service = Background(work)
    failing = asyncio.create_task(service.failure())
    await service.start()
    with pytest.raises(StateNotDurable, match="gone"):
        await failing
    await service.stop()


async def test_stopping_what_was_never_started_is_nothing() -> None:
    async def work() -> None:
        pytest.fail("it was not started")

    await Background(work).stop()
