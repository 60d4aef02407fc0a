"""The worker's fetcher crashes: the process ends by itself, soon and with its exit code, and nothing is lost."""

from chaos.fault_context import FaultContext
from chaos.saboteur import FETCHING, RAISE
from chaos.world import Worker, World

_ENDED_SECONDS = 15.0
_CAUGHT_UP_SECONDS = 15.0
_PORTION = 60


async def run(context: FaultContext, trials: int) -> None:
    """Crash it at one fetch or another, with batches and mails in hand."""
    async with context.world() as world:
        worker = await world.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                worker.told(FETCHING, context.rng(number).randrange(1, 30), RAISE)
                with trial.healing(_ENDED_SECONDS):
                    await world.feed_to_death(worker, _PORTION, worker.patience)
                trial.expect("exit code", worker.process.code, 1)
                critical = [line for line in worker.process.lines if '"critical"' in line]
                trial.expect("lines that say why it stopped", len(critical), 1)
                await _healed(world, worker)
                trial.take(await world.check())
            if trial.wrong:
                return


async def _healed(world: World, worker: Worker) -> None:
    await worker.start()
    await worker.ready()
    await world.caught_up()
