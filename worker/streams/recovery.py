"""Recovery of the tables each time the group has settled. The tables read their changelogs directly.

Faust's own recovery passes the records of a changelog through the consumer, a queue and a buffer, and keeps the offset
separately from them. If a rebalance is interrupted by the next one, old records can reach a table that is being read
from its beginning. The table then continues after these records, and everything earlier is lost; as soon as the worker
writes, it is lost for good. (This was seen with a worker that had been suspended.) Besides, a step that exceeds the
request time-out ends Faust's recovery without a message. Here a table itself knows the offset up to which it was read
or written, and reads from there.
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

    `on_failure` is called with the error if that fails.
    """

    def __init__(self, *args: Any, on_failure: Callable[[BaseException], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_failure = on_failure
        # The app's count of rebalances when partitions were assigned last.
        self._rebalance = 0

    async def on_rebalance(self, *args: Any, **kwargs: Any) -> None:
        """Let a recovery begin, as Faust does. Note which rebalance it is for.

        The next rebalance may begin before the recovery does: the one before has to end first, and a worker has several
        tables, one after the other.
        """
        self._rebalance = self.app.rebalancing_count
        await super().on_rebalance(*args, **kwargs)

    @Service.task
    async def _restart_recovery(self) -> None:
        signal: Any = self.signal_recovery_start
        while not await self.wait_for_stopped(signal):
            signal.clear()
            recovering = asyncio.ensure_future(self._recover(self._generation_id, self._rebalance))
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

    async def _recover(self, generation: int, rebalance: int) -> None:
        self._set_recovery_started()
        for found in list(self.tables.values()):
            table = cast(DurableTable, found)
            partitions = {tp.partition for tp in self.actives_for_table[found]}
            if not await table.recover(partitions, generation, rebalance):
                return
        try:
            await self.on_recovery_completed(generation)
            if not self.app.consumer.assignment():
                # Faust does not seek without partitions. The offsets of the last seek belong to other workers now.
                await self.app.consumer.perform_seek()
        except (RebalanceAgain, ServiceStopped):
            return

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        """Wait as Faust does; but raise StateNotDurable if it takes too long, where Faust would end the recovery."""
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
        """Do nothing: the consumer reads no changelogs."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Do nothing: the tables log their progress themselves."""


class DirectTables(TableManager):
    """Faust's manager of tables, with this recovery. `on_failure` is passed to the recovery.

    It starts at once. (Faust's own waits for a second, in case a table is declared late.)
    """

    _recovery: DirectRecovery | None = None

    def __init__(self, *args: Any, on_failure: Callable[[BaseException], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_failure = on_failure

    @property
    def recovery(self) -> DirectRecovery:
        """The recovery of the tables."""
        if self._recovery is None:
            self._recovery = DirectRecovery(
                self.app, self, beacon=self.beacon, loop=self.loop, on_failure=self._on_failure
            )
        return self._recovery

    async def on_start(self) -> None:
        """Start the tables and their recovery."""
        await self._update_channels()
        await self.recovery.start()
