"""The road of a case: steps of alerts, commands and the passing of time change cases. Begin with `decide`.

Everything that changes a case comes on one topic, in one order. What is published about it goes to the topic of the
alerts. There the steps of the alert itself are published by the road of the responses, which waits for nothing here.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.alert import AlertAction
from schemas.alert_command import AlertCommand, CommandAction
from schemas.alert_command_result import CommandOutcome
from schemas.case import CASE, CaseAction, CaseReason, CaseState, CaseStep
from schemas.dead_letter import Reason
from schemas.emitted import emitted
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Place, Read, Record
from worker.flow.cases.case import Case, Cases, answer_again, customers, opened, refusal, remaining
from worker.flow.cases.forgetting import Sweep
from worker.flow.cases.recovery import ANSWERED_AGAIN, recovery
from worker.flow.dead_letter import dead_letter, dead_letter_in_place
from worker.flow.ids import make_id
from worker.flow.messages import alert_command, case_log
from worker.flow.messages.alert_command import Answer
from worker.flow.messages.case_log import AlertStep, AnsweredAgain, Erasure, MovedCommand
from worker.flow.policy import CasePolicy, IntakePolicy
from worker.flow.timestamps import from_ms, rfc3339
from worker.lineage import SEPARATOR

_CaseStep = emitted(CaseStep)

#: What the road of the responses reports.
_Reported = AlertStep | AnsweredAgain | Erasure

#: The keys in `Batch.arrived` for messages of the road of the responses. Commands have the numbers of partitions.
STEP_OFFSET, STEP_INDEX = -1, -2
_ACTIONS: Mapping[str, CaseAction] = {
    "acknowledge": CaseAction.ACKNOWLEDGED,
    "assign": CaseAction.ASSIGNED,
    "note": CaseAction.NOTED,
    "resolve": CaseAction.RESOLVED,
    "reopen": CaseAction.REOPENED,
}


class Batch(NamedTuple):
    """Records of one partition of the cases' topic, and what is needed to decide them."""

    #: The records, in the order of their offsets.
    records: Iterable[Record]
    #: The full name of the topic of the commands.
    commands: str
    #: Which messages have arrived, so that one that comes twice is recognised. For each partition of the commands: the
    #: highest offset of a command that was moved. And the offset and the index of the last message of the responses.
    arrived: Mapping[int, int]
    #: The latest Kafka time of all earlier records of the partition, in ms.
    latest_time: int = 0
    #: Finds forgotten cases. Without it, only the rows of customers whom a record is about are checked.
    sweep: Sweep | None = None


class _State:
    """What is known of one batch while it is decided, and what it has caused so far."""

    def __init__(self, batch: Batch, policy: CasePolicy, intake: IntakePolicy, read: Read) -> None:
        self.commands = batch.commands
        self.policy = policy
        self.intake = intake
        self.customers = customers(read)
        self.outputs: list[Output] = []
        self.arrived = dict(batch.arrived)
        self.now = batch.latest_time

    def cases(self, customer: bytes) -> Cases:
        """Return the cases of a customer that are not forgotten. Changes are kept."""
        row = self.customers.get(customer)
        if row is None:
            return Cases()
        row.cases = remaining(row.cases, self.now, self.policy)
        return row


def decide(batch: Batch, policy: CasePolicy, intake: IntakePolicy, read: Read) -> Decided:
    """Decide a batch. A record that is not one of the worker's own messages becomes a dead letter, as `intake` says."""
    state = _State(batch, policy, intake, read)
    for record in batch.records:
        state.now = max(state.now, record.timestamp)
        if record.key == case_log.TICK_KEY:
            continue  # it only carries the time
        try:
            message = case_log.read(record)
        except Rejected as rejected:
            state.outputs.append(dead_letter_in_place(record, rejected, intake))
            continue
        customer = record.key or b""
        if isinstance(message, MovedCommand):
            _take_command(customer, message, state)
        elif _is_new(message, state):
            _take_report(customer, message, state)
    rows = _rows(state)
    if batch.sweep is not None:
        # The sweep comes last. So what is decided does not depend on how far the sweep has come.
        rows = batch.sweep.changes(state.now, policy) | rows
    return Decided(state.outputs, rows, state.arrived, latest_time=state.now)


def _rows(state: _State) -> dict[bytes, bytes | None]:
    """Return the rows that were read or changed. A row without cases is erased."""
    for customer, row in state.customers.opened():
        if not row.cases:
            state.customers.erase(customer)
    return state.customers.rows()


def _is_new(message: _Reported, state: _State) -> bool:
    """Say whether a message of the road of the responses comes for the first time, and note that it has come."""
    arrived = state.arrived
    if (message.offset, message.index) <= (arrived.get(STEP_OFFSET, -1), arrived.get(STEP_INDEX, -1)):
        return False
    arrived[STEP_OFFSET], arrived[STEP_INDEX] = message.offset, message.index
    return True


def _take_report(customer: bytes, message: _Reported, state: _State) -> None:
    """Take in a message of the road of the responses. An erasure erases all cases of the customer."""
    match message:
        case Erasure():
            state.customers.erase(customer)
            state.outputs.append(Output(events.RECOVERIES, customer, None))
        case AnsweredAgain():
            for case in state.cases(customer).cases:
                if case.take_answer(message):
                    state.outputs.append(recovery(case, customer, ANSWERED_AGAIN, message.at))
        case AlertStep():
            _take_step(customer, message, state)


def _take_step(customer: bytes, message: AlertStep, state: _State) -> None:
    """Take in a step of an alert: open its case, end it, or reopen it."""
    row = state.cases(customer)
    case = row.find(message.alert_id)
    if message.action == AlertAction.WITHDRAWN:
        if case is not None:
            case.alert_at = message.at
        if case is not None and not case.has_ended:
            case.moved_to(CaseState.WITHDRAWN, message.at)
            state.outputs.append(recovery(case, customer, case.state, case.changed_at))
    elif case is None:
        # An alert that is only updated was opened before there were cases, or its case was forgotten.
        row.cases.append(opened(message))
        row.bound(state.policy)
        state.customers.put(customer, row)
    else:
        case.take_step(message)
        if case.has_ended:
            case.moved_to(CaseState.OPEN, message.at)
            step = _event(case, customer, CaseAction.REOPENED, CaseReason.DETRACTOR_AGAIN, None)
            state.outputs.append(step)


def _take_command(customer: bytes, message: MovedCommand, state: _State) -> None:
    """Carry out a command, or refuse it. Each command that was moved is answered once."""
    place = Place(message.partition, message.offset)
    if place.offset <= state.arrived.get(place.partition, -1):
        return  # the command was moved twice, because of a crash
    state.arrived[place.partition] = place.offset
    try:
        answer = _decide(alert_command.read(message.value), message, customer, state)
    except Rejected as rejected:  # it was moved by another version, which accepts more
        answer = Answer(CommandOutcome.REFUSED, rejected=rejected)
    if answer.rejected is not None:
        letter = dead_letter(_origin(message, state), place, answer.rejected, state.commands, state.intake)
        state.outputs.append(letter)
    if (ids := alert_command.ids_in(message.value)) is not None:
        state.outputs.append(alert_command.answer(ids, answer, place, state.now))


def _decide(command: AlertCommand, message: MovedCommand, customer: bytes, state: _State) -> Answer:
    """Decide a command, and add the event about what it has changed."""
    row = state.cases(customer)
    case = row.find(command.alert_id)
    if case is None:
        return Answer(CommandOutcome.REFUSED, rejected=refusal(Reason.ALERT_UNKNOWN))
    if (known := case.known(command)) is not None:
        return answer_again(known)
    answer = case.carry_out(command, message.timestamp, state.policy)
    case.remember(command, answer)
    if answer.outcome is CommandOutcome.APPLIED:
        state.outputs.append(_event(case, customer, _ACTIONS[command.action], CaseReason.COMMAND, command))
        if command.action is CommandAction.RESOLVE:
            state.outputs.append(recovery(case, customer, case.state, case.changed_at))
    row.bound(state.policy)
    return answer


class _Origin(NamedTuple):
    """The record of a command, as it lay on the topic of the commands."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: tuple[()] = ()


def _origin(message: MovedCommand, state: _State) -> _Origin:
    return _Origin(state.commands, message.partition, message.offset, message.timestamp, message.key, message.value)


def _event(case: Case, customer: bytes, action: CaseAction, reason: CaseReason, command: AlertCommand | None) -> Output:
    """Return the event about the last step of a case. `command`: what caused it; None if an answer did."""
    event = _CaseStep(
        alert_id=case.alert_id,
        kind=CASE,
        action=action,
        reason=reason,
        severity=case.severity,
        summary=f"Score {case.score} at {case.segment or 'the root segment'}: {action}",
        occurred_at=from_ms(case.changed_at),
        alert_occurred_at=from_ms(case.alert_at),
        segment=case.segment,
        touchpoint=case.segment.rpartition(SEPARATOR)[2],
        customer_id=customer.decode(),
        response_id=case.response_id,
        state=case.state,
        step=case.step,
        opening=case.opening,
        opened_at=from_ms(case.opened_at),
        acknowledged_at=None if case.acknowledged_at is None else from_ms(case.acknowledged_at),
        actor=None if command is None else command.actor,
        via=None if command is None else command.via,
        acted_at=None if command is None else command.at,
        command_id=None if command is None else command.command_id,
        assignee=case.assignee or None,
        outcome=case.outcome,
        cause=case.cause,
    )
    event_id = make_id("case", case.alert_id, case.created_at, case.step)
    return events.output(events.CASE, customer, event, event_id, rfc3339(case.changed_at))
