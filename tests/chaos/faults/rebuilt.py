"""A table's changelog is deleted, each in turn, and the table made again from the topics that it came from."""

from chaos.fault_context import FaultContext, Trial
from chaos.faults.state import delete
from chaos.tables import CLOCK
from chaos.world import World, patience
from integration.processes import start_worker

_CAUGHT_UP_SECONDS = 60.0
_PORTION = 120
_TABLES = {"contacts": "process", "segments": "process", "watches": "process", "outbox": "notify"}
#: No mail that was not sent is too old.
_ALL_MAIL_DAYS = "10000"


async def run(context: FaultContext, trials: int) -> None:
    """Kill the worker with work in hand, delete, rebuild: the recount is exact, and no mail goes out twice."""
    for number in range(trials):
        async with context.world(f"{number}") as world, context.trial(number) as trial:
            await _lose_and_rebuild(world, trial, list(_TABLES)[number % len(_TABLES)])


async def outbox(context: FaultContext, trials: int) -> None:
    """Do it with the outbox alone, which says what was mailed."""
    for number in range(trials):
        async with context.world(f"{number}") as world, context.trial(number) as trial:
            await _lose_and_rebuild(world, trial, "outbox")


async def _lose_and_rebuild(world: World, trial: Trial, table: str) -> None:
    worker = await world.begin()
    await world.feed_some(_PORTION)
    await world.caught_up()
    await worker.kill()
    await delete(world, f"{world.name}-{_TABLES[table]}-{table}-changelog")
    await worker.start()
    trial.expect("exit code", await worker.died(), 1)
    told = [line for line in worker.process.lines if "python -m worker rebuild" in line]
    trial.expect("lines that say what to do", len(told), 1)
    arguments = ("rebuild", "--mail-newer-than-days", _ALL_MAIL_DAYS)
    command = await start_worker(*arguments, env=worker.env, module="chaos.saboteur")
    async with patience("the rebuild"):
        trial.expect("exit code of rebuild", await command.exited(), 0)
    # A rebuild has ticks of its own, so the clock of what is watched over may differ. Nothing else in the table may.
    unwatched = {CLOCK} if table == "watches" else set()
    await trial.heal(world, worker, _CAUGHT_UP_SECONDS, unwatched=unwatched)
    await world.feed_some(_PORTION)
    await world.caught_up()
    trial.take(await world.check(unwatched=unwatched))
