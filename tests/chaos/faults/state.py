"""What a worker rests on goes: its directory is wiped, the broker's disk is full, a changelog is deleted."""

import asyncio
import json
import resource
import shutil
import signal
from collections.abc import Callable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from chaos import invariants, tables
from chaos.fault_context import FaultContext, Trial
from chaos.invariants import Verdict
from chaos.tables import Table
from chaos.world import Worker, World, patience

from worker.embedded.kafka import EmbeddedKafka

_CAUGHT_UP_SECONDS = 15.0
_PORTION = 80
#: No file of the broker's can grow beyond this.
_FULL_BYTES = 1
_PATIENCE_SECONDS = 8
#: What comes after them has to be acknowledged.
_STEPS = ("validated", "outputs_acked", "outputs_sent")
#: What no tick changes, which there is one of at each start. A tick adds rows of watches and takes some away: the check
#: at the end of the trial holds them against the hours' topic.
_UNTOUCHED: dict[str, Callable[[Table], Any]] = {
    "contacts": lambda table: table.rows,
    "outbox": lambda table: table.rows,
    "segments": lambda table: {path: of["all"] for path, of in tables.windows(table).items()},
}


async def wiped(context: FaultContext, trials: int) -> None:
    """Kill a worker and wipe its temporary and working directory, also while it runs."""
    async with context.world() as world:
        home = world.folder / "home"
        home.mkdir()
        worker = await world.begin(TMPDIR=str(home), NPS_STATUS_FILE=str(home / "status"))
        for number in range(trials):
            async with context.trial(number) as trial:
                await world.feed_some(_PORTION)
                await world.caught_up()
                before = (await world.find()).tables
                _wipe(world)
                await worker.kill()
                _wipe(world)
                with trial.healing(_CAUGHT_UP_SECONDS):
                    await worker.start()
                    await worker.ready()
                after = (await world.find()).tables
                for table, of in _UNTOUCHED.items():
                    trial.expect(f"{table} is the same", of(after[table]) == of(before[table]), expected=True)
                await world.feed_some(_PORTION)
                await world.caught_up()
                trial.take(await world.check())


def _wipe(world: World) -> None:
    shutil.rmtree(world.folder / "home")
    (world.folder / "home").mkdir()


async def disk_full(context: FaultContext, trials: int) -> None:
    """Let no file of the broker's grow while a batch is in hand, as on a full disk: it ends. Then make room."""
    options = {"NPS_KAFKA__PATIENCE_SECONDS": str(_PATIENCE_SECONDS)}
    async with EmbeddedKafka() as kafka, context.world(kafka=kafka.bootstrap_servers, **options) as world:
        worker = world.worker()
        for number in range(trials):
            async with context.trial(number) as trial:
                await worker.start()
                await worker.ready()
                await world.feed_to_a_stop(worker, _STEPS[number % len(_STEPS)], _PORTION)
                _, hard = resource.prlimit(kafka.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(kafka.pid, resource.RLIMIT_FSIZE, (_FULL_BYTES, hard))
                worker.tell(signal.SIGCONT)
                await _stopped_loudly(trial, worker, "no acknowledgement for")
                await kafka.restart()
                await _nothing_ahead(trial, world)
                await trial.heal(world, worker, _CAUGHT_UP_SECONDS + _PATIENCE_SECONDS)
                trial.expect("exit code", await worker.stop(), 0)
            if trial.wrong:
                return


async def _stopped_loudly(trial: Trial, worker: Worker, why: str) -> None:
    """Expect that the worker ends by itself, not well, and with one line that says why."""
    trial.expect("exit code", await worker.died(), 1)
    critical = [json.loads(line)["message"] for line in worker.process.lines if '"critical"' in line]
    if [why in line for line in critical] != [True]:
        trial.wrong.append(f"it stopped with the lines {critical}; expected is one about '{why}'")


async def _nothing_ahead(trial: Trial, world: World) -> None:
    verdict = Verdict()
    invariants.check_offsets(verdict, await world.find())
    trial.take(verdict)


async def changelog_gone(context: FaultContext, trials: int) -> None:
    """Delete a changelog, in turn while the worker runs and while it does not."""
    for number in range(trials):
        async with context.world(f"{number}") as world, context.trial(number) as trial:
            changelog = f"{world.name}-process-contacts-changelog"
            worker = await world.begin()
            await world.feed_some(_PORTION)
            await world.caught_up()
            if number % 2:
                trial.expect("exit code", await worker.stop(), 0)
                await delete(world, changelog)
                await worker.start()
                await _stopped_loudly(trial, worker, f"its state on {changelog} ends at 0")
            else:
                await delete(world, changelog)
                await world.feed_some(_PORTION)
                await _stopped_loudly(trial, worker, f"{changelog}: the topic does not exist any more")


async def delete(world: World, topic: str) -> None:
    """Delete a topic and wait until it is gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        async with patience(f"{topic} to be gone"):
            while topic in await admin.list_topics():  # noqa: ASYNC110 - Kafka raises no event
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
