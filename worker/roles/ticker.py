"""The ticker: it writes a tick to each partition of segments that this worker holds, hourly and after a take-over.

A tick carries the time, and means that everything which had arrived by then has been decided (watermark.py). Windows,
incidents and silences move by ticks alone, never by a clock, so it does no harm if a tick comes twice, or late.
"""

import asyncio
from collections.abc import Awaitable, Callable

from worker.cancelling import raise_if_cancelled
from worker.clock import Clock
from worker.flow import events
from worker.flow.messages import tick
from worker.flow.timestamps import HOUR
from worker.streams.shell import Shell

#: How long after the full hour the ticks are due, in ms: by then the broker's clock has passed the hour as well, and
#: the last answers of the hour have arrived.
_AFTER = 60_000
#: How often to look which partitions this worker has, in ms.
_LOOK = 1_000


class Ticker:
    """Ticks for the partitions held, once the worker has caught up."""

    def __init__(self, shell: Shell, clock: Clock, caught_up: Callable[[], Awaitable[bool]]) -> None:
        self._shell = shell
        self._clock = clock
        self._caught_up = caught_up
        self._ticked: dict[int, int] = {}
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Ask it to end, once the question to Kafka that is in hand has its answer."""
        self._ending.set()

    async def run(self) -> None:
        """Tick until the ticker is to end, or is cancelled. Raise StateNotDurable if a tick cannot be sent.

        A cancellation may cut off a tick, or a question to Kafka with its connections.
        """
        topic = self._shell.topic_name(events.TALLIES)
        while not self._ending.is_set():
            if self._shell.ready:
                hour = (self._clock.now() - _AFTER) // HOUR
                held = sorted(tp.partition for tp in self._shell.consumer.due(topic))
                due = [partition for partition in held if self._ticked.get(partition) != hour]
                passed = bool(due) and await self._caught_up()
                raise_if_cancelled()
                if passed and not self._ending.is_set():
                    await self._shell.sender.send((topic, partition, [(tick.KEY, b"", [], None)]) for partition in due)
                    self._ticked = {**self._ticked, **dict.fromkeys(due, hour)}
                self._ticked = {partition: ticked for partition, ticked in self._ticked.items() if partition in held}
            await self._clock.wait(self._ending, self._clock.steady() + _LOOK)
