"""Recovery as a service: how it ends is heard, whatever the end."""

import asyncio
from functools import partial
from typing import Any, cast

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

    async def end(_generation: int, _rebalance: int) -> None:
        raise ends_in

    recovery._recover = end
    await recovery.start()
    try:
        recovery.signal_recovery_start.set()
        assert isinstance(await failed, heard)
    finally:
        await recovery.stop()


async def test_a_recovery_is_for_the_rebalance_that_assigned_its_partitions_and_not_for_a_later_one() -> None:
    app = faust.App("test", broker="kafka://127.0.0.1:9", store="memory://", TableManager=cast(Any, _tables))
    recovery: Any = cast(Any, app.tables).recovery
    begun: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

    async def begin(*of: int) -> None:
        begun.set_result(cast(tuple[int, int], of))

    recovery._recover = begin
    app.consumer_generation_id, app.rebalancing_count = 7, 3
    await recovery.on_rebalance(set(), set(), set(), 7)
    app.rebalancing_count = 4  # the next one begins before the recovery does
    await recovery.start()
    try:
        assert await begun == (7, 3)
    finally:
        await recovery.stop()


def _tables(*args: Any, **options: Any) -> DirectTables:
    return DirectTables(*args, on_failure=lambda _: None, **options)
