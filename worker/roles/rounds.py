"""Rounds: work for which many wait is done once for all of them, after a short rest in which others may join."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from worker.cancelling import cancel_all


class Rounds:
    """Calls `work` once for all that have joined a round. A round begins `rest_seconds` after the first has joined it.

    While the work of a round is done, others can join the next one.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]], rest_seconds: float) -> None:
        self._work = work
        self._rest_seconds = rest_seconds
        # The round that can be joined, if there is one. All rounds that have not ended are in `_rounds`.
        self._next: asyncio.Task[None] | None = None
        self._rounds: set[asyncio.Task[None]] = set()
        # Set when the next round should begin at once.
        self._begin = asyncio.Event()

    async def join(self) -> None:
        """Join the next round, and return when its work is done. Raise the error of its work."""
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._run())
            self._rounds.add(self._next)
            self._next.add_done_callback(self._rounds.discard)
        # If one that has joined is cancelled, the others still wait.
        await asyncio.shield(self._next)

    def begin(self) -> None:
        """Let the next round begin at once, if anybody has joined it."""
        if self._next is not None and not self._next.done():
            self._begin.set()

    async def cancel(self) -> None:
        """Cancel all rounds, and wait for their end."""
        await cancel_all(self._rounds)

    async def _run(self) -> None:
        timer = asyncio.get_running_loop().call_later(self._rest_seconds, self._begin.set)
        try:
            await self._begin.wait()
        finally:
            timer.cancel()
            self._begin.clear()
            self._next = None
        await self._work()
