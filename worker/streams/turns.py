"""Urgent batches go first: a lane with a pace decides only while no batch of a lane without a pace is in flight.

All lanes share one event loop, and deciding blocks it. The delays of all partitions of segments end at the same moments
(Pace), and at some hundred responses per second it takes tens of milliseconds to decide the tallies of all of them. If
the event loop did that at one stretch, each alert that falls due meanwhile would be that much later. So the decisions
of lanes with a pace come one at a time, and each waits for a moment without urgent batches. It does not wait for long,
since the tallies have to be counted also while there is a backlog of responses.

At an ordinary rate each of these decisions takes less than a millisecond, and what costs is the rest of the batch: one
produce request for its outputs, and one for its rows. So short decisions follow each other without a pause, as a
*round*, and go on together when the round has ended. Their outputs then share a produce request, and so do their rows.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import inf
from time import monotonic

#: How long a background decision waits for urgent batches, in seconds.
_LONGEST_SECONDS = 0.02
#: How long the decisions of a round take before there is a pause, in seconds. It adds to how long an alert takes.
_TOGETHER_SECONDS = 0.005
#: The pause between two rounds, in seconds. Records that came during the first one can then be handed out, and be in
#: flight before the second one would begin.
_BETWEEN_SECONDS = 0.002


class Turns:
    """Orders the decisions of the lanes of a role. `longest`, `between` and `together` are in seconds."""

    def __init__(
        self,
        longest: float = _LONGEST_SECONDS,
        between: float = _BETWEEN_SECONDS,
        together: float = _TOGETHER_SECONDS,
    ) -> None:
        self._longest = longest
        self._between = between
        self._together = together
        self._urgent = 0
        self._nothing_urgent = asyncio.Event()
        self._nothing_urgent.set()
        self._background = asyncio.Lock()
        # How many background decisions wait for their turn or are being made.
        self._unmade = 0
        # When the last one ended, and how long those of this round took, in seconds.
        self._ended, self._spent = -inf, 0.0
        # Set when this round ends.
        self._round_ended = asyncio.Event()

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
        """Hold during one decision of a lane with a pace, or a slice of one; then wait for the end of its round.

        Slices are short and may be a thousand, so there is no pause between two slices, and they wait for no end.
        """
        self._unmade += 1
        try:
            async with self._background:
                await self._until_turn(is_slice=is_slice)
                began = monotonic()
                try:
                    yield
                finally:
                    self._ended = monotonic()
                    self._spent += self._ended - began
        finally:
            self._unmade -= 1
            round_ended = self._round_ended
            if not self._unmade or self._spent >= self._together:
                self._end_round()
        if not is_slice:
            await round_ended.wait()

    async def _until_turn(self, *, is_slice: bool) -> None:
        """Wait until the next decision may be made. If that is not at once, it belongs to the next round."""
        pause = self._ended + self._between - monotonic()
        if pause > 0 and not is_slice and self._spent >= self._together:
            await asyncio.sleep(pause)
            pause = 0.0
        if pause <= 0:
            self._spent = 0.0
            self._end_round()
        if not self._nothing_urgent.is_set():
            self._end_round()
            await self._until_nothing_urgent()

    def _end_round(self) -> None:
        """Let those go on that are decided."""
        self._round_ended.set()
        self._round_ended = asyncio.Event()

    async def _until_nothing_urgent(self) -> None:
        try:
            async with asyncio.timeout(self._longest):
                await self._nothing_urgent.wait()
        except TimeoutError:
            return
