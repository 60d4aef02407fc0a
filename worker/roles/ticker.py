"""The ticker: it writes ticks to each partition of segments and of cases that this worker owns.

There is a tick every hour and after a take-over, and for cases whenever a timer of a case is due. It carries the time,
and means that everything which had arrived by then has been decided (watermark.py). Windows, incidents, silences and
the time limits of cases move by ticks alone, never by a clock, so it does no harm if a tick comes twice, or late.
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
#: How long after a timer of a case its tick is due, in ms. By then the broker's clock has passed its time too.
_AFTER_TIMER_MS = 1_000
#: The shortest time between two ticks because of timers in the same partition, in ms.
_BETWEEN_MS = 5_000
#: The key of a tick on each topic that gets ticks.
_KEYS: Mapping[str, bytes] = MappingProxyType({events.TALLIES: tick.KEY, events.CASES: case_log.TICK_KEY})


class Ticker:
    """Writes ticks to the partitions that this worker owns, once the group has caught up.

    `caught_up` says whether it has (Watermark.passed). `next_timer` returns the time of the next timer of the cases in
    a partition, in ms; None if there is none.
    """

    def __init__(
        self,
        shell: Shell,
        clock: Clock,
        caught_up: Callable[[], Awaitable[bool]],
        next_timer: Callable[[int], int | None],
    ) -> None:
        self._shell = shell
        self._clock = clock
        self._caught_up = caught_up
        self._next_timer = next_timer
        # The hour of the last tick, by topic and partition.
        self._ticked: dict[tuple[str, int], int] = {}
        # When the last tick was written because of a timer, by the steady clock, by topic and partition.
        self._timed: dict[tuple[str, int], int] = {}
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let `run` end once its current request to Kafka is answered."""
        self._ending.set()

    async def run(self) -> None:
        """Write ticks until `end` is called, or until cancelled. Raise StateNotDurable if a tick cannot be sent.

        A cancellation may interrupt the sending of a tick, or a request to Kafka.
        """
        cases = self._shell.topic_name(events.CASES)
        keys = {self._shell.topic_name(topic): key for topic, key in _KEYS.items()}
        while not self._ending.is_set():
            if self._shell.ready:
                hour = (self._clock.now() - _AFTER_MS) // HOUR
                owned = [(topic, tp.partition) for topic in keys for tp in sorted(self._shell.consumer.due(topic))]
                timed = {place for place in owned if place[0] == cases and self._has_timer(place)}
                due = [place for place in owned if self._ticked.get(place) != hour or place in timed]
                passed = bool(due) and await self._caught_up()
                raise_if_cancelled()
                if passed and not self._ending.is_set():
                    await self._shell.sender.send(
                        (topic, partition, [(keys[topic], b"", [], None)]) for topic, partition in due
                    )
                    self._ticked = {**self._ticked, **dict.fromkeys(due, hour)}
                    self._timed = {**self._timed, **dict.fromkeys(timed, self._clock.steady())}
                self._ticked = {place: ticked for place, ticked in self._ticked.items() if place in owned}
            await self._clock.wait(self._ending, self._clock.steady() + _LOOK_MS)

    def _has_timer(self, place: tuple[str, int]) -> bool:
        """Say whether a timer of a case is due in a partition, and the last tick because of one is not too recent."""
        timer = self._next_timer(place[1])
        if timer is None or self._clock.now() < timer + _AFTER_TIMER_MS:
            return False
        last = self._timed.get(place)
        return last is None or self._clock.steady() - last >= _BETWEEN_MS
