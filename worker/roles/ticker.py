"""The ticker: it writes ticks to each partition of segments and of cases that this worker owns.

There is a tick every hour and after a take-over. It carries the time, and means that everything which had arrived by
then has been decided (watermark.py). Windows, incidents and silences move by ticks alone, never by a clock, so it does
no harm if a tick comes twice, or late.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from worker.cancelling import raise_if_cancelled
from worker.clock import Clock
from worker.flow import events
from worker.flow.messages import case_log, tick
from worker.flow.timestamps import HOUR
from worker.streams.shell import Shell

#: How long after the full hour the ticks are due, in ms. By then the broker's clock has passed the hour too, and the
#: last answers of the hour have arrived.
_AFTER_MS = 60_000
#: How often the ticker looks which partitions this worker has, in ms.
_LOOK_MS = 1_000
#: The key of a tick on each topic that gets ticks.
_KEYS: Mapping[str, bytes] = MappingProxyType({events.TALLIES: tick.KEY, events.CASES: case_log.TICK_KEY})


class Ticker:
    """Writes ticks to the partitions that this worker owns, once the group has caught up.

    `caught_up` says whether it has (Watermark.passed).
    """

    def __init__(self, shell: Shell, clock: Clock, caught_up: Callable[[], Awaitable[bool]]) -> None:
        self._shell = shell
        self._clock = clock
        self._caught_up = caught_up
        # The hour of the last tick, by topic and partition.
        self._ticked: dict[tuple[str, int], int] = {}
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let `run` end once its current request to Kafka is answered."""
        self._ending.set()

    async def run(self) -> None:
        """Write ticks until `end` is called, or until cancelled. Raise StateNotDurable if a tick cannot be sent.

        A cancellation may interrupt the sending of a tick, or a request to Kafka.
        """
        keys = {self._shell.topic_name(topic): key for topic, key in _KEYS.items()}
        while not self._ending.is_set():
            if self._shell.ready:
                hour = (self._clock.now() - _AFTER_MS) // HOUR
                owned = [(topic, tp.partition) for topic in keys for tp in sorted(self._shell.consumer.due(topic))]
                due = [place for place in owned if self._ticked.get(place) != hour]
                passed = bool(due) and await self._caught_up()
                raise_if_cancelled()
                if passed and not self._ending.is_set():
                    await self._shell.sender.send(
                        (topic, partition, [(keys[topic], b"", [], None)]) for topic, partition in due
                    )
                    self._ticked = {**self._ticked, **dict.fromkeys(due, hour)}
                self._ticked = {place: ticked for place, ticked in self._ticked.items() if place in owned}
            await self._clock.wait(self._ending, self._clock.steady() + _LOOK_MS)
