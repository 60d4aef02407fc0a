"""Records that nobody could have meant, by the thousand."""

import gc
import json
import tracemalloc
from typing import NamedTuple

import psutil
from aiokafka import AIOKafkaProducer
from chaos.fault_context import FaultContext
from chaos.world import World
from integration.poison import REFUSED, STRAYS, but, generated
from integration.sampling import Published
from streams.batches import GZIP, send

from worker.flow import events
from worker.flow.policy import Policy
from worker.flow.responses import road
from worker.flow.responses.road import Batch

_DECIDED = 2_000
_DECIDED_QUICK = 300
#: What a growth may be that is none, in bytes: caches that fill up, say.
_FLAT_IN_MEMORY = 1_000_000
_FLAT_LIVE = 40_000_000
_CAUGHT_UP_SECONDS = 30.0


class _Record(NamedTuple):
    value: bytes
    offset: int = 0
    key: bytes = b"c-1"
    partition: int = 0
    timestamp: int = 1_770_000_000_000
    headers: tuple[tuple[str, bytes | None], ...] = ()
    topic: str = "nps.responses"


async def run(context: FaultContext, trials: int) -> None:
    """Decide many in memory; then publish `trials` of them, each after a good one, and as many again."""
    corpus = [(value, reason) for _, value, reason in REFUSED]
    values = [*generated(_DECIDED_QUICK if context.quick else _DECIDED, context.seed), *corpus]
    async with context.world() as world, context.trial(trials - 1) as trial:
        trial.weight = trials
        trial.wrong += _decided(values)
        worker = await world.begin()
        process = psutil.Process(worker.process.pid)
        await _publish(world, values[: trials // 2])
        await _publish_oddities(world)
        before = process.memory_info().rss
        with trial.healing(_CAUGHT_UP_SECONDS):
            await _publish(world, values[-(trials - trials // 2) :])
        trial.figures["grown"] = process.memory_info().rss - before
        trial.expect("memory is flat", trial.figures["grown"] < _FLAT_LIVE, expected=True)
        trial.expect("the worker has ended", worker.process.ended, expected=False)
        trial.take(await world.check())


async def _publish_oddities(world: World) -> None:
    """Publish what no publisher of JSON can: among the worker's own messages, and what clients in C write."""
    responses = f"{world.name}.responses"
    producer = AIOKafkaProducer(bootstrap_servers=world.kafka)
    await producer.start()
    try:
        for topic in ("tallies", "hours"):
            for stray in STRAYS:
                await publish_stray(world, producer, topic, stray)
        await publish_odd_name(world, producer)
        await send(producer, responses, 0, [(b"somebody else", but(), [(b"x", bytes(25_000_000))])], GZIP)
        world.published.append(Published(b"somebody else", but(), [], None, "too_large"))
    finally:
        await producer.stop()
    await world.caught_up()


async def publish_odd_name(world: World, producer: AIOKafkaProducer) -> None:
    """Publish an answer with a header whose name is no UTF-8."""
    (answer,) = world.feed.take(1)
    odd: list[tuple[bytes, bytes | None]] = [(name.encode(), text) for name, text in answer.headers]
    odd.append((b"n\xff\xfe", b"1"))
    await send(producer, f"{world.name}.responses", 0, [(answer.key, answer.value, odd)])
    world.published.append(answer)


async def publish_stray(world: World, producer: AIOKafkaProducer, topic: str, stray: bytes | None) -> None:
    """Publish what is no message of the worker's among them."""
    await producer.send_and_wait(f"{world.name}.{topic}", stray, key=b"x", partition=0)
    world.published.append(Published(b"x", b"", [], None, "wrong_type"))


async def _publish(world: World, values: list[tuple[bytes, str]]) -> None:
    for value, reason in values:
        await world.publish([*world.feed.take(1), Published(b"c-1", value, [], None, reason)])
    await world.caught_up()


def _decided(values: list[tuple[bytes, str]]) -> list[str]:
    """Decide each value by itself; return what came out wrong: a crash, another reason, memory that grows."""
    wrong = [line for value, reason in values if (line := _decide(value, reason))]
    gc.collect()
    tracemalloc.start()
    for value, reason in values:
        _decide(value, reason)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return [*wrong, *([f"memory grows by {grown} bytes"] if grown > _FLAT_IN_MEMORY else [])]


def _decide(value: bytes, reason: str) -> str | None:
    batch = Batch([_Record(value)], 0, "nps.responses", "cluster/nps.responses", {})
    try:
        decided = road.decide(batch, Policy(), lambda _: None, lambda _: 0)
    except Exception as error:  # noqa: BLE001 - what no value may cause
        return f"{type(error).__name__} for {value[:80]!r}"
    found = [
        json.loads(output.value or b"")["reason"] if output.topic == events.DEAD_LETTERS else output.topic
        for output in decided.outputs
    ]
    return None if found == [reason] else f"{found}, expected {reason}, for {value[:80]!r}"
