"""The cases again: their topic has everything that changed them, in one order. Nothing is published again."""

from collections.abc import Iterable, Mapping

from worker.flow.batch import Decided, Record
from worker.flow.cases import road
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.forgetting import Sweep
from worker.flow.cases.service import ServiceLevels
from worker.flow.policy import CasePolicy, IntakePolicy
from worker.flow.record import EPOCH
from worker.kafka.rows import Head
from worker.rebuild.records import apply


class CasesAgain:
    """The cases of one partition, as the worker decided them.

    `commands`: the full name of the topic of the commands.
    """

    def __init__(self, commands: str, policy: CasePolicy, intake: IntakePolicy, service: ServiceLevels) -> None:
        self._commands = commands
        self._policy = policy
        self._intake = intake
        self._service = service
        self.rows: dict[bytes, bytes] = {}
        self._sweep = Sweep(self.rows)
        self._due = DueIndex()
        self._arrived: Mapping[int, int] = {}
        self._latest_time = 0

    def take(self, records: Iterable[Record]) -> None:
        """Take in records of the partition, in their order."""
        batch = road.Batch(
            records, self._commands, self._arrived, self._latest_time, self._sweep, self._service, self._due
        )
        decided = road.decide(batch, self._policy, self._intake, self.rows.get)
        self._apply(decided)
        while decided.rest is not None:
            decided = decided.rest()
            self._apply(decided)

    def _apply(self, decided: Decided) -> None:
        apply(self.rows, decided.rows)
        self._due.update(decided.rows)
        self._arrived, self._latest_time = decided.rerouted, decided.latest_time

    def head(self, stop: int) -> Head:
        """Return the head row, after all records before the offset `stop` were taken in."""
        return Head(stop - 1, dict(self._arrived), latest_time=self._latest_time)


def base_of_moved(partition: int, heads: Iterable[Head]) -> int:
    """Return by how much the core's offsets of a partition are higher than Kafka's (Head.base).

    The partition is one of a topic whose records are moved to another one, such as commands to the cases, or alerts to
    the plans. `heads`: the head rows of all partitions there, which have the offsets of the records that have arrived.
    """
    return max((head.rerouted.get(partition, 0) for head in heads), default=0) // EPOCH * EPOCH


def base_of_responses(cases: Head) -> int:
    """Return the same of a partition of responses. `cases`: the head row of the cases with the same number."""
    return max(0, cases.rerouted.get(road.STEP_OFFSET, 0)) // EPOCH * EPOCH
