"""Every fault: what it is called, how it is tried, how often."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from chaos import controls, silence_steps
from chaos.fault_context import FaultContext
from chaos.faults import (
    alarms,
    broker_away,
    clocks,
    crashed,
    erasure,
    followed,
    hung_broker,
    idle_soak,
    joining,
    judging,
    kill_at,
    leader,
    links,
    poison,
    random_kills,
    rebuilt,
    renewed,
    silences,
    smtp,
    smtp_away,
    soak,
    state,
    stopping,
    transactions,
    webhooks,
    zombie,
)
from chaos.saboteur import COMMAND_GIVEN, COMMAND_WRITTEN


class Fault(NamedTuple):
    """`trials`: how many; `quick`: how many in the short form; `named`: only when it is asked for by name.

    A `light` fault mostly waits: it runs beside the others and is not counted among those that run at the same time.
    """

    name: str
    run: Callable[[FaultContext, int], Awaitable[None]]
    trials: int
    quick: int = 1
    named: bool = False
    light: bool = False

    def how_often(self, *, quick: bool) -> int:
        """Return how many trials there are, in the short form or the whole."""
        return self.quick if quick else self.trials


#: The steps that the short form tries as well: between outputs and rows, while the rows of several batches wait for a
#: checkpoint, between rows and the offset, while a mail is accepted, and when a case was decided. The others lie
#: between them.
_KILLED_IN_SHORT = {"outputs_acked", "rows_wait", "rows_sent", "mail_accepted", "case_decided"}


def _kill_at(step: str) -> Fault:
    async def run(context: FaultContext, trials: int) -> None:
        await kill_at.run(context, step, trials)

    return Fault(f"kill_{step}", run, 10, quick=int(step in _KILLED_IN_SHORT))


def _followed(step: str) -> Fault:
    async def run(context: FaultContext, trials: int) -> None:
        await followed.killed(context, step, trials)

    return Fault(f"kill_{step}", run, 10, quick=0)


def _silenced(step: str) -> Fault:
    async def run(context: FaultContext, trials: int) -> None:
        await silences.killed(context, step, trials)

    return Fault(f"kill_{step}", run, 6, quick=0)


def _smtp(name: str) -> Fault:
    async def run(context: FaultContext, trials: int) -> None:
        if name in smtp.ONE_MAIL:
            await smtp.one_mail(context, trials, smtp.ONE_MAIL[name])
        else:
            await smtp.the_server(context, trials, smtp.THE_SERVER[name])

    return Fault(f"smtp_{name}", run, 20, quick=int(name not in smtp.NOT_IN_SHORT))


FAULTS: tuple[Fault, ...] = (
    Fault("idle_soak", idle_soak.run, 1, quick=0, light=True),
    # In make test, tests/integration/test_alarms.py tries the rules with their own times.
    Fault("alarms", alarms.run, len(alarms.ALARMS), quick=0, light=True),
    Fault("random_kills", random_kills.run, 30),
    *map(_kill_at, kill_at.ALL),
    *map(_followed, followed.ALL),
    Fault("kill_link_before_command", partial(links.run, step=COMMAND_GIVEN), 10, quick=0),
    Fault("kill_link_after_command", partial(links.run, step=COMMAND_WRITTEN), 10, quick=0),
    Fault("commands_and_timers", followed.commands_and_timers, 10, quick=0),
    *map(_silenced, silence_steps.STEPS),
    Fault("silences_and_timers", silences.among_timers, 6, quick=0),
    Fault("kill_in_judgement", judging.run, 10),
    Fault("joining_and_leaving", joining.run, 20),
    Fault("kill_webhook", webhooks.killed, 10, quick=0),
    Fault("joining_webhooks", webhooks.joining, 20, quick=0),
    Fault("zombie", zombie.run, 6),
    Fault("hung_broker", hung_broker.run, 20),
    Fault("leader_restarted", partial(leader.run, hard=False), 5, quick=0),
    Fault("leader_killed", partial(leader.run, hard=True), 5, quick=0),
    Fault("broker_away", broker_away.run, 1),
    Fault("broker_away_at_start", broker_away.at_start, 1, quick=0),
    Fault("broker_frozen_at_start", broker_away.frozen_at_start, 20),
    *map(_smtp, (*smtp.ONE_MAIL, *smtp.THE_SERVER)),
    Fault("smtp_away", smtp_away.run, 1),
    Fault("state_wiped", state.wiped, 3),
    *([Fault("disk_full", state.disk_full, 3)] if sys.platform == "linux" else []),
    Fault("changelog_gone", state.changelog_gone, 2),
    # In make test, tests of their own try these.
    Fault("fetcher_crash", crashed.run, 10, quick=0),
    Fault("topic_made_anew", renewed.run, 4, quick=0),
    Fault("state_rebuilt", rebuilt.run, 4, quick=0),
    Fault("transactions", transactions.run, 6, quick=0),
    Fault("poison", poison.run, 200, quick=40),
    Fault("clocks", clocks.run, 8),
    Fault("erasure", erasure.run, 20),
    Fault("stopping", stopping.run, 6),
    Fault("soak", soak.run, 1, quick=0, named=True),
    Fault("controls_without_their_bugs", controls.without_bugs, len(controls.CONTROLS), quick=0),
)
