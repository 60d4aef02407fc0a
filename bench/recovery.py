"""How long a worker takes to be ready on large tables, and what it weighs then."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from bench import feed, measure
from bench.contenders.full import TIMED
from bench.contenders.start import STAYS
from bench.contenders.store import WHICH
from bench.contenders.task import Task
from bench.feed import Feed
from bench.throughput import FULL, QUIX, Environment

_TOPIC = "recovery.responses"
_NAME = "recovery"


class Ready(NamedTuple):
    """Seconds from the start of the process until it is ready, and MB then."""

    seconds: float
    mb: float


async def run(environment: Environment, customers: int) -> dict[str, Ready]:
    """Fill the tables; then start after a clean stop, with everything local gone, and after SIGKILL."""
    await feed.publish(environment.kafka, _TOPIC, Feed(customers, customers=customers, known=customers))
    task = Task(environment.kafka, _TOPIC, _NAME, customers)
    figures = await measure.run(FULL.name, measure.module(FULL.name), task, environment.data)
    environment.say(f"{customers:,} customers counted in {figures.seconds:.0f} s")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        found = {
            "clean": await _started(environment, task, Path(one)),
            "wiped": await _started(environment, task, Path(other), TMPDIR=other),
        }
        await _killed(task, Path(one))
        found["killed"] = await _started(environment, task, Path(one))
    return found


async def cases(environment: Environment, count: int) -> dict[str, Ready]:
    """Let as many customers be detractors, so that each has an open case with time limits; then start as above."""
    topic, name = "recovery.detractors", "cases"
    responses = Feed(count, customers=count, known=count, weights=feed.DETRACTORS)
    await feed.publish(environment.kafka, topic, responses)
    task = Task(environment.kafka, topic, name, count)
    figures = await measure.run(FULL.name, measure.module(FULL.name), task, environment.data, **{TIMED: "1"})
    environment.say(f"{count:,} cases opened in {figures.seconds:.0f} s")
    with tempfile.TemporaryDirectory() as folder:
        found = {"clean": await _started(environment, task, Path(folder), **{TIMED: "1"})}
        await _killed(task, Path(folder), **{TIMED: "1"})
        found["killed"] = await _started(environment, task, Path(folder), **{TIMED: "1"})
    return found


async def stores(environment: Environment, customers: int) -> dict[str, float]:
    """Return the MB that this many rows take in a dictionary and in RocksDB; empty if RocksDB is not installed."""
    found: dict[str, float] = {}
    if QUIX.key in environment.others:
        python, *_ = environment.others[QUIX.key]
        task = Task(environment.kafka, _TOPIC, _NAME, customers)
        for which in ("memory", "rocksdb"):
            with tempfile.TemporaryDirectory() as folder:
                command = measure.module("store", python)
                async with measure.started(command, task, Path(folder), **{WHICH: which}) as process:
                    said = await measure.heard("store", process)
            environment.say(
                f"{customers:,} rows in {which}: {said['mb']:.0f} MB, {said['disk_mb']:.0f} MB on disk, "
                f"{said['change_us']:.1f} µs to read and write one, open after {1000 * said['reopen_seconds']:.0f} ms"
            )
            found[f"store_{which}_mb"] = said["mb"]
    return found


async def _started(environment: Environment, task: Task, folder: Path, **variables: str) -> Ready:
    async with measure.started(measure.module("start"), task, folder, **variables) as process:
        said = await measure.heard("start", process)
    ready = Ready(said["ready_seconds"], said["memory_mb"])
    environment.say(f"ready after {ready.seconds:.1f} s, with {ready.mb:.0f} MB")
    return ready


async def _killed(task: Task, folder: Path, **variables: str) -> None:
    async with measure.started(measure.module("start"), task, folder, **{STAYS: "1"}, **variables) as process:
        await measure.heard("start", process, stays=True)
        process.kill()
        await process.wait()
