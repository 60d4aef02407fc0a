"""A task that takes no notice of being cancelled, as libraries have it, is cancelled until it ends."""

import asyncio
import contextlib

import pytest

from worker import cancelling
from worker.cancelling import cancel_all, finish, raise_if_cancelled


async def swallows(times: int, began: asyncio.Event) -> None:
    """Go on after a number of cancellations; begin to wait, then say so."""
    for _ in range(times):
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


async def test_a_task_is_cancelled_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "_AGAIN_SECONDS", 0.01)
    began = asyncio.Event()
    task = asyncio.create_task(swallows(2, began))
    await began.wait()

    await cancel_all([task])

    assert task.cancelled()


async def test_a_task_that_fails_meanwhile_has_ended_and_its_error_is_its_own() -> None:
    began = asyncio.Event()

    async def fails() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while it was cancelled")

    task = asyncio.create_task(fails())
    await began.wait()

    await cancel_all([task])

    assert isinstance(task.exception(), ValueError)


async def test_of_no_tasks_nothing_is_waited_for() -> None:
    await cancel_all([])


async def test_a_task_learns_that_it_was_cancelled_although_that_was_swallowed() -> None:
    began = asyncio.Event()

    async def goes_on() -> None:
        raise_if_cancelled()  # nobody has asked for it yet
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise_if_cancelled()
        await asyncio.Event().wait()

    task = asyncio.create_task(goes_on())
    await began.wait()

    await cancel_all([task])

    assert task.cancelled()


async def test_closing_is_finished_although_whoever_waits_for_it_is_cancelled() -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    steps = []

    async def closing() -> None:
        began.set()
        await go_on.wait()
        steps.append("closed")

    task = asyncio.create_task(finish(closing()))
    await began.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert steps == ["closed"]


async def test_an_error_of_closing_is_raised() -> None:
    async def closing() -> None:
        raise ValueError("it does not close")

    with pytest.raises(ValueError, match="does not close"):
        await finish(closing())
