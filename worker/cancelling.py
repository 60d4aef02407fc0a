"""Cancelling tasks, and being sure that they end.

A library may catch the CancelledError that was meant for the task and go on: aiokafka does so while a consumer is
closed. Whoever then waits for the task waits for ever, and asyncio asks a task to end once only.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

#: A task that goes on in spite of it is cancelled again after so long, in seconds. Not sooner: it may be at work
#: closing its connections, which a second cancellation would cut short.
_AGAIN_SECONDS = 5.0


def raise_if_cancelled() -> None:
    """Raise CancelledError if the present task was cancelled, and a library that it called has swallowed that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel_all(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel the tasks, again and again if need be, and return when all of them have ended. No error is raised.

    A task that never ends, whatever it is asked, is waited for without end: the bound is the caller's.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        done, waiting = await asyncio.wait(waiting, timeout=_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # or asyncio would say that nobody asked for it


async def finish(closing: Coroutine[Any, Any, None]) -> None:
    """Run what closes something to its end, also if the task that waits for it is cancelled meanwhile.

    Raise CancelledError afterwards in that case; else the error of `closing`, if it has one. Without this, aiokafka
    would leave connections open, or swallow the cancellation.
    """
    task, was_cancelled = asyncio.ensure_future(closing), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            was_cancelled = True
    if was_cancelled:
        if not task.cancelled():
            task.exception()  # the cancellation is what matters
        raise asyncio.CancelledError
    task.result()
