"""Urgent batches go first: a lane with a pace decides only while no batch of a lane without a pace is in flight.

All lanes share one event loop, and deciding blocks it. The delays of all partitions of segments end at the same moments
(Pace), and at some hundred responses per second it takes tens of milliseconds to decide the tallies of all of them. If
the event loop did that at one stretch, each alert that falls due meanwhile would be that much later. So the decisions
of lanes with a pace come one at a time, and each waits for a moment without urgent batches. It does not wait for long,
since the tallies have to be counted also while there is a backlog of responses.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

#: How long a background decision waits for urgent batches, in seconds.
_LONGEST_SECONDS = 0.02
#: The time between two background decisions, in seconds. Records that came during the first one can then be handed out,
#: and be in flight before the second one would begin.
_BETWEEN_SECONDS = 0.002


class Turns:
    """Orders the decisions of the lanes of a role. `longest` and `between` are in seconds."""

    def __init__(self, longest: float = _LONGEST_SECONDS, between: float = _BETWEEN_SECONDS) -> None:
        self._longest = longest
        self._between = between
        self._urgent = 0
        self._nothing_urgent = asyncio.Event()
        self._nothing_urgent.set()
        self._background = asyncio.Lock()
        self._ended = 0.0

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Hold for as long as an urgent batch is in flight."""
        self._urgent += 1
        self._nothing_urgent.clear()
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._nothing_urgent.set()

    @asynccontextmanager
    async def background(self, *, is_slice: bool = False) -> AsyncIterator[None]:
        """Hold during one decision of a lane with a pace, or a slice of one.

        Slices are short and may be a thousand, so the time between two decisions is not kept between two slices.
        """
        loop = asyncio.get_running_loop()
        async with self._background:
            rest = self._ended + self._between - loop.time()
            if rest > 0 and not is_slice:
                await asyncio.sleep(rest)
            await self._until_nothing_urgent()
            try:
                yield
            finally:
                self._ended = loop.time()

    async def _until_nothing_urgent(self) -> None:
        try:
            async with asyncio.timeout(self._longest):
                await self._nothing_urgent.wait()
        except TimeoutError:
            return
