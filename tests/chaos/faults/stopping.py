"""A worker is asked to stop, in order, in the middle of its work."""

import asyncio

from chaos.fault_context import FaultContext

from worker.embedded.inbox import Mail, Step

_STOPPED_SECONDS = 5.0
_PORTION = 400


async def run(context: FaultContext, trials: int) -> None:
    """In every other trial the mail server has gone quiet, with mails in hand."""
    async with context.world() as world:
        worker = await world.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                quiet = number % 2 == 1
                if quiet:
                    world.inbox.behaviour = _says_nothing
                await world.feed_some(_PORTION)
                await asyncio.sleep(context.rng(number).uniform(0, 0.5))
                with trial.healing(_STOPPED_SECONDS):
                    trial.expect("exit code", await worker.stop(), 0)
                said = worker.process.lines[-1]
                trial.expect(
                    "last words",
                    "stopped: all batches are finished, and their offsets are committed" in said,
                    expected=True,
                )
                await world.deserted()
                world.inbox.behaviour = None
                await worker.start()
                await worker.ready()
                await world.caught_up()
                # Without an interruption: whatever was in hand was finished, nothing is repeated.
                trial.take(await world.check())
            if trial.wrong:
                return


async def _says_nothing(step: Step, _mail: Mail) -> None:
    if step is Step.DATA:
        await asyncio.get_running_loop().create_future()
