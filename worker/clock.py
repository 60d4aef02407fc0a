"""The clock of the parts that do I/O. The pure core gets each time as an argument, and never asks for it."""

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """The time, and waiting for a time. All times are in ms."""

    def now(self) -> int:
        """Return the time since 1970 by the wall clock, which may jump. It is meant for people and for rows."""

    def steady(self) -> int:
        """Return the time by a monotonic clock, whose zero has no meaning. It is meant for durations."""

    async def wait(self, event: asyncio.Event, until: int | None) -> None:
        """Return when the event is set, or when `steady` reaches `until`."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> int:
        """Return the time since 1970 by the wall clock."""
        return int(time.time() * 1_000)

    def steady(self) -> int:
        """Return the time by the monotonic clock."""
        return int(time.monotonic() * 1_000)

    async def wait(self, event: asyncio.Event, until: int | None) -> None:
        """Return when the event is set, or when `steady` reaches `until`."""
        if until is None:
            await event.wait()
            return
        seconds = (until - self.steady()) / 1_000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # asyncio.wait_for would make a task for each wait
                await event.wait()
