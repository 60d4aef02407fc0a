"""Partitions end in the marker of a transaction: time passes all the same, and what was aborted never happened."""

import asyncio

from aiokafka import AIOKafkaProducer
from chaos.fault_context import FaultContext
from chaos.world import World, patience
from integration.reading import read_topic

from worker.flow.messages import tick

#: From the worker's being ready: it asks each second whether everything is decided, and commits each 0.4 seconds. The
#: longest seen was 8.2 seconds, on two cores with a load of 17. How long a start takes is measured by other faults, and
#: says nothing about markers.
_TICKED_SECONDS = 30.0
_PORTION = 40


async def run(context: FaultContext, trials: int) -> None:
    """End every partition in a committed or an aborted transaction, and kill the worker: the next one ticks."""
    async with context.world() as world:
        worker = await world.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                await _transaction(world, number, committed=number % 2 == 0)
                await worker.kill()
                before = await _ticks(world)
                await worker.start()
                await worker.ready()
                with trial.healing(_TICKED_SECONDS):
                    async with patience("a tick behind the marker", worker.patience):
                        while await _ticks(world) == before:  # noqa: ASYNC110 - Kafka raises no event
                            await asyncio.sleep(0.2)
                # A record behind each marker: with it, the committed offsets reach the end.
                await world.feed_some(_PORTION)
                await world.caught_up()
                trial.take(await world.check())
            if trial.wrong:
                return


async def _transaction(world: World, number: int, *, committed: bool) -> None:
    topic, records = f"{world.name}.responses", world.feed.take(_PORTION)
    name = f"{world.name}-{number}"
    async with AIOKafkaProducer(bootstrap_servers=world.kafka, transactional_id=name) as producer:
        await producer.begin_transaction()
        for record in records:
            await producer.send(topic, record.value, key=record.key, headers=record.headers)
        await producer.flush()
        if committed:
            await producer.commit_transaction()
            world.published += records
        else:
            await producer.abort_transaction()


async def _ticks(world: World) -> int:
    return sum(record.key == tick.KEY for record in await read_topic(world.kafka, f"{world.name}.tallies"))
