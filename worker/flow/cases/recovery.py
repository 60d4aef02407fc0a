"""The recovery of a customer: the times of one interval of a case, and the customer's next answer."""

from schemas.case import CaseState
from schemas.emitted import emitted
from schemas.recovery import FollowUp, Recovery
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.cases.case import Case
from worker.flow.cases.case import FollowUp as CaseFollowUp
from worker.flow.cases.service import ServiceLevels
from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, rfc3339
from worker.nps.histogram import PASSIVE_FROM

#: The reason of an event about an answer. The other reasons are the states that end a case.
ANSWERED_AGAIN = "answered_again"

_Recovery, _FollowUp = emitted(Recovery), emitted(FollowUp)


def recovery(case: Case, customer: bytes, reason: str, at: int, service: ServiceLevels) -> Output:
    """Return the event about the interval of a case that began when it was opened last.

    `at`: the time of what the event reports, in ms.
    """
    answer = case.follow_up
    interval = case.alert_id, case.created_at, case.opening
    resolved_at = case.ended_at if case.state is CaseState.RESOLVED else None
    event = _Recovery(
        recovery_id=make_id("recovery", *interval),
        alert_id=case.alert_id,
        customer_id=customer.decode(),
        response_id=case.response_id,
        survey_id=case.survey_id,
        segment=case.segment,
        severity=case.severity,
        score=case.score,
        reason=reason,
        occurred_at=from_ms(at),
        state=case.state,
        opening=case.opening,
        opened_at=from_ms(case.opened_at),
        acknowledged_at=None if case.acknowledged_at is None else from_ms(case.acknowledged_at),
        ended_at=None if case.ended_at is None else from_ms(case.ended_at),
        seconds_to_acknowledge=_seconds(case.opened_at, case.acknowledged_at),
        seconds_to_resolve=_seconds(case.opened_at, resolved_at),
        working_seconds_to_acknowledge=service.working_seconds(case.calendar, case.opened_at, case.acknowledged_at),
        working_seconds_to_resolve=service.working_seconds(case.calendar, case.opened_at, resolved_at),
        service_level=case.service_level or None,
        acknowledge_due_at=None if case.acknowledge_due is None else from_ms(case.acknowledge_due),
        resolve_due_at=None if case.resolve_due is None else from_ms(case.resolve_due),
        outcome=case.outcome,
        cause=case.cause,
        follow_up=None if answer is None else _follow_up(answer),
        receivers=case.receivers,
    )
    step = (
        (reason, case.step) if answer is None else (reason, case.step, answer.response_id, answer.revision, answer.at)
    )
    return events.output(events.RECOVERY, customer, event, make_id("recovery-event", *interval, *step), rfc3339(at))


def _follow_up(answer: CaseFollowUp) -> FollowUp:
    return _FollowUp(
        response_id=answer.response_id,
        revision=answer.revision,
        score=answer.score,
        segment=answer.segment,
        answered_at=from_ms(answer.at),
        recovered=answer.score >= PASSIVE_FROM,
    )


def _seconds(begin: int, end: int | None) -> float | None:
    return None if end is None else max(0, end - begin) / 1_000
