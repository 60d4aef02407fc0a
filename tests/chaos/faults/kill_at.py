"""A worker is killed at a named step of a batch or a mail, and another takes its place."""

import signal
from collections.abc import Callable
from typing import Any

from chaos.fault_context import FaultContext
from chaos.saboteur import STEPS
from chaos.world import Worker, World

from worker.embedded.inbox import Answer, Cut, Mail, Step

#: After the end of DATA, before the server's 250: only the mailbox knows when that is.
MAIL_DATA = "mail_data"
_ACCEPTED = STEPS.index("mail_accepted")
ALL = (*STEPS[:_ACCEPTED], MAIL_DATA, *STEPS[_ACCEPTED:])
_PORTION = 60
#: How many commands are given with each portion of responses.
_COMMANDS = 20
_WORKING_AGAIN_SECONDS = 10.0


async def run(context: FaultContext, step: str, trials: int) -> None:
    """Kill at the step, heal, compare; again and again in one world."""
    async with context.world() as world:
        worker = await world.begin()
        for number in range(trials):
            async with context.trial(number) as trial:
                await _kill(world, worker, step, context.rng(number))
                await trial.heal(world, worker, _WORKING_AGAIN_SECONDS)
            if trial.wrong:
                return


async def _kill(world: World, worker: Worker, step: str, rng: Any) -> None:
    """Publish until the step is reached for a random time, and the worker has died of it."""
    nth, delay = rng.randrange(1, 9), rng.choice([0.0, 0.0, rng.uniform(0, 0.004)])
    if step == MAIL_DATA:
        world.inbox.behaviour = MailKilling(worker, nth, rng.choice([Cut.LOST, Cut.KEPT]))
    else:
        worker.told(step, nth, "SIGKILL", delay if step.endswith("_sent") else 0.0)
    await world.feed_to_death(worker, _PORTION, commands=_COMMANDS)
    world.inbox.behaviour = None


class MailKilling:
    """Kills the worker when its mail is here in full, then loses the mail or keeps it.

    `concerns`: which mails are counted, by their content.
    """

    def __init__(self, worker: Worker, nth: int, then: Cut, concerns: Callable[[bytes], bool] = lambda _: True) -> None:
        self._worker = worker
        self._left = nth
        self._then = then
        self._concerns = concerns

    async def __call__(self, step: Step, mail: Mail) -> Answer:
        if step is not Step.DATA or not self._concerns(mail.content):
            return None
        self._left -= 1
        if self._left > 0:
            return None
        if self._left == 0:
            self._worker.tell(signal.SIGKILL)
        return self._then
