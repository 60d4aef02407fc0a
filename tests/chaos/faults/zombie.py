"""A worker is stopped in its tracks past its session, another takes over, and then the first one wakes."""

import asyncio
import signal

from chaos.fault_context import FaultContext

_CAUGHT_UP_SECONDS = 30.0
#: With a batch or a mail in hand, at the worst of moments: what it is about to send is old when it wakes.
_STEPS = ("rows_sent", "rows_wait", "outputs_sent", "outputs_acked", "validated", "mail_claimed")
_PORTION = 60


async def run(context: FaultContext, trials: int) -> None:
    """Each trial stops a worker at another step."""
    async with context.world() as world:
        workers = [world.worker(), world.worker()]
        await asyncio.gather(*(worker.start() for worker in workers))
        await asyncio.gather(*(worker.ready() for worker in workers))
        for number in range(trials):
            async with context.trial(number) as trial:
                step, zombie = _STEPS[number % len(_STEPS)], workers[number % len(workers)]
                await world.feed_to_a_stop(zombie, step, _PORTION)
                await world.feed_some(_PORTION)
                with trial.healing(_CAUGHT_UP_SECONDS):
                    await world.caught_up()
                settled = [worker.settled() for worker in workers]
                zombie.tell(signal.SIGCONT)
                # It finds out and joins both groups again, and all partitions are taken over anew.
                for worker, times in zip(workers, settled, strict=True):
                    await worker.settles(times + 2)
                await world.caught_up()
                trial.take(await world.check())
                await world.feed_some(_PORTION)
                await world.caught_up()
                trial.take(await world.check())
            if trial.wrong:
                return
