"""The process role: responses are decided, tallies are counted."""

from worker.flow import outbox, road, segments
from worker.flow.outbox import Output
from worker.flow.record import DIRECT, REROUTED
from worker.settings import Settings
from worker.streams import topics
from worker.streams.lane import Decide
from worker.streams.shell import Shell, partition_of

ROLE = "process"
_TALLIES_SOURCE = 0


def build(settings: Settings, partitions: int) -> Shell:
    """Return the role's shell: two stages, the first keyed by customer, the second by segment."""
    shell = Shell(settings, ROLE, partitions)
    policy, responses = settings.policy, shell.topic_name(outbox.RESPONSES)
    owner = partition_of(partitions)

    def decide(way: int) -> Decide:
        return lambda records, number, read: road.decide(
            road.Batch(records, way, number, responses), policy, read, owner
        )

    def place(output: Output, number: int) -> int:
        """Keep outputs about a customer in the customer's partition; send the others where their key belongs."""
        moves = output.topic in {outbox.TALLIES, outbox.REROUTED}
        return owner(output.key or b"") if moves else number

    contacts = shell.table(topics.CONTACTS)
    shell.agent(outbox.RESPONSES, contacts, DIRECT, decide(DIRECT), place)
    shell.agent(outbox.REROUTED, contacts, REROUTED, decide(REROUTED), place)
    shell.agent(
        outbox.TALLIES,
        shell.table(topics.SEGMENTS),
        _TALLIES_SOURCE,
        lambda records, _, read: segments.count(records, read),
        lambda _, number: number,
    )
    return shell
