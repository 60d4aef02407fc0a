"""A worker is killed at a step of an alert that is followed until somebody acts: its digests, webhooks and time limits.

Commands are given meanwhile, so that acknowledgements and resolutions come between the time limits and the kills.
"""

import asyncio
import random

from chaos import closed_loop
from chaos.fault_context import FaultContext, Trial
from chaos.faults.kill_at import MailKilling
from chaos.received_mails import is_digest
from chaos.saboteur import LOOP_STEPS
from chaos.world import Worker, World

from worker.embedded.inbox import Cut

#: A digest has come in full, and the mail server has not answered: only the mailbox knows when that is.
DIGEST_DATA = "digest_data"
ALL = ("notice_forwarded", "notice_planned", DIGEST_DATA, *LOOP_STEPS[2:])
#: The steps that need time limits.
_TIMED = frozenset({"escalation_due", "reminder_planned"})
_PORTION, _COMMANDS = 8, 5
#: A step is reached for so many times at most until the worker is killed.
_MOST = {DIGEST_DATA: 3, "digest_accepted": 3, "escalation_due": 4, "reminder_planned": 4}
_WORKING_AGAIN_SECONDS = 20.0
#: Steps at which the worker is killed in turn, in the fault in which it is killed several times.
_AMONG_TIMERS = ("case_decided", "escalation_due", "outputs_acked", "reminder_planned", "rows_sent", "mail_accepted")
_KILLS = 3
#: How long responses and commands come before each of these kills, in seconds, at most.
_BETWEEN_SECONDS = 4.0


async def killed(context: FaultContext, step: str, trials: int) -> None:
    """Kill at the step, heal, wait until no time limit can make anything happen, and compare."""
    async with closed_loop.world(context, timed=step in _TIMED) as world:
        worker = await world.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                await _kill(world, worker, step, context.rng(number))
                await _heal(trial, world, worker)
            if trial.wrong:
                return


async def _kill(world: World, worker: Worker, step: str, rng: random.Random) -> None:
    nth = rng.randrange(1, 1 + _MOST.get(step, 8))
    if step == DIGEST_DATA:
        world.inbox.behaviour = MailKilling(worker, nth, rng.choice([Cut.LOST, Cut.KEPT]), is_digest)
    else:
        worker.told(step, nth, "SIGKILL")
    await world.feed_to_death(worker, _PORTION, commands=_COMMANDS)
    world.inbox.behaviour = None


async def _heal(trial: Trial, world: World, worker: Worker) -> None:
    with trial.healing(_WORKING_AGAIN_SECONDS):
        await worker.start()
        await worker.ready()
        await world.committed()
    await world.caught_up()
    trial.take(await world.check())


async def commands_and_timers(context: FaultContext, trials: int) -> None:
    """Kill several times while commands and time limits alternate, at one step of theirs or another."""
    async with closed_loop.world(context, timed=True) as world:
        worker = await world.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                rng = context.rng(number)
                for kill in range(_KILLS):
                    await world.feed_some(
                        3 * _PORTION, seconds=rng.uniform(0, _BETWEEN_SECONDS), commands=3 * _COMMANDS
                    )
                    step = _AMONG_TIMERS[(number + kill) % len(_AMONG_TIMERS)]
                    await _kill(world, worker, step, rng)
                    if kill < _KILLS - 1:
                        await worker.start()
                        await worker.ready()
                        # Some commands come while what was due meanwhile happens.
                        await asyncio.sleep(rng.uniform(0, 1))
                await _heal(trial, world, worker)
            if trial.wrong:
                return
