"""A worker that starts on tables which are there already: how long until it is ready, and what it weighs then."""

import asyncio
import os
import time

import psutil

from bench.contenders.full import LOOK_SECONDS, settings_for
from bench.contenders.task import Task, given, report
from worker.app import calm_collector, on_event_loop, running

#: Set, it stays until it is killed.
STAYS = "BENCH_STAYS"


async def main(task: Task) -> None:
    """Say how long it took, from the start of the process."""
    calm_collector()
    process = psutil.Process()
    async with running(settings_for(task), "process") as worker:
        while not worker.ready:  # noqa: ASYNC110 - it raises no event
            await asyncio.sleep(LOOK_SECONDS)
        ready = time.time() - process.create_time()
        report(ready_seconds=ready, memory_mb=process.memory_info().rss / 2**20)
        if STAYS in os.environ:
            await asyncio.Event().wait()


if __name__ == "__main__":
    on_event_loop(main(given()))
