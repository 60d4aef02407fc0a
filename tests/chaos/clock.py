"""A clock that stands still until it is told to move on."""

import asyncio

from worker.cancelling import cancel_all


class FakeClock:
    """Both clocks in one: wall and steady. Times in ms."""

    def __init__(self) -> None:
        self._now = 1_700_000_000_000
        self._moved = asyncio.Event()

    def now(self) -> int:
        """Return the time."""
        return self._now

    def steady(self) -> int:
        """Return the same."""
        return self._now

    def move_to(self, when: int) -> None:
        """Let time pass until then."""
        self._now = max(self._now, when)
        self._moved.set()

    async def wait(self, event: asyncio.Event, until: int | None) -> None:
        """Return when the event is set, or when the time has come."""
        happening = asyncio.ensure_future(event.wait())
        try:
            while not happening.done() and (until is None or self._now < until):
                moving = asyncio.ensure_future(self._moved.wait())
                try:
                    await asyncio.wait([happening, moving], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await cancel_all([moving])
                self._moved.clear()
        finally:
            await cancel_all([happening])
