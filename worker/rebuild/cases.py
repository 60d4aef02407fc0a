"""The cases again: their topic has everything that changed them, in one order. Nothing is published again.

Today's settings may give a case fewer steps than it had, for instance no escalation. Its next step would then have the
number, and so the id, of one that is published already, and its notices would be taken for repeats. So the numbers go
on above those on the topic of the alerts (`number_above`). A step that is published, but whose cause the worker will
read again, keeps its number, since it will be published again under the same id (`look_ahead`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from worker.flow import events
from worker.flow.batch import Decided, Output, Record
from worker.flow.cases import road
from worker.flow.cases.case import decode_cases, encode_cases
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.forgetting import Sweep
from worker.flow.cases.service import ServiceLevels
from worker.flow.policy import CasePolicy, IntakePolicy
from worker.flow.record import EPOCH, header
from worker.kafka.rows import Head
from worker.notify.notice import case_step_in
from worker.rebuild.records import apply, as_record


class _Step(NamedTuple):
    """What identifies the event about a step of a case, and what the event says."""

    event_id: str
    alert_id: str
    number: int
    action: str
    occurred_at: datetime
    command_id: str | None
    escalation_step: int | None


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
        # The cases as they will be once all records are decided, and the steps that will be published then.
        self._later: CasesAgain | None = None
        self._coming: set[_Step] = set()
        # The alerts whose cases go on above a number that is published.
        self._renumbered: set[str] = set()

    def take(self, records: Iterable[Record]) -> None:
        """Take in records of the partition, in their order."""
        for _ in self.decide(records):
            pass

    def look_ahead(self, records: Iterable[Record]) -> None:
        """Note which steps the worker will publish when it decides records that come next. The cases do not change."""
        if self._later is None:
            self._later = self._copy()
        for output in self._later.decide(records):
            if output.topic == events.ALERTS:
                self._coming.update(_steps_in(as_record(output)))

    def number_above(self, records: Iterable[Record]) -> None:
        """Let the steps of each case go on above its steps among records of the topic of the alerts."""
        for record in records:
            for step in _steps_in(record):
                self._number_above(record.key or b"", step)

    def _number_above(self, customer: bytes, step: _Step) -> None:
        row = self.rows.get(customer)
        known = None if row is None else decode_cases(row)
        case = None if known is None else known.find(step.alert_id)
        # A case that was forgotten and opened again has other ids, as has what another program has published.
        if (
            known is None
            or case is None
            or step.number <= case.step
            or step.event_id != road.step_id(case, step.number)
        ):
            return
        if step not in self._coming:
            self._renumbered.add(step.alert_id)
        if step.alert_id in self._renumbered:
            # What is coming gets other numbers now, too, which must be free. (Numbers are published in their order.)
            case.step = step.number
            self.rows[customer] = encode_cases(known)

    def _copy(self) -> "CasesAgain":
        copy = CasesAgain(self._commands, self._policy, self._intake, self._service)
        copy.begin_with(self.rows, self._arrived, self._latest_time)
        return copy

    def begin_with(self, rows: Mapping[bytes, bytes], arrived: Mapping[int, int], latest_time: int) -> None:
        """Begin with cases as they are after some records.

        `arrived`, `latest_time` (in ms): what the head row then says about these records.
        """
        self.rows.update(rows)
        self._due.update(rows)
        self._arrived, self._latest_time = arrived, latest_time

    def decide(self, records: Iterable[Record]) -> Iterator[Output]:
        """Take in records, and yield what the worker published because of them."""
        batch = road.Batch(
            records, self._commands, self._arrived, self._latest_time, self._sweep, self._service, self._due
        )
        decided: Decided | None = road.decide(batch, self._policy, self._intake, self.rows.get)
        while decided is not None:
            self._apply(decided)
            yield from decided.outputs
            decided = None if decided.rest is None else decided.rest()

    def _apply(self, decided: Decided) -> None:
        apply(self.rows, decided.rows)
        self._due.update(decided.rows)
        self._arrived, self._latest_time = decided.rerouted, decided.latest_time

    def head(self, stop: int) -> Head:
        """Return the head row, after all records before the offset `stop` were taken in."""
        return Head(stop - 1, dict(self._arrived), latest_time=self._latest_time)


def _steps_in(record: Record) -> Iterator[_Step]:
    """Yield the step of a case that a record of the topic of the alerts has, if it has one."""
    if record.value is None:
        return
    try:
        step = case_step_in(record)
    except ValidationError:
        return  # another program has written it
    if step is not None:
        event_id = (header(record, "ce_id") or b"").decode(errors="replace")
        yield _Step(
            event_id, step.alert_id, step.step, step.action, step.occurred_at, step.command_id, step.escalation_step
        )


def base_of_moved(partition: int, heads: Iterable[Head]) -> int:
    """Return by how much the core's offsets of a partition are higher than Kafka's (Head.base).

    The partition is one of a topic whose records are moved to another one, such as commands to the cases, or alerts to
    the plans. `heads`: the head rows of all partitions there, which have the offsets of the records that have arrived.
    """
    return max((head.rerouted.get(partition, 0) for head in heads), default=0) // EPOCH * EPOCH


def base_of_responses(cases: Head) -> int:
    """Return the same of a partition of responses. `cases`: the head row of the cases with the same number."""
    return max(0, cases.rerouted.get(road.STEP_OFFSET, 0)) // EPOCH * EPOCH
