"""Cancelling tasks, and being sure that they end.

A library may catch the CancelledError that was meant for the task and go on: aiokafka does so while a consumer is
closed. Whoever then waits for the task waits for ever, and asyncio asks a task to end once only.
"""

import asyncio
from collections.abc import Iterable
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
