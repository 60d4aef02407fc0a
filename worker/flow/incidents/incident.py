"""The events of an incident: a segment's NPS fell, responses stopped coming, or there are too many segments."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.alert import Severity
from schemas.emitted import emitted
from schemas.incident import (
    Change,
    Incident,
    IncidentAction,
    IncidentKind,
    IncidentReason,
    OtherIncident,
    ShareChange,
)
from schemas.scores import WindowScore
from worker.detect.drops import Classes
from worker.detect.mix import Mix, Part
from worker.detect.sizes import SizeOfChange
from worker.detect.split import Split
from worker.detect.watch import OpenIncident
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, rfc3339
from worker.flow.window_score import window_score
from worker.lineage import SEPARATOR, source_of
from worker.nps.interval import Z_95, difference
from worker.nps.windows import HOUR

_Incident, _Change, _ShareChange = emitted(Incident), emitted(Change), emitted(ShareChange)
_OtherIncident = emitted(OtherIncident)

#: The prefix of an incident's key. It keeps the key apart from the keys of customers.
KEY_PREFIX = "incident:"
#: By how many points the NPS fell at least, for each severity above a warning.
_CRITICAL, _ERROR = 30.0, 20.0


class Step(NamedTuple):
    """A step of an incident: the incident opens, is updated or is resolved."""

    #: The path of the segment that it is about.
    path: str
    incident: OpenIncident
    #: Why the step is reported. The kind of the incident and the action follow from the reason.
    reason: IncidentReason
    #: The Kafka time of the tick that caused the step, in ms.
    time: int


class FurtherFall(NamedTuple):
    """A further fall of a segment whose drop is open."""

    #: The hour in which it began, counted since 1970.
    since: int
    #: The segment's answers since then.
    after: Classes


class Findings(NamedTuple):
    """What is known of a drop besides its answers."""

    #: The size of the drop. Without it, the change is the plain difference.
    size: SizeOfChange | None = None
    #: How much of the difference is due to the mix of the answers.
    mixed: Mix | None = None
    #: The segment above, if its own mix conceals the drop.
    hidden_in: str | None = None
    #: The segments directly below that fell themselves, although the mix explains the drop.
    fallen_below: Sequence[str] = ()
    #: The further fall by which the drop has become worse. Without one, only its size is better known.
    further: FurtherFall | None = None
    #: The incident that this one has become part of, with the segment that it is about.
    other: tuple[str, OpenIncident] | None = None


#: If nothing else is known of a drop.
_NOTHING = Findings()


class _Meaning(NamedTuple):
    """What a reason says about the step: the incident's kind, the action, and how the summary begins."""

    kind: IncidentKind
    action: IncidentAction
    words: str


_DROP, _SILENCE, _TOO_MANY = IncidentKind.SEGMENT_DROP, IncidentKind.NO_RESPONSES, IncidentKind.TOO_MANY_SEGMENTS
_OPENED, _UPDATED, _RESOLVED = IncidentAction.OPENED, IncidentAction.UPDATED, IncidentAction.RESOLVED
_MEANINGS = {
    IncidentReason.NPS_FELL: _Meaning(_DROP, _OPENED, "NPS fell"),
    IncidentReason.MIX_CHANGED: _Meaning(_DROP, _OPENED, "NPS fell, since the mix of answers changed,"),
    IncidentReason.WIDER: _Meaning(_DROP, _UPDATED, "NPS fell more widely than reported"),
    IncidentReason.DEEPER: _Meaning(_DROP, _UPDATED, "The cause of the drop is known better: NPS fell"),
    IncidentReason.WORSE: _Meaning(_DROP, _UPDATED, "NPS fell further"),
    IncidentReason.PARTLY_RECOVERED: _Meaning(_DROP, _UPDATED, "NPS has recovered in part, but is still low"),
    IncidentReason.MERGED: _Meaning(_DROP, _RESOLVED, "This drop is part of another incident: NPS fell"),
    IncidentReason.RECOVERED: _Meaning(_DROP, _RESOLVED, "NPS has recovered"),
    IncidentReason.NEW_LEVEL: _Meaning(_DROP, _RESOLVED, "The lower NPS counts as usual from now on"),
    IncidentReason.SILENT: _Meaning(_SILENCE, _OPENED, "No responses any more"),
    IncidentReason.ANSWERED_AGAIN: _Meaning(_SILENCE, _RESOLVED, "Responses come again"),
    IncidentReason.RETIRED: _Meaning(_SILENCE, _RESOLVED, "No responses for a quarter, not watched any more"),
    IncidentReason.LEFT_OUT: _Meaning(_TOO_MANY, _OPENED, "Answers to further segments count for their parents only"),
    IncidentReason.ROOM_AGAIN: _Meaning(_TOO_MANY, _RESOLVED, "There is room for further segments again"),
}

#: How the summary begins of a drop that has become worse only because its size is better known.
_SURER = "Further answers show how far NPS fell"


def drop(step: Step, split: Split, found: Findings = _NOTHING) -> Output:
    """Return the event of a step of a drop. `split`: the segment's answers before the drop began, and since then."""
    (before, after), size, mixed = _scores(split), found.size, found.mixed
    change = None
    if size is not None:
        change = _Change(points=size.points, low=size.low, high=size.high)
    elif before.nps is not None and after.nps is not None:
        low, high = difference(split.after, split.before)
        change = _Change(points=after.nps - before.nps, low=low, high=high)
    further = found.further
    is_worse = step.reason is IncidentReason.WORSE
    words = _SURER if is_worse and further is None else _words(step)
    from_ = "" if before.nps is None else f"from {_points(before.nps)} "
    summary = f"{words} at {_name(step.path)}: {from_}to {_points(after.nps)}"
    figures: dict[str, Any] = {}
    if further is not None:
        latest = window_score(*map(int, further.after))
        figures |= {"further_since": from_ms(further.since * HOUR), "further": latest}
        summary += f"; to {_points(latest.nps)} since the further fall"
    if mixed is not None:
        figures |= {"within": _part(mixed.within), "mix": _part(mixed.mix)}
        if (mixed.is_clear or mixed.is_cause) and mixed.moved.path:
            figures["moved"] = _ShareChange(
                segment=mixed.moved.path, before=mixed.moved.before, after=mixed.moved.after
            )
    if step.reason is IncidentReason.MIX_CHANGED and mixed is not None:
        fell = "no segment below it clearly fell by three points or more"
        if found.fallen_below:
            fell = f"{' and '.join(found.fallen_below)} fell as well"
        summary += f"; {fell}{_moved(mixed)}"
    if found.other is not None:
        figures["merged_into"] = _OtherIncident(alert_id=_id(_DROP, *found.other), segment=found.other[0])
        summary += f"; the other incident is at {_name(found.other[0])}"
    return _event(
        step,
        summary,
        before=before,
        after=after,
        change=change,
        hidden_in=found.hidden_in,
        fallen_below=list(found.fallen_below),
        fell_further=further is not None if is_worse else None,
        **figures,
    )


def _id(kind: IncidentKind, path: str, incident: OpenIncident) -> str:
    """Return the id of an incident, which stays the same when it moves. `path`: the segment that it is about now."""
    return make_id(kind, incident.opened_about(path), incident.hour)


def _part(part: Part) -> Any:
    return _Change(points=part.points, low=part.low, high=part.high)


def silence(step: Step, expected: float | None = None) -> Output:
    """Return the event of a step of a silence.

    `expected`: how many answers the segment should have had since its last one. It is given when the incident opens.
    """
    source = source_of(step.path)
    summary = f"{_words(step)} at {_name(step.path)}" if source is None else f"{_words(step)} by the source {source}"
    return _event(step, summary, expected=expected, source=source)


def too_many(step: Step, segments: int, most: int, example: str | None = None) -> Output:
    """Return the event of a step of the incident about too many segments.

    `segments`: how many are counted; `most`: how many may be counted; `example`: the path of an answer that was left
    out. The summary does not name this path, since publishers choose survey ids freely.
    """
    summary = f"{_words(step)}: {segments} of at most {most} segments and surveys are counted"
    return _event(step, summary, segments=segments, most=most, example=example)


def _event(step: Step, summary: str, **figures: Any) -> Output:
    """Return the event of a step; `figures`: the fields that only incidents of its kind have."""
    path, incident, reason, time = step
    kind, action, _ = _MEANINGS[reason]
    if reason is IncidentReason.MIX_CHANGED and incident.updated:
        action = IncidentAction.UPDATED  # it was opened as a fall
    first, alert_id = incident.opened_about(path), _id(kind, path, incident)
    body = _Incident(
        alert_id=alert_id,
        kind=kind,
        action=action,
        reason=reason,
        severity=incident.severity,
        summary=summary,
        occurred_at=from_ms(time),
        segment=path,
        touchpoint=path.rpartition(SEPARATOR)[2],
        since=from_ms(incident.since * HOUR),
        explains=incident.explains,
        first_segment=incident.first_segment,
        also=incident.also,
        merged_segments=incident.merged,
        **figures,
    )
    # An incident is opened once and resolved once, but it may be updated several times.
    times = (incident.updated,) if action is IncidentAction.UPDATED else ()
    key, event_id = f"{KEY_PREFIX}{first}".encode(), make_id("incident", alert_id, action, *times)
    return events.output(events.INCIDENT, key, body, event_id, rfc3339(time))


def severity_of(size: SizeOfChange | None) -> Severity:
    """Return how severe a drop of a size is; None if the size is not known."""
    return _severity(0.0 if size is None else -size.points)


def sure_severity_of(size: SizeOfChange | None) -> Severity:
    """Return how severe a drop is at least: if it is smaller by a standard error than it seems to be."""
    return _severity(0.0 if size is None else -size.points - (size.high - size.low) / (2 * Z_95))


def _severity(points: float) -> Severity:
    if points >= _CRITICAL:
        return Severity.CRITICAL
    return Severity.ERROR if points >= _ERROR else Severity.WARNING


def _scores(split: Split) -> tuple[WindowScore, WindowScore]:
    before, after = (window_score(*map(int, classes)) for classes in split)
    return before, after


def _moved(mixed: Mix) -> str:
    """Return what moved, in words, if it is known."""
    path, before, after = mixed.moved
    return f", but {path} gets {after:.0%} of the answers ({before:.0%} before)" if path else ""


def _words(step: Step) -> str:
    return _MEANINGS[step.reason].words


def _name(path: str) -> str:
    return path or "the root segment"


def _points(nps: float | None) -> str:
    return "none" if nps is None else f"{nps:+z.0f}"
