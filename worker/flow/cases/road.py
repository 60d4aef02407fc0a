"""The road of a case: steps of alerts, commands and the passing of time change cases. Begin with `decide`.

Everything that changes a case comes on one topic, in one order. What is published about it goes to the topic of the
alerts. There the steps of the alert itself are published by the road of the responses, which waits for nothing here.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from heapq import merge
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
from worker.flow.cases.case import Case, Cases, answer_again, customers, next_timer, opened, refusal, remaining
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.forgetting import Sweep
from worker.flow.cases.reapplied import reapply
from worker.flow.cases.recovery import ANSWERED_AGAIN, recovery
from worker.flow.cases.service import ServiceLevels, Timer, TimerKind
from worker.flow.dead_letter import dead_letter, dead_letter_in_place
from worker.flow.ids import make_id
from worker.flow.messages import alert_command, case_log
from worker.flow.messages.alert_command import Answer
from worker.flow.messages.case_log import AlertStep, AnsweredAgain, Erasure, MovedCommand
from worker.flow.policy import CasePolicy, IntakePolicy
from worker.flow.timestamps import from_ms, rfc3339
from worker.lineage import SEPARATOR
from worker.routing.service_level import Terms

_CaseStep = emitted(CaseStep)

#: What the road of the responses reports.
_Reported = AlertStep | AnsweredAgain | Erasure

#: The keys in `Batch.arrived` for messages of the road of the responses. Commands have the numbers of partitions.
STEP_OFFSET, STEP_INDEX = -1, -2
#: The number of customers whose timers are decided and written together, which takes two or three milliseconds. A tick
#: may concern thousands of customers, and other work has its turn after each slice.
CUSTOMERS_PER_SLICE = 100
_ACTIONS: Mapping[str, CaseAction] = {
    "acknowledge": CaseAction.ACKNOWLEDGED,
    "assign": CaseAction.ASSIGNED,
    "note": CaseAction.NOTED,
    "resolve": CaseAction.RESOLVED,
    "reopen": CaseAction.REOPENED,
    "reapply": CaseAction.REAPPLIED,
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
    #: The service levels.
    service: ServiceLevels = ServiceLevels()
    #: The next timers of the partition's rows, as they are written. Without it, a tick lets no timer happen.
    due: DueIndex | None = None


class _State:
    """What is known of one batch while it is decided, and what its current slice has caused so far."""

    def __init__(self, batch: Batch, policy: CasePolicy, intake: IntakePolicy, read: Read) -> None:
        self.commands = batch.commands
        self.policy = policy
        self.intake = intake
        self.service = batch.service
        self.due = batch.due
        self.arrived = dict(batch.arrived)
        self.now = batch.latest_time
        #: The records that are not decided, and whether the one before them is a tick that concerns further customers.
        self.records = iter(batch.records)
        self.is_in_tick = False
        self.read = read
        self.begin_slice()

    def begin_slice(self) -> None:
        """Forget what the slice before has caused, since it is written by now."""
        self.customers = customers(self.read)
        self.outputs: list[Output] = []
        #: For how many customers this slice may still let timers happen.
        self.left = CUSTOMERS_PER_SLICE

    def cases(self, customer: bytes) -> Cases:
        """Return the cases of a customer that are not forgotten. Changes are kept."""
        row = self.customers.get(customer)
        if row is None:
            return Cases()
        row.cases = remaining(row.cases, self.now, self.policy)
        return row


def decide(batch: Batch, policy: CasePolicy, intake: IntakePolicy, read: Read) -> Decided:
    """Decide a batch, and return what its first slice causes. Each slice is written before the next one is decided.

    A slice ends within a tick that concerns many customers. If the worker crashes between two slices, the whole batch
    is read again. Then `Batch.arrived` says which messages have taken effect, and the timers of a tick that have
    happened are not in the rows any more. A record that is not one of the worker's own messages becomes a dead letter,
    as `intake` says.
    """
    return _next_slice(_State(batch, policy, intake, read), batch.sweep)


def _next_slice(state: _State, sweep: Sweep | None) -> Decided:
    """Decide the next slice of a batch, and return what it causes."""
    state.begin_slice()
    is_last = _go_on(state)
    rows = _rows(state)
    if sweep is not None and is_last:
        # The sweep comes last. So what is decided does not depend on how far the sweep has come.
        rows = sweep.changes(state.now, state.policy) | rows
    rest = None if is_last else partial(_next_slice, state, sweep)
    return Decided(state.outputs, rows, dict(state.arrived), rest=rest, latest_time=state.now)


def _go_on(state: _State) -> bool:
    """Decide the next records. Return False if the slice ends before the batch does."""
    if state.is_in_tick and not _pass_time(state):
        return False
    for record in state.records:
        state.now = max(state.now, record.timestamp)
        if record.key == case_log.TICK_KEY:
            if not _pass_time(state):
                return False
            continue
        try:
            message = case_log.read(record)
        except Rejected as rejected:
            state.outputs.append(dead_letter_in_place(record, rejected, state.intake))
            continue
        customer = record.key or b""
        if isinstance(message, MovedCommand):
            _take_command(customer, message, state)
        elif _is_new(message, state):
            _take_report(customer, message, state)
    return True


def _pass_time(state: _State) -> bool:
    """Let the timers happen that are due, in the order of their times. Return False if the slice ends before that.

    What happens must not depend on where a batch or a slice begins. So the rows that this slice has changed count as
    they are by now, and a tick is over once all of its timers have happened, in however many slices.
    """
    if state.due is None:
        return True
    changed = dict(state.customers.opened())
    here = sorted((at, key) for key, row in changed.items() if (at := next_timer(row.cases)) is not None)
    elsewhere = ((at, key) for at, key in state.due.due(state.now) if key not in changed)
    state.is_in_tick = True
    for at, customer in merge(here, elsewhere):
        if at > state.now:
            break
        if not state.left:
            return False
        # A timer that is removed without an event costs as much as one that has happened.
        state.left -= 1
        happened: list[tuple[int, str, int, Output]] = []
        for case in state.cases(customer).cases:
            while (timer := case.take_timer(state.now)) is not None:
                happened.append((timer.at, case.alert_id, case.step, _timed(case, customer, timer)))
        state.outputs += [output for *_, output in sorted(happened, key=lambda one: one[:3])]
    state.is_in_tick = False
    return True


def _timed(case: Case, customer: bytes, timer: Timer) -> Output:
    """Return the event about a timer that has happened."""
    if timer.kind is TimerKind.ESCALATE:
        return _event(case, customer, CaseAction.ESCALATED, CaseReason.NOT_ACKNOWLEDGED, timer=timer)
    is_overdue = timer.kind is TimerKind.RESOLUTION_OVERDUE
    reason = CaseReason.NOT_RESOLVED if is_overdue else CaseReason.DUE_SOON
    return _event(case, customer, CaseAction.REMINDED, reason, timer=timer)


def _rows(state: _State) -> dict[bytes, bytes | None]:
    """Return the rows that have changed. A row without cases is erased.

    Most answers of a customer with an open case change nothing. To write the row again would only make the changelog
    longer.
    """
    for customer, row in state.customers.opened():
        if not row.cases:
            state.customers.erase(customer)
    rows = state.customers.rows()
    return {customer: row for customer, row in rows.items() if row is None or row != state.read(customer)}


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
                    state.outputs.append(recovery(case, customer, ANSWERED_AGAIN, message.at, state.service))
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
            state.outputs.append(recovery(case, customer, case.state, case.changed_at, state.service))
    elif case is None:
        # An alert that is only updated was opened before there were cases, or its case was forgotten.
        terms = Terms(message.service_level, message.calendar)
        row.cases.append(opened(message, state.service.due(terms, message.at)))
        row.bound(state.policy)
        state.customers.put(customer, row)
    else:
        case.take_step(message)
        if case.has_ended:
            case.moved_to(CaseState.OPEN, message.at, by_alert=True)
            case.service_level, case.calendar = message.service_level, message.calendar
            case.receivers = message.receivers
            case.begin_terms(state.service.due(case.terms, case.opened_at))
            step = _event(case, customer, CaseAction.REOPENED, CaseReason.DETRACTOR_AGAIN)
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
    answer = case.carry_out(command, message.timestamp, state.policy, state.service.levels)
    case.remember(command, answer)
    if answer.outcome is CommandOutcome.APPLIED:
        if command.action is CommandAction.REOPEN:
            case.begin_terms(state.service.due(case.terms, case.opened_at))
        elif command.action is CommandAction.REAPPLY:
            reapply(case, command, state.service)
        state.outputs.append(_event(case, customer, _ACTIONS[command.action], CaseReason.COMMAND, command))
        if command.action is CommandAction.RESOLVE:
            state.outputs.append(recovery(case, customer, case.state, case.changed_at, state.service))
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


def _event(
    case: Case,
    customer: bytes,
    action: CaseAction,
    reason: CaseReason,
    command: AlertCommand | None = None,
    timer: Timer | None = None,
) -> Output:
    """Return the event about the last step of a case. `command` or `timer`: what caused it; if neither, an answer."""
    is_escalation = timer is not None and timer.kind is TimerKind.ESCALATE
    is_by_answer = reason is CaseReason.DETRACTOR_AGAIN
    event = _CaseStep(
        alert_id=case.alert_id,
        kind=CASE,
        action=action,
        reason=reason,
        severity=case.severity,
        score=case.score,
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
        acknowledged_at=_time(case.acknowledged_at),
        actor=None if command is None else command.actor,
        via=None if command is None else command.via,
        acted_at=None if command is None else command.at,
        command_id=None if command is None else command.command_id,
        assignee=case.assignee or None,
        outcome=case.outcome,
        service_level=case.service_level or None,
        acknowledge_due_at=_time(case.acknowledge_due),
        resolve_due_at=_time(case.resolve_due),
        due_at=None if timer is None else _time(case.limit_of(timer.kind)),
        escalation_step=timer.step if timer is not None and is_escalation else None,
        escalated_to=timer.receivers if timer is not None and is_escalation else None,
        routed_to=case.receivers if is_by_answer else None,
        revision=case.revision if is_by_answer else None,
        cause=case.cause,
        language=case.language or None,
    )
    return events.output(events.CASE, customer, event, step_id(case, case.step), rfc3339(case.changed_at))


def step_id(case: Case, number: int) -> str:
    """Return the id of the event about a step of a case."""
    return make_id("case", case.alert_id, case.created_at, number)


def _time(at: int | None) -> datetime | None:
    return None if at is None else from_ms(at)
