"""The process role: responses are decided, tallies are counted."""

from worker.flow import outbox, road, segments
from worker.flow.record import Record
from worker.flow.road import Batch, Decided
from worker.settings import Settings
from worker.streams import topics
from worker.streams.lane import Pace, View
from worker.streams.rows import Partition
from worker.streams.shell import Shell, partition_of

ROLE = "process"
#: A segment's row is as large for one answer as for a thousand, and nobody reads scores more often.
_SEGMENTS = Pace(seconds=0.5, share=0.02, longest=10.0)


def build(settings: Settings, kafka: topics.Found) -> Shell:
    """Return the role's shell: two stages, the first keyed by customer, the second by segment."""
    shell = Shell(settings, ROLE, kafka)
    policy, responses = settings.policy, shell.topic_name(outbox.RESPONSES)
    owner = partition_of(kafka.partitions)
    home = f"{kafka.cluster}/{responses}"

    def decide(records: list[Record], number: int, partition: Partition) -> Decided:
        batch = Batch(records, number, responses, home, partition.head.sent_on)
        return road.decide(batch, policy, partition.rows.get, owner)

    shell.agent(outbox.RESPONSES, shell.table(topics.CONTACTS), decide)
    shell.agent(
        outbox.TALLIES,
        shell.table(topics.SEGMENTS),
        lambda records, _, partition: segments.count(records, partition.rows.get),
        view=View(outbox.SCORES, segments.scores),
        pace=_SEGMENTS,
    )
    return shell
