"""Recovery that does not end in silence.

When a step of Faust's recovery exceeds the request time-out (the broker is away, say), Faust takes that for "stopped"
and leaves its loop: no error, no log line, and no recovery ever again, while the worker keeps its partitions.
"""

from typing import Any

from faust import App
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped

from worker.errors import StateNotDurable


class LoudRecovery(Recovery):
    """Faust's recovery; a step that takes too long crashes the app, and the worker stops."""

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        signal: Any = self.signal_recovery_start
        result = await self.wait_first(coro, signal, timeout=timeout)
        if signal in result.done:
            raise RebalanceAgain
        if result.stopped:
            if self.should_stop:
                raise ServiceStopped
            raise StateNotDurable("the tables could not be recovered: Kafka took too long to answer")


def use_loud_recovery(app: App) -> None:
    """Put it in Faust's place; to be called before the app starts."""
    tables: Any = app.tables
    tables._recovery = LoudRecovery(app, tables, beacon=tables.beacon, loop=tables.loop)
