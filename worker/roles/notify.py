"""The notify role: alerts and incidents become pending mails in durable rows, and a courier sends what is due."""

from worker.flow import events
from worker.flow.batch import Decided, Record
from worker.kafka import topics
from worker.kafka.rows import Partition
from worker.notify import planning
from worker.notify.channels.email.channel import Email
from worker.roles.courier import Courier
from worker.roles.overfull import Overfull
from worker.roles.surroundings import Surroundings
from worker.service import Background, Service
from worker.streams.shell import Shell

ROLE = "notify"


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: its shell, the log's line a minute, and the courier."""
    settings, clock = surroundings.settings, surroundings.clock
    shell = Shell(settings, ROLE, await surroundings.kafka())
    email, routes = settings.email, settings.email.all_routes()
    planner = planning.Planner(routes, email.actions, settings.intake)
    table = shell.table(topics.OUTBOX)
    overfull = Overfull()

    def decide(records: list[Record], _: int, state: Partition) -> Decided:
        decided = planning.plan(records, planner, state.rows.get)
        overfull.note(decided.outputs)
        return decided

    shell.agent(events.ALERTS, table, decide)
    channel = Email(settings.smtp, email.letterhead)
    courier = Courier(shell, table, channel, clock, routes=routes, retry=email.retry)
    table.observe(courier)
    return [shell, Background(shell.activity.report), courier]
