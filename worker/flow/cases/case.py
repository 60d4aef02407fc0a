"""A case: the state of the work on one alert, and the steps that are legal in each state.

The row of a customer has all cases of that customer. It is bounded (CasePolicy, `bound`).
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from schemas.alert import Severity
from schemas.alert_command import AlertCommand, CommandAction
from schemas.alert_command_result import CommandOutcome
from schemas.case import CaseOutcome, CaseState
from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow.batch import Overlay, Read
from worker.flow.cases.service import UNTIL_ACKNOWLEDGED, Due, Timer, TimerKind
from worker.flow.ids import id_hash
from worker.flow.messages.alert_command import Answer
from worker.flow.messages.case_log import AlertStep, AnsweredAgain
from worker.flow.policy import CasePolicy
from worker.flow.text import on_lines
from worker.flow.timestamps import DAY
from worker.routing.service_level import Terms

#: The states in which nobody has to act.
ENDED = frozenset({CaseState.RESOLVED, CaseState.WITHDRAWN})
#: The number of commands that a case remembers, so that a command which comes again changes nothing.
COMMANDS_KEPT = 16
#: The largest number of bytes of a row. With the frame of its record, it stays below Kafka's default limit of 1 MiB.
MOST_BYTES = 500_000

_OPEN, _ACKNOWLEDGED = CaseState.OPEN, CaseState.ACKNOWLEDGED
_RESOLVED, _WITHDRAWN = CaseState.RESOLVED, CaseState.WITHDRAWN
#: By state and action: the state after the command, or the reason for which it is refused.
STEPS: Mapping[CaseState, Mapping[CommandAction, CaseState | Reason]] = MappingProxyType(
    {
        _OPEN: {
            CommandAction.ACKNOWLEDGE: _ACKNOWLEDGED,
            CommandAction.ASSIGN: _OPEN,
            CommandAction.NOTE: _OPEN,
            CommandAction.RESOLVE: _RESOLVED,
            CommandAction.REOPEN: Reason.CASE_OPEN,
            CommandAction.REAPPLY: _OPEN,
        },
        _ACKNOWLEDGED: {
            CommandAction.ACKNOWLEDGE: Reason.ACKNOWLEDGED_BY_ANOTHER,
            CommandAction.ASSIGN: _ACKNOWLEDGED,
            CommandAction.NOTE: _ACKNOWLEDGED,
            CommandAction.RESOLVE: _RESOLVED,
            CommandAction.REOPEN: Reason.CASE_OPEN,
            CommandAction.REAPPLY: _ACKNOWLEDGED,
        },
        _RESOLVED: {
            CommandAction.ACKNOWLEDGE: Reason.CASE_RESOLVED,
            CommandAction.ASSIGN: Reason.CASE_RESOLVED,
            CommandAction.NOTE: _RESOLVED,
            CommandAction.RESOLVE: Reason.CASE_RESOLVED,
            CommandAction.REOPEN: _OPEN,
            CommandAction.REAPPLY: Reason.CASE_RESOLVED,
        },
        _WITHDRAWN: {
            CommandAction.ACKNOWLEDGE: Reason.CASE_WITHDRAWN,
            CommandAction.ASSIGN: Reason.CASE_WITHDRAWN,
            CommandAction.NOTE: _WITHDRAWN,
            CommandAction.RESOLVE: Reason.CASE_WITHDRAWN,
            CommandAction.REOPEN: _OPEN,
            CommandAction.REAPPLY: Reason.CASE_WITHDRAWN,
        },
    }
)
_DETAILS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.ALERT_UNKNOWN: "alert_id: this customer has no case of this alert: an id is wrong, or the case was "
        "forgotten (cases.ended_days, cases.open_days), or the alert was opened before there were cases",
        Reason.CASE_OPEN: "the case has not ended, so it cannot be reopened",
        Reason.CASE_RESOLVED: "the case is resolved: reopen it first",
        Reason.CASE_WITHDRAWN: "the alert was withdrawn, since the customer is not unhappy: reopen the case first",
        Reason.CASE_REOPENED: "opening: the case was reopened since then: look at it again",
        Reason.ACKNOWLEDGED_BY_ANOTHER: "somebody else has acknowledged the case: assign it to take it over",
        Reason.CAUSE_MISSING: "cause: is missing, and the setting cases.cause_required demands it",
        Reason.CAUSE_UNKNOWN: "cause: is not one of the words of the setting cases.causes",
        Reason.SERVICE_LEVEL_UNKNOWN: "service_level: the worker's settings do not have the one that the command names "
        "or the case has, or the case has none: name another one",
    }
)


class Note(msgspec.Struct, array_like=True, frozen=True):
    """What somebody wrote about a case."""

    #: When it arrived, by Kafka's time in ms.
    at: int
    actor: str
    text: str


class KnownCommand(msgspec.Struct, array_like=True, frozen=True):
    """A command that was decided, and its answer."""

    #: The hash of its id.
    hashed: int
    outcome: CommandOutcome
    state: CaseState
    step: int
    opening: int
    #: Why it was refused; None if it was not.
    reason: Reason | None = None


class FollowUp(msgspec.Struct, array_like=True, frozen=True):
    """The first answer that the customer gave after a case was opened."""

    response_id: str
    revision: int
    score: int
    segment: str
    #: The Kafka time of the answer, in ms.
    at: int


class Case(msgspec.Struct, array_like=True):
    """The case of one alert. Times are Kafka's, in ms. Its stored form depends on the order of the fields."""

    alert_id: str
    state: CaseState
    #: When its last step was.
    changed_at: int
    #: When its first step was.
    created_at: int
    response_id: str
    #: The revision of the response in the alert's newest step.
    revision: int
    survey_id: str
    #: The path of the segment.
    segment: str
    severity: Severity
    score: int
    #: When the customer answered, in ms.
    given: int
    #: The Kafka time of the response that caused the alert's newest step, in ms.
    alert_at: int
    #: When it was opened, or reopened for the last time.
    opened_at: int
    #: How often it has been opened.
    opening: int = 1
    #: The number of its steps.
    step: int = 1
    #: When it was acknowledged after that; None if it was not.
    acknowledged_at: int | None = None
    #: Who has acknowledged it; empty if nobody has.
    acknowledged_by: str = ""
    #: Who looks after it, if somebody was named.
    assignee: str = ""
    #: When it was resolved or withdrawn; None while it is open.
    ended_at: int | None = None
    #: Who has resolved it; empty if nobody has.
    resolved_by: str = ""
    outcome: CaseOutcome | None = None
    cause: str | None = None
    #: The newest notes, in their order.
    notes: list[Note] = []
    #: The newest commands, in their order.
    commands: list[KnownCommand] = []
    #: The first answer after it was opened, or reopened for the last time; None if there was none.
    follow_up: FollowUp | None = None
    #: By what the work is measured (Terms); empty texts in rows of older versions.
    service_level: str = ""
    calendar: str = ""
    #: When it had to be acknowledged and resolved, counted from the last opening, in ms; None without a limit.
    acknowledge_due: int | None = None
    resolve_due: int | None = None
    #: What happens next if nobody acts, by the times.
    timers: list[Timer] = []
    #: The number of the last step of the escalation since it was opened; 0 if there was none.
    escalated: int = 0
    #: The links in a message about a step of the alert can be used if the step has this time or a later one, in ms. If
    #: the worker lags behind, a step that reopens the case is older than the reopening. None: the same as `opened_at`.
    links_from: int | None = None
    #: The names of the receivers of the alert when the case was opened, or when the customer's answer reopened it
    #: (Work). Empty if there were none, and in rows of older versions.
    receivers: list[str] = []
    #: The reminders that have happened since it was opened, each with the last time limit that it was about, in ms.
    reminded: dict[TimerKind, int] = {}
    #: The language that the response names in the alert's newest step. Empty if it names none, and in rows of older
    #: versions.
    language: str = ""

    @property
    def terms(self) -> Terms:
        """By what the work is measured."""
        return Terms(self.service_level, self.calendar)

    @property
    def next_due(self) -> int | None:
        """When somebody has to act, in ms; None without a limit, or if nobody has to act any more."""
        if self.has_ended:
            return None
        return self.resolve_due if self.is_resolution_next else self.acknowledge_due

    @property
    def is_resolution_next(self) -> bool:
        """Whether the next time limit, if there is one, is that of the resolution."""
        return self.state is not _OPEN or self.acknowledge_due is None

    @property
    def has_ended(self) -> bool:
        """Whether nobody has to act."""
        return self.state in ENDED

    def moved_to(self, state: CaseState, at: int, *, by_alert: bool = False) -> None:
        """Note a step that leads to a state. `by_alert`: whether the newest step of the alert causes it."""
        self.step += 1
        self.changed_at = max(at, self.changed_at)
        if state is not self.state and self.has_ended and state not in ENDED:
            self.opening += 1
            self.opened_at, self.ended_at = self.changed_at, None
            # If a person reopens the case, all steps of the alert so far were before that.
            self.links_from = self.alert_at if by_alert else self.alert_at + 1
            self.acknowledged_at, self.acknowledged_by = None, ""
            self.resolved_by, self.outcome, self.cause, self.follow_up = "", None, None, None
            self.begin_terms(Due())
        elif state in ENDED and not self.has_ended:
            self.ended_at = self.changed_at
        self.state = state
        self._stop_timers()

    def _stop_timers(self) -> None:
        """Remove the timers that have no meaning in the state of the case."""
        if self.has_ended:
            self.timers = []
        elif self.state is _ACKNOWLEDGED:
            self.timers = [timer for timer in self.timers if timer.kind not in UNTIL_ACKNOWLEDGED]

    def begin_terms(self, due: Due) -> None:
        """Let the time to act begin, since the case was opened or reopened."""
        self.acknowledge_due, self.resolve_due, self.timers = due.acknowledge, due.resolve, due.timers
        self.escalated, self.reminded = 0, {}

    def take_timer(self, now: int) -> Timer | None:
        """Remove the timers that are due, up to the first one that has to happen, and return that one.

        `now`: in ms. The case has one step more then. Return None if none of the timers that are due has to happen.
        """
        while self.timers and self.timers[0].at <= now:
            timer, *self.timers = self.timers
            if self._has_to_happen(timer, now):
                self.step += 1
                self.changed_at = max(now, self.changed_at)
                self._note_happened(timer)
                return timer
        return None

    def _note_happened(self, timer: Timer) -> None:
        """Note a timer that happens, so that it does not happen again if the time limits are computed again."""
        if timer.kind is TimerKind.ESCALATE:
            self.escalated = timer.step
        elif (limit := self.limit_of(timer.kind)) is not None:
            self.reminded = {**self.reminded, timer.kind: limit}

    def limit_of(self, kind: TimerKind) -> int | None:
        """Return the time limit that a kind of timers is about, in ms."""
        return self.acknowledge_due if kind in UNTIL_ACKNOWLEDGED else self.resolve_due

    def _has_to_happen(self, timer: Timer, now: int) -> bool:
        """Say whether a timer has a meaning. A reminder has none after the time that it reminds of."""
        match timer.kind:
            case TimerKind.REMIND:
                return self.state is _OPEN and (self.acknowledge_due or 0) > now
            case TimerKind.ESCALATE:
                return self.state is _OPEN
            case TimerKind.REMIND_RESOLUTION:
                return (self.resolve_due or 0) > now
            case TimerKind.RESOLUTION_OVERDUE:
                return True  # a case that has ended has no timers

    def take_step(self, step: AlertStep) -> None:
        """Take over what the newest step of the alert says about the response."""
        self.revision, self.severity, self.score = step.revision, step.severity, step.score
        self.segment, self.given, self.alert_at = step.segment, step.given, step.at
        self.language = step.language

    def take_answer(self, answer: AnsweredAgain) -> bool:
        """Tie an answer to the case if it is the first one since then, or a revision of it. Say whether it was tied."""
        if self.state is _WITHDRAWN or answer.response_id == self.response_id or answer.given <= self.given:
            return False
        known = self.follow_up
        if known is None if answer.is_first else known is not None and known.response_id == answer.response_id:
            self.follow_up = FollowUp(answer.response_id, answer.revision, answer.score, answer.segment, answer.at)
            return True
        return False

    def known(self, command: AlertCommand) -> KnownCommand | None:
        """Return what was decided about a command with the same id; None if it is new, or not remembered."""
        hashed = id_hash(command.command_id)
        return next((known for known in self.commands if known.hashed == hashed), None)

    def remember(self, command: AlertCommand, answer: Answer) -> None:
        """Remember a command and its answer."""
        reason = None if answer.rejected is None else answer.rejected.reason
        known = KnownCommand(id_hash(command.command_id), answer.outcome, self.state, self.step, self.opening, reason)
        self.commands = [*self.commands, known][-COMMANDS_KEPT:]

    def answer(self, outcome: CommandOutcome, reason: Reason | None = None) -> Answer:
        """Return the answer to a command that was just decided."""
        rejected = None if reason is None else refusal(reason)
        return Answer(outcome, self.state, self.step, self.opening, rejected)

    def carry_out(self, command: AlertCommand, at: int, policy: CasePolicy, levels: Container[str]) -> Answer:
        """Change the case as a command says, if that is legal. Return the answer.

        `at`: when the command arrived, in ms. `levels`: the names of the service levels of the settings.
        """
        state = STEPS[self.state][command.action]
        if command.opening not in {None, self.opening}:
            return self.answer(CommandOutcome.REFUSED, Reason.CASE_REOPENED)
        if self._is_done(command):
            return self.answer(CommandOutcome.UNCHANGED)
        if isinstance(state, Reason):
            return self.answer(CommandOutcome.REFUSED, state)
        if (reason := self._wrong_word(command, policy, levels)) is not None:
            return self.answer(CommandOutcome.REFUSED, reason)
        self.moved_to(state, at)
        self._apply(command, policy)
        return self.answer(CommandOutcome.APPLIED)

    def _is_done(self, command: AlertCommand) -> bool:
        """Say whether the case is already as the same actor wants it to be. A note is always new."""
        match command.action:
            case CommandAction.ACKNOWLEDGE:
                return self.state is _ACKNOWLEDGED and self.acknowledged_by == command.actor
            case CommandAction.ASSIGN:
                return not self.has_ended and self.assignee == command.assignee
            case CommandAction.RESOLVE:
                wanted = command.actor, command.outcome, command.cause
                return self.state is _RESOLVED and wanted == (self.resolved_by, self.outcome, self.cause)
            case _:
                return False

    def _wrong_word(self, command: AlertCommand, policy: CasePolicy, levels: Container[str]) -> Reason | None:
        """Return why a command is refused that needs something which the settings do not have."""
        match command.action:
            case CommandAction.REAPPLY:
                level = command.service_level or self.service_level
                return None if level in levels else Reason.SERVICE_LEVEL_UNKNOWN
            case CommandAction.RESOLVE:
                if command.cause is None:
                    return Reason.CAUSE_MISSING if policy.cause_required else None
                return None if command.cause in policy.causes else Reason.CAUSE_UNKNOWN
            case _:
                return None

    def _apply(self, command: AlertCommand, policy: CasePolicy) -> None:
        match command.action:
            case CommandAction.ACKNOWLEDGE:
                self.acknowledged_at, self.acknowledged_by = self.changed_at, command.actor
            case CommandAction.ASSIGN:
                self.assignee = command.assignee or ""
            case CommandAction.RESOLVE:
                self.resolved_by, self.outcome, self.cause = command.actor, command.outcome, command.cause
        if policy.notes and (text := on_lines(command.note or "")):
            note = Note(self.changed_at, command.actor, text)
            self.notes = [*self.notes, note][-policy.notes :]


def refusal(reason: Reason) -> Rejected:
    """Return why a command is refused that is valid by itself."""
    return Rejected(reason, _DETAILS[reason])


def answer_again(known: KnownCommand) -> Answer:
    """Return the answer to a command that has come again."""
    rejected = None if known.reason is None else refusal(known.reason)
    return Answer(known.outcome, known.state, known.step, known.opening, rejected)


def opened(step: AlertStep, due: Due | None = None) -> Case:
    """Return the case that a step of an alert opens. `due`: when it has to be acknowledged and resolved."""
    case = Case(
        step.alert_id,
        _OPEN,
        step.at,
        step.at,
        step.response_id,
        step.revision,
        step.survey_id,
        step.segment,
        step.severity,
        step.score,
        step.given,
        step.at,
        step.at,
        service_level=step.service_level,
        calendar=step.calendar,
        receivers=step.receivers,
        language=step.language,
    )
    if due is not None:
        case.begin_terms(due)
    return case


class Cases(msgspec.Struct, array_like=True):
    """The row of a customer: the cases in the order in which they were opened first."""

    cases: list[Case] = msgspec.field(default_factory=list)

    def find(self, alert_id: str) -> Case | None:
        """Return the case of an alert; None if there is none."""
        return next((case for case in self.cases if case.alert_id == alert_id), None)

    def bound(self, policy: CasePolicy) -> None:
        """Forget cases if there are too many. If the row is too large, forget the oldest notes, and then cases."""
        while len(self.cases) > policy.most_per_customer:
            self._forget_one()
        while len(encode_cases(self)) > MOST_BYTES:
            noted = [case for case in self.cases if case.notes]
            if noted:
                oldest = min(noted, key=lambda case: case.notes[0].at)
                oldest.notes = oldest.notes[1:]
            else:
                self._forget_one()

    def _forget_one(self) -> None:
        self.cases.remove(min(self.cases, key=lambda case: (not case.has_ended, case.changed_at)))


encode_cases = msgspec.msgpack.Encoder().encode
decode_cases = msgspec.msgpack.Decoder(Cases).decode


def customers(read: Read) -> Overlay[Cases]:
    """Return the rows of one partition while a batch is decided."""
    return Overlay(read, decode_cases, encode_cases)


def next_timer_in(row: bytes) -> int | None:
    """Return the time of the first timer of a row's cases, in ms; None if they have none."""
    return next_timer(decode_cases(row).cases)


def next_timer(cases: Iterable[Case]) -> int | None:
    """Return the time of the first timer of some cases, in ms; None if they have none."""
    return min((case.timers[0].at for case in cases if case.timers), default=None)


class _CasePeek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of a case. To decode the others would take several times as long."""

    alert_id: str
    state: str
    changed_at: int


class _Peek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    cases: list[_CasePeek]


_peek = msgspec.msgpack.Decoder(_Peek).decode


def alert_ids(row: bytes) -> list[str]:
    """Return the ids of the alerts whose cases a row has, without decoding all of it."""
    return [case.alert_id for case in _peek(row).cases]


def is_forgotten(case: Case | _CasePeek, time: int, policy: CasePolicy) -> bool:
    """Say whether a case counts as forgotten at a time, in ms."""
    days = policy.ended_days if case.state in ENDED else policy.open_days
    return time >= case.changed_at + days * DAY


def remaining(cases: Sequence[Case], time: int, policy: CasePolicy) -> list[Case]:
    """Return the cases that are not forgotten at a time, in ms."""
    return [case for case in cases if not is_forgotten(case, time, policy)]


def has_forgotten(row: bytes, time: int, policy: CasePolicy) -> bool:
    """Say whether a row has a case that counts as forgotten at a time, in ms, without decoding all of it."""
    return any(is_forgotten(case, time, policy) for case in _peek(row).cases)
