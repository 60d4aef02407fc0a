"""Time as the shell has it. The core is told what time it is; only the shell asks, and it asks this."""

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """What waiting needs to know. Times in ms."""

    def now(self) -> int:
        """Return the wall clock's time since the epoch: for people and for rows. It may jump."""

    def steady(self) -> int:
        """Return a time that only ever moves forward, at the pace of seconds; its zero means nothing."""

    async def wait(self, event: asyncio.Event, until: int | None) -> None:
        """Return when the event is set, or when `steady` reaches `until`."""


class SystemClock:
    """The machine's."""

    def now(self) -> int:
        """Return the wall clock's time since the epoch."""
        return int(time.time() * 1_000)

    def steady(self) -> int:
        """Return the monotonic clock's time."""
        return int(time.monotonic() * 1_000)

    async def wait(self, event: asyncio.Event, until: int | None) -> None:
        """Return when the event is set, or when `steady` reaches `until`."""
        seconds = None if until is None else (until - self.steady()) / 1_000
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
