"""The broker is away for two minutes; or it is not there yet, or frozen for a while, when the worker starts."""

import asyncio
import os
import signal

from chaos.fault_context import FaultContext
from chaos.world import NotHealed, Worker, patience

from worker.embedded.kafka import EmbeddedKafka, free_port

_AWAY_SECONDS = 120.0
_AWAY_SECONDS_QUICK = 12.0
#: From shorter than its controller waits for a sign of life of it to much longer: it counts as dead afterwards.
_FROZEN_SECONDS = (2.0, 8.0)
_CAUGHT_UP_SECONDS = 30.0
_PORTION = 100


async def run(context: FaultContext, trials: int) -> None:
    """Take the broker away in the middle of work. A worker that ends is started again, as an orchestrator does it."""
    async with EmbeddedKafka() as kafka, context.world(kafka=kafka.bootstrap_servers) as world:
        worker = world.worker()
        living = asyncio.create_task(worker.live())
        try:
            await worker.begun()
            for number in range(trials):
                async with context.trial(number) as trial:
                    await world.feed_some(_PORTION)
                    await kafka.kill()
                    await asyncio.sleep(_AWAY_SECONDS_QUICK if context.quick else _AWAY_SECONDS)
                    await kafka.start()
                    with trial.healing(_CAUGHT_UP_SECONDS):
                        await world.feed_some(_PORTION)
                        await world.caught_up()
                    trial.expect("starts of the worker", worker.starts, 1)
                    trial.take(await world.check())
        finally:
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)


async def at_start(context: FaultContext, trials: int) -> None:
    """Start the worker first, and the broker when the worker has missed it twice."""
    kafka = EmbeddedKafka(port=free_port())
    try:
        async with context.world(kafka=kafka.bootstrap_servers) as world:
            worker = world.worker()
            for number in range(trials):
                async with context.trial(number) as trial:
                    await worker.start()
                    async with patience("the worker to miss the broker"):
                        await worker.process.said("trying again in 2 s")
                    await kafka.start()
                    with trial.healing(_CAUGHT_UP_SECONDS):
                        await _ready(worker, kafka)
                        await world.feed_some(_PORTION)
                        await world.caught_up()
                    trial.expect("exit code", await worker.stop(), 0)
                    trial.take(await world.check())
                    await kafka.kill()
    finally:
        await kafka.stop()


async def frozen_at_start(context: FaultContext, trials: int) -> None:
    """Freeze the broker at some point of the worker's start."""
    async with EmbeddedKafka() as kafka, context.world(kafka=kafka.bootstrap_servers) as world:
        worker = world.worker()
        for number in range(trials):
            async with context.trial(number) as trial:
                rng = context.rng(number)
                await worker.start()
                await asyncio.sleep(rng.uniform(0.3, 3.0))
                os.kill(kafka.pid, signal.SIGSTOP)
                await asyncio.sleep(rng.uniform(*_FROZEN_SECONDS))
                os.kill(kafka.pid, signal.SIGCONT)
                with trial.healing(_CAUGHT_UP_SECONDS):
                    await worker.ready()
                    await world.feed_some(_PORTION)
                    await world.caught_up()
                trial.expect("exit code", await worker.stop(), 0)
                trial.take(await world.check())


async def _ready(worker: Worker, kafka: EmbeddedKafka) -> None:
    """Wait until the worker is ready; should the broker be gone again, say so."""
    try:
        await worker.ready()
    except NotHealed as error:
        raise NotHealed(f"{error}; {kafka.last_words() or 'Kafka runs'}") from None
