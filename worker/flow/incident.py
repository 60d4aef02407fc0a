"""The events of an incident: a segment whose NPS fell, or whose responses stopped coming."""

from schemas.alert import Severity
from schemas.emitted import emitted
from schemas.incident import Change, Incident, IncidentAction, IncidentKind, IncidentReason
from worker.flow import outbox
from worker.flow.ids import make_id
from worker.flow.lineage import SEPARATOR
from worker.flow.moment import from_ms, rfc3339
from worker.flow.outbox import Output
from worker.flow.window_score import window_score
from worker.nps.culprits import Split
from worker.nps.interval import difference
from worker.nps.watch import Told
from worker.nps.windows import HOUR

_Incident, _Change = emitted(Incident), emitted(Change)

#: An incident's key begins like this, so that it is not taken for a customer's.
KEY_PREFIX = "incident:"
#: By how many points the NPS fell at least, for each severity above a warning.
_CRITICAL, _ERROR = 30.0, 20.0


def drop(path: str, told: Told, split: Split, action: IncidentAction, reason: IncidentReason, now: int) -> Output:
    """Return a step of a drop; `split`: the answers before it began and since, `now`: the tick's time in ms."""
    before, after = (window_score(*map(int, classes)) for classes in split)
    change = None
    if before.nps is not None and after.nps is not None:
        low, high = difference(split.after, split.before)
        change = _Change(points=after.nps - before.nps, low=low, high=high)
    body = _Incident(
        alert_id=make_id(IncidentKind.SEGMENT_DROP, path, told.hour),
        kind=IncidentKind.SEGMENT_DROP,
        action=action,
        reason=reason,
        severity=told.severity,
        summary=f"{_POINTS[reason]} at {_name(path)}: from {_points(before.nps)} to {_points(after.nps)}",
        occurred_at=from_ms(now),
        segment=path,
        touchpoint=_touchpoint(path),
        since=from_ms(told.since * HOUR),
        before=before,
        after=after,
        change=change,
        explains=told.explains,
        expected=None,
    )
    return _output(path, body, now)


def silence(
    path: str, told: Told, expected: float | None, action: IncidentAction, reason: IncidentReason, now: int
) -> Output:
    """Return a step of a silence; `expected`: how many answers would have come since the last one."""
    body = _Incident(
        alert_id=make_id(IncidentKind.NO_RESPONSES, path, told.hour),
        kind=IncidentKind.NO_RESPONSES,
        action=action,
        reason=reason,
        severity=told.severity,
        summary=f"{_ANSWERS[reason]} at {_name(path)}",
        occurred_at=from_ms(now),
        segment=path,
        touchpoint=_touchpoint(path),
        since=from_ms(told.since * HOUR),
        before=None,
        after=None,
        change=None,
        explains=told.explains,
        expected=expected,
    )
    return _output(path, body, now)


_POINTS = {
    IncidentReason.NPS_FELL: "NPS fell",
    IncidentReason.RECOVERED: "NPS has recovered",
    IncidentReason.NEW_LEVEL: "NPS stays at its new level",
}
_ANSWERS = {
    IncidentReason.SILENT: "No responses any more",
    IncidentReason.ANSWERED_AGAIN: "Responses come again",
    IncidentReason.RETIRED: "No responses for a quarter, not watched any more",
}


def _output(path: str, body: Incident, now: int) -> Output:
    event_id = make_id("incident", body.alert_id, body.action)
    return outbox.event(outbox.INCIDENT, f"{KEY_PREFIX}{path}".encode(), body, event_id, rfc3339(now))


def severity_of(split: Split) -> Severity:
    """Return how severe a drop is."""
    before, after = (window_score(*map(int, classes)).nps for classes in split)
    points = 0.0 if before is None or after is None else before - after
    if points >= _CRITICAL:
        return Severity.CRITICAL
    return Severity.ERROR if points >= _ERROR else Severity.WARNING


def _name(path: str) -> str:
    return path or "the root segment"


def _touchpoint(path: str) -> str:
    return path.rpartition(SEPARATOR)[2]


def _points(nps: float | None) -> str:
    return "none" if nps is None else f"{nps:+.0f}"
