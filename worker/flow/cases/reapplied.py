"""The time limits of a case that are computed again, since somebody asks for it. Pure."""

from schemas.alert_command import AlertCommand
from schemas.case import CaseState
from worker.flow.cases.case import Case
from worker.flow.cases.service import UNTIL_ACKNOWLEDGED, Due, ServiceLevels, Timer, TimerKind
from worker.routing.service_level import Terms


def reapply(case: Case, command: AlertCommand, service: ServiceLevels) -> None:
    """Give a case on which somebody works the time limits of the current settings, counted from its last opening.

    What has happened since then does not happen again: an acknowledgement was in time or late by the limit of then, a
    step of the escalation is known by its number, and a reminder by the time limit that it was about.
    """
    case.service_level = command.service_level or case.service_level
    due = service.due(Terms(case.service_level, case.calendar), case.opened_at)
    if case.state is CaseState.ACKNOWLEDGED:
        due = Due(case.acknowledge_due, due.resolve, [one for one in due.timers if one.kind not in UNTIL_ACKNOWLEDGED])
    timers = [timer for timer in due.timers if not _has_happened(timer, due, case)]
    case.acknowledge_due, case.resolve_due, case.timers = due.acknowledge, due.resolve, timers


def _has_happened(timer: Timer, due: Due, case: Case) -> bool:
    """Say whether a timer of new time limits has happened, or is about what has happened.

    A reminder that has happened comes again only if the time limit is another one and the reminder is still to come.
    """
    if timer.kind is TimerKind.ESCALATE:
        return timer.step <= case.escalated
    if timer.kind not in case.reminded:
        return False
    limit = due.acknowledge if timer.kind in UNTIL_ACKNOWLEDGED else due.resolve
    return timer.at <= case.changed_at or limit == case.reminded[timer.kind]
