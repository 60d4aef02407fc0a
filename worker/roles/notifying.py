"""The services of a role that sends alerts and incidents by one channel.

Each channel has a role of its own, with its own consumer group and outbox. So an unreachable or slow server does not
delay other channels, and the rows of an outbox need not name their channel.
"""

from typing import NamedTuple

from worker.flow import events
from worker.flow.batch import Decided, Record
from worker.kafka import topics
from worker.kafka.rows import PartitionState
from worker.notify import planning
from worker.notify.channel import Channel
from worker.notify.planning import Planner
from worker.notify.retry import RetryPolicy
from worker.roles.courier import Courier
from worker.roles.overfull import Overfull
from worker.roles.surroundings import Surroundings
from worker.service import Background, Service
from worker.streams.shell import Shell


class Sending(NamedTuple):
    """A channel, the planning of its notices, and the times at which they are tried again."""

    channel: Channel
    planner: Planner
    retry: RetryPolicy


async def build(surroundings: Surroundings, role: str, sending: Sending) -> list[Service]:
    """Return the services of such a role: its shell, the log line of each minute, and the courier."""
    shell = Shell(surroundings.settings, role, await surroundings.kafka())
    table = shell.table(topics.OUTBOX)
    channel, planner, retry = sending
    overfull = Overfull(channel.wording)

    def decide(records: list[Record], _: int, state: PartitionState) -> Decided:
        decided = planning.plan(records, planner, state.rows.get)
        overfull.note(decided.outputs)
        return decided

    shell.agent(events.ALERTS, table, decide)
    courier = Courier(shell, table, channel, surroundings.clock, planner=planner, retry=retry)
    table.observe(courier)
    return [shell, Background(shell.activity.report), courier]
