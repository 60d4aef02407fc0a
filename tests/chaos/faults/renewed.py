"""The topic of the responses is deleted and made anew: the worker stops, and goes on where an operator says so."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from chaos.fault_context import FaultContext
from chaos.world import World, patience
from integration.processes import start_worker

_CAUGHT_UP_SECONDS = 60.0
_PORTION = 80
_STAMPED = {"message.timestamp.type": "LogAppendTime"}


async def run(context: FaultContext, trials: int) -> None:
    """In turn while the worker runs and while it does not; what was counted before stays, what comes after counts."""
    async with context.world() as world:
        worker = await world.begin()
        topic = f"{world.name}.responses"
        for number in range(trials):
            async with context.trial(number) as trial:
                await world.feed_some(_PORTION)
                await world.caught_up()
                if number % 2:
                    trial.expect("exit code", await worker.stop(), 0)
                await _renew(world, topic)
                await world.feed_some(_PORTION)
                if number % 2:
                    await worker.start()
                trial.expect("exit code", await worker.died(worker.patience), 1)
                told = [line for line in worker.process.lines if "python -m worker new-epoch responses" in line]
                trial.expect("lines that say what to do", len(told), 1)
                command = await start_worker("new-epoch", "responses", env=worker.env)
                async with patience("the new epoch"):
                    trial.expect("exit code of new-epoch", await command.exited(), 0)
                await trial.heal(world, worker, _CAUGHT_UP_SECONDS)
            if trial.wrong:
                return


async def _renew(world: World, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with patience(f"{topic} to be made anew"):
            while True:
                made = await admin.create_topics([NewTopic(topic, world.partitions, 1, topic_configs=_STAMPED)])
                if made.topic_errors[0][1] == 0:
                    return
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
