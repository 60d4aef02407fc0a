"""Four million responses, one after the other: memory stays flat, and every one is counted."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from statistics import median

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from chaos.fault_context import FaultContext
from chaos.world import PARTITIONS, World, patience
from integration.reading import read_topic

_PER_TRIAL = 4_000_000
#: Few enough for every customer's history to be full long before memory is looked at.
_CUSTOMERS = 2_000
_DESKS = [f'["fr","shop-{shop}","{desk}"]' for shop in range(20) for desk in ("delivery", "support", "sales")]
#: Mostly happy, so that the mails are no soak of the harness.
_SCORES = [0, 6, *[7, 8] * 300, *[9, 10] * 500]
_SAMPLES = 20
#: What it may grow by from the third quarter of the way to the last, by their medians: batches differ in size, and the
#: allocator keeps the space of every combination that it has met by then.
_FLAT = 0.05
_HOURS = 10.0


async def run(context: FaultContext, trials: int) -> None:
    """Publish, as fast as the worker goes along; look at its memory at each twentieth of the way."""
    async with context.world(NPS_KAFKA__BATCH_RECORDS="2000") as world:
        worker = await world.begin()
        process = psutil.Process(worker.process.pid)
        for number in range(trials):
            async with context.trial(number) as trial:
                began, sizes = time.monotonic(), []
                async for done in _published(world, context.rng(number)):
                    sizes.append(process.memory_info().rss / 1e6)
                    context.say(f"soak: {done:,} responses, {sizes[-1]:.0f} MB")
                await world.caught_up()
                third, last = (median(sizes[quarter * _SAMPLES // 4 :][: _SAMPLES // 4]) for quarter in (2, 3))
                trial.figures |= {"MB in the third quarter": third, "MB in the last": last, "MB at most": max(sizes)}
                trial.figures["per second"] = _PER_TRIAL / (time.monotonic() - began)
                if last > third * (1 + _FLAT):
                    trial.wrong.append(f"memory grew from {third:.0f} to {last:.0f} MB")
                scores = {
                    record.key: record.value for record in await read_topic(context.kafka, f"{world.name}.scores")
                }
                trial.expect("responses counted", sum(json.loads(scores[b""])["histogram"]), _PER_TRIAL * (number + 1))


async def _published(world: World, rng: random.Random) -> AsyncIterator[int]:
    """Publish all; yield how many are processed, each time another share of them is."""
    asking = AIOKafkaConsumer(bootstrap_servers=world.kafka)
    producer = AIOKafkaProducer(bootstrap_servers=world.kafka, linger_ms=20, max_batch_size=262_144)
    async with asking, producer:
        for share in range(_SAMPLES):
            for key, value in _responses(rng, share):
                await producer.send(f"{world.name}.responses", value, key=key)
            await producer.flush()
            async with patience("a share of the soak to be processed", _HOURS * 3_600):
                while not await world.is_committed("responses"):  # noqa: ASYNC110 - the broker's offsets raise no event
                    await asyncio.sleep(0.5)
            places = [TopicPartition(f"{world.name}.responses", partition) for partition in range(PARTITIONS)]
            yield sum((await asking.end_offsets(places)).values())


def _responses(rng: random.Random, share: int) -> Iterator[tuple[bytes, bytes]]:
    each = _PER_TRIAL // _SAMPLES
    for number in range(share * each, (share + 1) * each):
        customer, day, second = f"c-{rng.randrange(_CUSTOMERS)}", number // 90_000 % 28 + 1, number % 86_400
        when = f"2025-06-{day:02}T{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
        value = (
            f'{{"response_id":"r-{number}","survey_id":"s","customer_id":"{customer}","score":{rng.choice(_SCORES)},'
            f'"comment":"Produit correct, livraison rapide","responded_at":"{when}","segment":{rng.choice(_DESKS)}}}'
        )
        yield customer.encode(), value.encode()
