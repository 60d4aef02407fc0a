"""Three workers are killed at random while responses come in, and started again."""

import asyncio
import random

from chaos.fault_context import FaultContext
from chaos.world import Worker

_WORKERS = 3
_RESPONSES_PER_KILL = 1_667
_SECONDS_PER_KILL = 10.0
_CAUGHT_UP_SECONDS = 120.0


async def run(context: FaultContext, trials: int) -> None:
    """Kill `trials` times, one worker or another, at moments that come as raindrops do; then compare."""
    rng = context.rng(0)
    options = {"NPS_KAFKA__BATCH_RECORDS": "200"}
    async with context.world(customers=10 * trials + 150, **options) as world:
        workers = [world.worker() for _ in range(_WORKERS)]
        await asyncio.gather(*(worker.start() for worker in workers))
        await asyncio.gather(*(worker.ready() for worker in workers))
        seconds = trials * _SECONDS_PER_KILL
        async with context.trial(trials - 1) as trial:
            feeding = asyncio.create_task(world.feed_some(trials * _RESPONSES_PER_KILL, seconds=seconds))
            await _kill_some(workers, trials, rng)
            await feeding
            with trial.healing(_CAUGHT_UP_SECONDS):
                await world.caught_up()
            trial.take(await world.check())
            trial.figures["responses"] = len(world.published)
        trial.weight = trials


async def _kill_some(workers: list[Worker], kills: int, rng: random.Random) -> None:
    for _ in range(kills):
        await asyncio.sleep(rng.expovariate(1 / _SECONDS_PER_KILL))
        worker = rng.choice(workers)
        await worker.kill()
        await worker.start()
