"""The events of an incident: a segment's NPS fell, its responses stopped coming, or there are too many segments."""

from typing import Any

from schemas.alert import Severity
from schemas.emitted import emitted
from schemas.incident import Change, Incident, IncidentAction, IncidentKind, IncidentReason
from schemas.scores import WindowScore
from worker.detect.culprits import Split
from worker.detect.watch import OpenIncident
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.ids import make_id
from worker.flow.lineage import SEPARATOR
from worker.flow.timestamps import from_ms, rfc3339
from worker.flow.window_score import window_score
from worker.nps.interval import difference
from worker.nps.windows import HOUR

_Incident, _Change = emitted(Incident), emitted(Change)

#: An incident's key begins like this, so that it is not taken for a customer's.
KEY_PREFIX = "incident:"
#: By how many points the NPS fell at least, for each severity above a warning.
_CRITICAL, _ERROR = 30.0, 20.0


def drop(
    path: str, opened: OpenIncident, split: Split, action: IncidentAction, reason: IncidentReason, now: int
) -> Output:
    """Return a step of a drop; `split`: the answers before it began and since, `now`: the tick's time in ms."""
    before, after = _scores(split)
    change = None
    if before.nps is not None and after.nps is not None:
        low, high = difference(split.after, split.before)
        change = _Change(points=after.nps - before.nps, low=low, high=high)
    summary = f"{_POINTS[reason]} at {_name(path)}: from {_points(before.nps)} to {_points(after.nps)}"
    figures = {"before": before, "after": after, "change": change}
    return _step(IncidentKind.SEGMENT_DROP, path, opened, action, reason, now, summary=summary, **figures)


def silence(
    path: str, opened: OpenIncident, expected: float | None, action: IncidentAction, reason: IncidentReason, now: int
) -> Output:
    """Return a step of a silence; `expected`: how many answers would have come since the last one."""
    summary = f"{_ANSWERS[reason]} at {_name(path)}"
    return _step(IncidentKind.NO_RESPONSES, path, opened, action, reason, now, summary=summary, expected=expected)


def too_many(
    opened: OpenIncident,
    segments: int,
    most: int,
    example: str | None,
    action: IncidentAction,
    reason: IncidentReason,
    now: int,
) -> Output:
    """Return a step of the incident about too many segments, of which `segments` are counted, and at most `most`.

    `example`: the path of an answer that was left out. The summary does not name it: publishers make survey ids of what
    they like.
    """
    summary = f"{_ROOM[reason]}: {segments} of at most {most} segments and surveys are counted"
    figures = {"segments": segments, "most": most, "example": example}
    return _step(IncidentKind.TOO_MANY_SEGMENTS, "", opened, action, reason, now, summary=summary, **figures)


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


_ROOM = {
    IncidentReason.LEFT_OUT: "Answers to further segments count for their parents only",
    IncidentReason.ROOM_AGAIN: "There is room for further segments again",
}


def _step(
    kind: IncidentKind,
    path: str,
    opened: OpenIncident,
    action: IncidentAction,
    reason: IncidentReason,
    now: int,
    **known: Any,
) -> Output:
    """Return a step; `known`: the summary, and what this kind has of figures."""
    alert_id = make_id(kind, path, opened.hour)
    body = _Incident(
        alert_id=alert_id,
        kind=kind,
        action=action,
        reason=reason,
        severity=opened.severity,
        occurred_at=from_ms(now),
        segment=path,
        touchpoint=path.rpartition(SEPARATOR)[2],
        since=from_ms(opened.since * HOUR),
        explains=opened.explains,
        **known,
    )
    key, event_id = f"{KEY_PREFIX}{path}".encode(), make_id("incident", alert_id, action)
    return events.output(events.INCIDENT, key, body, event_id, rfc3339(now))


def severity_of(split: Split) -> Severity:
    """Return how severe a drop is."""
    before, after = _scores(split)
    points = 0.0 if before.nps is None or after.nps is None else before.nps - after.nps
    if points >= _CRITICAL:
        return Severity.CRITICAL
    return Severity.ERROR if points >= _ERROR else Severity.WARNING


def _scores(split: Split) -> tuple[WindowScore, WindowScore]:
    before, after = (window_score(*map(int, classes)) for classes in split)
    return before, after


def _name(path: str) -> str:
    return path or "the root segment"


def _points(nps: float | None) -> str:
    return "none" if nps is None else f"{nps:+z.0f}"
