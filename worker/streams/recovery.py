"""Recovery of the tables, each time the group has settled: their changelogs are read directly.

Faust's own recovery passes a changelog's records through the consumer, a queue and a buffer, and keeps its place beside
them. When a rebalance is overtaken by the next one, records of before can reach a table that is read anew: it then
takes them for its beginning, goes on from there, and everything earlier is lost (seen with a worker that had been
stopped; so is its state, durably, as soon as it writes). And a step that exceeds the request time-out ends recovery for
good, without a word. Here a table reads from the offset up to which it has read, or written, itself.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from mode import Service

from worker.cancelling import cancel_all
from worker.errors import StateNotDurable
from worker.streams.table import DurableTable


class DirectRecovery(Recovery):
    """Recovers the tables, takes their partitions over, and lets the streams begin.

    `on_failure` hears what goes wrong.
    """

    def __init__(self, *args: Any, on_failure: Callable[[BaseException], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_failure = on_failure

    @Service.task
    async def _restart_recovery(self) -> None:
        signal: Any = self.signal_recovery_start
        while not await self.wait_for_stopped(signal):
            signal.clear()
            recovering = asyncio.ensure_future(self._recover(self._generation_id))
            overtaken = asyncio.ensure_future(signal.wait())
            stopped = asyncio.ensure_future(self._stopped.wait())
            waiting = {recovering, overtaken, stopped}
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await cancel_all(waiting)
            if not recovering.cancelled():
                if (error := recovering.exception()) is not None:
                    self._on_failure(error)
            elif recovering in done:
                self._on_failure(StateNotDurable("the tables could not be recovered: reading was cancelled"))

    async def _recover(self, generation: int) -> None:
        self._set_recovery_started()
        for found in list(self.tables.values()):
            table = cast(DurableTable, found)
            partitions = {tp.partition for tp in self.actives_for_table[found]}
            if not await table.recover(partitions, generation):
                return
        try:
            await self.on_recovery_completed(generation)
            if not self.app.consumer.assignment():
                await self.app.consumer.perform_seek()  # Faust leaves it out; what was sought before is others' now
        except (RebalanceAgain, ServiceStopped):
            return

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        """Wait as Faust does; what takes too long is an error, and not taken for the end."""
        signal: Any = self.signal_recovery_start
        result = await self.wait_first(coro, signal, timeout=timeout)
        if signal in result.done:
            raise RebalanceAgain
        if result.stopped:
            if self.should_stop:
                raise ServiceStopped
            raise StateNotDurable("the tables could not be recovered: Kafka took too long to answer")

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing: no changelog passes through the consumer."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Nothing: a table says itself how far it is."""


class DirectTables(TableManager):
    """Faust's manager of tables, with this recovery.

    It starts at once: Faust waits for a second, in case somebody declares tables late. `on_failure` is the recovery's.
    """

    _recovery: DirectRecovery | None = None

    def __init__(self, *args: Any, on_failure: Callable[[BaseException], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_failure = on_failure

    @property
    def recovery(self) -> DirectRecovery:
        """How the tables are recovered."""
        if self._recovery is None:
            self._recovery = DirectRecovery(
                self.app, self, beacon=self.beacon, loop=self.loop, on_failure=self._on_failure
            )
        return self._recovery

    async def on_start(self) -> None:
        """Start the tables and their recovery."""
        await self._update_channels()
        await self.recovery.start()
