"""Workers join and leave while responses come in."""

from chaos.fault_context import FaultContext

_CAUGHT_UP_SECONDS = 15.0
_PER_SECOND = 60


async def run(context: FaultContext, trials: int) -> None:
    """One worker stays; others come and go, in order."""
    async with context.world() as world:
        await world.begin()
        guests = [world.worker(), world.worker()]
        present: list[bool] = [False, False]
        for number in range(trials):
            async with context.trial(number) as trial:
                which = context.rng(number).randrange(len(guests))
                async with world.fed(_PER_SECOND):
                    if present[which]:
                        trial.expect("exit code", await guests[which].stop(), 0)
                    else:
                        await guests[which].start()
                        await guests[which].ready()
                present[which] = not present[which]
                with trial.healing(_CAUGHT_UP_SECONDS):
                    await world.caught_up()
                trial.take(await world.check())
            if trial.wrong:
                return
