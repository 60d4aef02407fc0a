"""Cancelling tasks so that they certainly end.

A library may catch the CancelledError that was meant for its caller's task, and go on; aiokafka does so while it closes
a consumer. asyncio cancels a task only once, so code that waits for such a task would wait for ever.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

#: The time after which a task that still runs is cancelled again, in seconds. It is not shorter, since the task may be
#: closing its connections, and a second cancellation would interrupt that.
_AGAIN_SECONDS = 5.0


def raise_if_cancelled() -> None:
    """Raise CancelledError if the current task was cancelled, and a library has swallowed the CancelledError."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel_all(tasks: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel the tasks, repeatedly if necessary, and return when all of them have ended. Raise none of their errors.

    If a task never ends, this waits without end; the caller has to limit the time.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        done, waiting = await asyncio.wait(waiting, timeout=_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # otherwise asyncio would log that the exception was never retrieved


async def finish(closing: Coroutine[Any, Any, None]) -> None:
    """Run `closing` to its end, even if the waiting task is cancelled meanwhile.

    In that case raise CancelledError afterwards; otherwise raise the error of `closing`, if it has one. Without this,
    aiokafka would leave connections open, or swallow the cancellation.
    """
    task, was_cancelled = asyncio.ensure_future(closing), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            was_cancelled = True
    if was_cancelled:
        if not task.cancelled():
            task.exception()  # the cancellation is raised instead of it
        raise asyncio.CancelledError
    task.result()
