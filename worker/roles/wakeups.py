"""What keeps the plans of receivers going: who waits for which digest, and ticks when something is due.

The rows of the plans say when something is due next. The worker that has the partition then writes a tick for this
receiver. The time of a tick is the broker's, so one that comes too early by the broker's clock does nothing, and is
followed by another one. A tick that comes twice or late does no harm either.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from worker.cancelling import raise_if_cancelled
from worker.clock import Clock
from worker.notify.digest import Members
from worker.notify.forwarded import TICK_KEY
from worker.notify.receiver_plan import Plan
from worker.streams.observer import TableObserver
from worker.streams.sending import Sendable
from worker.streams.shell import Shell

#: How long after a tick the next one for the same receiver may come, in ms.
_AGAIN_MS = 1_000
#: How long to wait at most until the times are looked at again, in ms.
_LOOK_MS = 10_000


class WaitingForDigests(TableObserver):
    """Keeps in memory which mails of the partitions that this worker owns wait for which digest."""

    def __init__(self) -> None:
        self.members = Members()

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Note the mails of these rows that wait for digests."""
        self.members.note_rows(partition, rows)

    async def on_revoked(self) -> None:
        """Forget everything: all rows are noted again after the take-over."""
        self.members.clear()


class Wakeups:
    """Writes a tick for each receiver of this worker's partitions when its plan has something that is due."""

    def __init__(self, shell: Shell, clock: Clock, topic: str) -> None:
        self._shell = shell
        # The topic of the plans, without the prefix.
        self._topic = topic
        self._clock = clock
        # When the plans have something that is due, by the wall clock, by partition and receiver.
        self._wake: dict[tuple[int, str], int] = {}
        # The earliest time of the next tick for those that have got one, by the monotonic clock.
        self._not_before: dict[tuple[int, str], int] = {}
        self._changed = asyncio.Event()
        self._is_ending = False

    def on_plan(self, partition: int, receiver: str, plan: Plan) -> None:
        """Note when a plan has something that is due."""
        if plan.wake:
            self._wake[partition, receiver] = plan.wake
            self._changed.set()
        else:
            self._wake.pop((partition, receiver), None)

    def forget(self) -> None:
        """Forget everything: all plans are noted again after the take-over."""
        self._wake.clear()

    def end(self) -> None:
        """Let `run` end once its current request to Kafka is answered."""
        self._is_ending = True
        self._changed.set()

    async def run(self) -> None:
        """Write ticks until `end` is called, or until cancelled. Raise StateNotDurable if a tick cannot be sent."""
        topic = self._shell.topic_name(self._topic)
        while not self._is_ending:
            self._changed.clear()
            steady = self._clock.steady()
            times = {place: self._due_at(place, wake) for place, wake in self._wake.items()}
            due = sorted(place for place, at in times.items() if at <= steady)
            if due:
                later = {place: at for place, at in self._not_before.items() if at > steady}
                self._not_before = later | dict.fromkeys(due, steady + _AGAIN_MS)
                by_partition: dict[int, list[Sendable]] = defaultdict(list)
                for partition, receiver in due:
                    by_partition[partition].append((TICK_KEY, receiver.encode(), [], None))
                await self._shell.sender.send((topic, partition, ticks) for partition, ticks in by_partition.items())
                raise_if_cancelled()
                continue
            # The wall clock may jump, so the times are looked at again after a while.
            next_at = min(times.values(), default=None)
            until = None if next_at is None else min(next_at, steady + _LOOK_MS)
            await self._clock.wait(self._changed, until)

    def _due_at(self, place: tuple[int, str], wake: int) -> int:
        """Return when a tick is due, by the monotonic clock."""
        at = self._clock.steady() + wake - self._clock.now()
        return max(at, self._not_before.get(place, at))
