"""Checkpoints: the rows that several batches have changed are written together.

At ordinary rates each response is a batch of its own. If its rows were written at once, it would cost two produce
requests: one for its outputs, and one for its rows. The outputs cannot wait, since alerts are among them. The rows can.
So a batch changes the rows in memory (store.py), and the next batches are decided on these rows. Some time later, a
checkpoint writes the rows of all batches so far with their head row; a row that several batches have changed is written
once. The order is the same as without checkpoints: outputs, then state, then offset. The offsets of the batches may be
committed only after the checkpoint.

Records to some topics can wait as well: nobody waits for them as one waits for an alert (`Checkpoint.outputs`). They
are kept with the changes of the rows, and a checkpoint sends them before it writes the rows. If the changes are taken
back, so are they, since their batches are decided again.

While batches come one after the other, checkpoints begin once a second: each one takes two produce requests, and
lets the receivers of its outputs fetch. Once half of its time has passed, a checkpoint goes along with the outputs of
the next batch of another partition, since these need a produce request anyway.

After a crash, all batches since the last checkpoint are replayed from the state of that checkpoint. The records may be
grouped into other batches then. So a road may only wait for checkpoints if its decision about a record does not depend
on which other records are in its batch, and if receivers recognise repeats by the record that has caused them.

Neither may a table wait whose observer lets something happen outside of Kafka, once a row is durable: it would happen
later. That is so for the outbox, since a mail is tried only after it is durably planned.
"""

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, NamedTuple

from faust.types import TP

#: Writes the checkpoint of one partition.
Write = Callable[[], Coroutine[Any, Any, None]]


class Checkpoint(NamedTuple):
    """When the rows of a lane are written. The times and the size bound what a crash repeats."""

    #: The time from a batch until its rows are being written, in seconds.
    seconds: float = 0.2
    #: The shortest time between the beginnings of two checkpoints of a role, in seconds. If it is longer than the first
    #: one, rows wait for so long.
    between_seconds: float = 1.0
    #: The largest size of the changed rows and the outputs of one partition that wait, in bytes. With more, they are
    #: sent and written at once. A batch at full speed has more.
    most_bytes: int = 250_000
    #: The topics whose records wait as well, without their prefix.
    outputs: frozenset[str] = frozenset()


class _Planned(NamedTuple):
    write: Write
    #: Says whether the partition has a batch in flight. A checkpoint would wait for the end of that batch.
    is_busy: Callable[[], bool]


class Checkpoints:
    """Begins the checkpoints of all lanes of a role. While nothing waits, there is no timer.

    The checkpoints of all partitions begin in the same turn of the event loop. So their records go to the broker in the
    same produce request. `on_end` is called with the task of each checkpoint that has ended.
    """

    def __init__(self, on_end: "Callable[[asyncio.Task[None]], None]") -> None:
        self._on_end = on_end
        self._planned: dict[TP, _Planned] = {}
        self._timer: asyncio.TimerHandle | None = None
        # The time of the event loop from which on checkpoints go along with outputs, and that at which some began last.
        self._goes_along_from = 0.0
        self._began = -inf
        self._writing: set[asyncio.Task[None]] = set()

    def plan(self, tp: TP, checkpoint: Checkpoint, write: Write, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Call `write` when `checkpoint` is due. It replaces the partition's `write` that was planned before.

        `is_busy` says whether the partition has a batch in flight.
        """
        self._planned[tp] = _Planned(write, is_busy)
        loop = asyncio.get_running_loop()
        now = loop.time()
        at = max(now + checkpoint.seconds, self._began + checkpoint.between_seconds)
        if self._timer is None or at < self._timer.when():
            self._clear_timer()
            self._timer = loop.call_at(at, self._begin)
            self._goes_along_from = (now + at) / 2

    def go_along(self) -> None:
        """Begin checkpoints half of whose time has passed: outputs are being sent, and a request can take both."""
        if self._timer is None or asyncio.get_running_loop().time() < self._goes_along_from:
            return
        for tp, planned in list(self._planned.items()):
            if not planned.is_busy():
                del self._planned[tp]
                self._start(planned)
        if not self._planned:
            self._clear_timer()

    async def write_all(self) -> None:
        """Write everything that waits, and what is being written. Raise the error of a checkpoint that has failed."""
        self._begin()
        if self._writing:
            done, _ = await asyncio.wait(set(self._writing))
            for task in done:
                task.result()

    def _begin(self) -> None:
        """Begin the checkpoints that are planned."""
        self._clear_timer()
        planned, self._planned = self._planned, {}
        for each in planned.values():
            self._start(each)

    def _start(self, planned: _Planned) -> None:
        self._began = asyncio.get_running_loop().time()
        task = asyncio.create_task(planned.write())
        self._writing.add(task)
        task.add_done_callback(self._ended)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._writing.discard(task)
        self._on_end(task)
