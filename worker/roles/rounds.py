"""Rounds: work for which many wait is done once for all of them, after a short rest in which others may join."""

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

from worker.cancelling import cancel_all


class Rounds:
    """Does the work of each part once for all that have joined a round with this part.

    A round begins `rest_seconds` after the first has joined it, for all its parts at the same time. If many join, it
    rests for longer: it begins no earlier than `between_seconds` after the round before has begun. Nobody waits for the
    work of another part. While the work of a round is done, others can join the next one. Its work on a part begins
    when the earlier one on this part has ended: that may have taken up what somebody has left who joined afterwards.
    """

    def __init__(
        self, work: Callable[[int], Coroutine[Any, Any, None]], rest_seconds: float, between_seconds: float = 0.0
    ) -> None:
        self._work = work
        self._rest_seconds = rest_seconds
        self._between_seconds = between_seconds
        # When the last round began, by the time of the event loop.
        self._began = -inf
        # The work of the round that can be joined, by part; what lets it begin; and what sets that after the rest.
        # There is no timer as long as nobody has joined the round.
        self._parts: dict[int, asyncio.Task[None]] = {}
        self._begun = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        # All work that has not ended, and the latest one of each part.
        self._working: set[asyncio.Task[None]] = set()
        self._latest: dict[int, asyncio.Task[None]] = {}

    async def join(self, part: int, *, at_once: bool = False) -> None:
        """Join the next round, and return when the work of the part is done. Raise the error of that work.

        `at_once`: let the round begin without a rest.
        """
        if self._timer is None:
            loop = asyncio.get_running_loop()
            at = max(loop.time() + self._rest_seconds, self._began + self._between_seconds)
            self._timer = loop.call_at(at, self.begin)
        working = self._parts.get(part)
        if working is None:
            working = asyncio.create_task(self._run(part, self._begun, self._latest.get(part)))
            self._parts[part] = self._latest[part] = working
            self._working.add(working)
            working.add_done_callback(self._working.discard)
        if at_once:
            self.begin()
        # If one that has joined is cancelled, the others still wait.
        await asyncio.shield(working)

    def begin(self) -> None:
        """Let the next round begin at once, if anybody has joined it."""
        if self._timer is not None:
            self._began = asyncio.get_running_loop().time()
            self._begun.set()
            self._forget()

    async def cancel(self) -> None:
        """Cancel all rounds, and wait for their end."""
        if self._timer is not None:
            self._forget()
        await cancel_all(self._working)

    def _forget(self) -> None:
        """Let the next one who joins be the first of another round."""
        assert self._timer is not None
        self._timer.cancel()
        self._timer, self._parts, self._begun = None, {}, asyncio.Event()

    async def _run(self, part: int, begun: asyncio.Event, earlier: asyncio.Task[None] | None) -> None:
        await begun.wait()
        if earlier is not None:
            await asyncio.wait([earlier])
        await self._work(part)
