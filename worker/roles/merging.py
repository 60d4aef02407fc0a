"""The services that put the parts of responses together: a consumer group of its own, with one lane and one table.

They exist only if a source of the settings sends each question alone.
"""

from worker.flow import events
from worker.flow.batch import Decided, Record
from worker.flow.responses.merged import road
from worker.flow.responses.merged.forgetting import Sweep
from worker.flow.timestamps import DAY
from worker.kafka import topics
from worker.kafka.partitioner import partition_of
from worker.kafka.rows import PartitionState
from worker.roles.derived import Derived
from worker.roles.surroundings import Surroundings
from worker.service import Background, Service
from worker.streams.shell import Shell


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the shell, and the log line of each minute. Wait for Kafka."""
    settings, kafka = surroundings.settings, await surroundings.kafka()
    shell = Shell(settings, topics.MERGE, kafka, observer=surroundings.observer_of(topics.MERGE))
    owner, kept = partition_of(kafka.partitions), settings.receive.parts_kept_days * DAY
    sweeps = Derived(lambda state: Sweep(state.rows))

    def decide(records: list[Record], _: int, state: PartitionState) -> Decided:
        batch = road.Batch(records, state.head.latest_time, sweeps.of(state))
        return road.decide(batch, state.rows, owner, kept, settings.intake)

    shell.agent(events.RESPONSE_PARTS, shell.table(topics.ANSWERS), decide)
    return [shell, Background(shell.activity.report)]
