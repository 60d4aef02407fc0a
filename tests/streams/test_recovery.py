"""Recovery as a service: how it ends is heard, whatever the end."""

import asyncio
from functools import partial
from typing import Any

import faust
import pytest

from worker.errors import StateLost, StateNotDurable
from worker.streams.recovery import DirectTables


@pytest.mark.parametrize(("ends_in", "heard"), [(StateLost, StateLost), (asyncio.CancelledError, StateNotDurable)])
async def test_what_ends_a_recovery_is_heard(ends_in: type[BaseException], heard: type[Exception]) -> None:
    """Also a cancellation that nobody here asked for: the worker would wait for its tables for ever."""
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    manager: Any = partial(DirectTables, on_failure=failed.set_result)
    app = faust.App("test", broker="kafka://127.0.0.1:9", store="memory://", TableManager=manager)
    tables: Any = app.tables
    recovery = tables.recovery

    async def end(_generation: int) -> None:
        raise ends_in

    recovery._recover = end
    await recovery.start()
    try:
        recovery.signal_recovery_start.set()
        assert isinstance(await failed, heard)
    finally:
        await recovery.stop()
