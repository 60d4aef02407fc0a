"""A table's changelog is deleted, each in turn, and the table made again from the topics that it came from."""

from chaos.faults.state import delete
from chaos.ground import Ground
from chaos.world import patience
from integration.processes import start_worker

_CAUGHT_UP_SECONDS = 60.0
_PORTION = 120
_TABLES = {"contacts": "process", "segments": "process", "watches": "process", "outbox": "notify"}
#: No mail that was not sent is too old.
_ALL_MAIL_DAYS = "10000"
#: A rebuild has ticks of its own, so the clock of what is watched over may differ. Nothing else in the table may.
_OWN_TICKS = r"segments that differ: ['\x00clock'], expected []"


async def run(ground: Ground, trials: int) -> None:
    """Kill the worker with work in hand, delete, rebuild: the recount is exact, and no mail goes out twice."""
    for number in range(trials):
        async with ground.world(f"{number}") as world, ground.trial(number) as trial:
            table, role = list(_TABLES.items())[number % len(_TABLES)]
            worker = await world.begin()
            await world.feed_some(_PORTION)
            await world.caught_up()
            await worker.kill()
            await delete(world, f"{world.name}-{role}-{table}-changelog")
            await worker.start()
            trial.expect("exit code", await worker.died(), 1)
            told = [line for line in worker.process.lines if "python -m worker rebuild" in line]
            trial.expect("lines that say what to do", len(told), 1)
            command = await start_worker("rebuild", "--mail-newer-than-days", _ALL_MAIL_DAYS, env=worker.env)
            async with patience("the rebuild"):
                trial.expect("exit code of rebuild", await command.exited(), 0)
            await trial.heal(world, worker, _CAUGHT_UP_SECONDS)
            await world.feed_some(_PORTION)
            await world.caught_up()
            trial.take(await world.check())
            if table == "watches":
                trial.wrong = [line for line in trial.wrong if not line.endswith(_OWN_TICKS)]
