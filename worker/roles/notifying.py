"""What a role consists of that sends alerts and incidents by one channel.

Each channel has a role of its own, with its own consumer group and outbox. So a server that is away or slow holds up no
other channel, and the rows of an outbox need not say which channel they are of.
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
    """A channel, what is planned for it, and when what it did not accept is tried again."""

    channel: Channel
    planner: Planner
    retry: RetryPolicy


async def build(surroundings: Surroundings, role: str, sending: Sending) -> list[Service]:
    """Return the services of a role that sends by one channel: its shell, the log's line a minute, and the courier."""
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
