"""The broker hangs for two seconds, with a commit under way; then the worker is killed at that commit."""

import asyncio

from chaos import invariants
from chaos.fault_context import FaultContext
from chaos.invariants import Verdict
from chaos.proxy import HOST, Proxy
from chaos.world import Worker, World

from worker.embedded.kafka import EmbeddedKafka

_HANGS_SECONDS = 2.0
_CAUGHT_UP_SECONDS = 15.0
_PORTION = 40


async def run(context: FaultContext, trials: int) -> None:
    """On a broker of its own, which clients reach through a proxy only."""
    async with Proxy() as proxy, EmbeddedKafka(advertised_port=proxy.port) as kafka:
        proxy.target = kafka.port
        async with context.world(kafka=f"{HOST}:{proxy.port}") as world:
            worker = await world.begin()
            for number in range(trials):
                async with context.trial(number) as trial:
                    await _hang_and_kill(world, worker, proxy, number)
                    verdict = Verdict()
                    invariants.check_offsets(verdict, await world.find())
                    trial.take(verdict)
                    await trial.heal(world, worker, _CAUGHT_UP_SECONDS)
                if trial.wrong:
                    return


async def _hang_and_kill(world: World, worker: Worker, proxy: Proxy, number: int) -> None:
    await world.feed_some(_PORTION)
    await asyncio.sleep(world.rng.uniform(0, 1.0))
    proxy.hang()
    worker.told(("before_commit", "after_commit")[number % 2], 1, "SIGKILL")
    await asyncio.sleep(_HANGS_SECONDS)
    proxy.flow()
    await world.feed_to_death(worker, _PORTION)
