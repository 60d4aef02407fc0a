"""The properties of an alert or an incident by which routes match it."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.alert import Alert, AlertAction, Severity
from schemas.incident import Incident, IncidentAction
from worker.lineage import canonical_path, survey_of

#: The actions that end an alert or an incident. They go to those who have got the beginning.
ENDS = frozenset({AlertAction.WITHDRAWN, IncidentAction.RESOLVED})


class Routable(NamedTuple):
    """What routes look at. A property that the alert or incident does not have is None; an incident has no customer."""

    kind: str
    #: The path of the segment, in the form under which it is counted.
    segment: str
    severity: Severity
    survey: str | None = None
    tier: str | None = None
    #: Who looks after the customer, as the publisher writes it.
    owner: str | None = None
    #: A BCP 47 tag.
    language: str | None = None
    follow_up_requested: bool | None = None
    comment: str | None = None


def routables(notice: Alert | Incident) -> list[Routable]:
    """Return what routes look at, for each segment that a notice is about: an incident may be about several.

    They are its segment, those that fell with it, and those of incidents that have become part of it.
    """
    if not isinstance(notice, Incident):
        return [routable(notice)]
    return _of_segments(notice, (notice.segment, *notice.also, *notice.merged_segments))


def routables_of_parts(notice: Alert | Incident) -> list[Routable]:
    """Return what routes look at, for each segment of the incidents that have become part of an incident."""
    return _of_segments(notice, notice.merged_segments) if isinstance(notice, Incident) else []


def _of_segments(incident: Incident, paths: Iterable[str]) -> list[Routable]:
    first = routable(incident)
    found = dict.fromkeys(map(canonical_path, paths))
    return [first._replace(segment=path, survey=survey_of(path)) for path in found]


def routable(notice: Alert | Incident) -> Routable:
    """Return what routes look at. The survey of an incident is known if it is about a survey."""
    segment = canonical_path(notice.segment)
    if isinstance(notice, Incident):
        return Routable(notice.kind, segment, notice.severity, survey=survey_of(segment))
    return Routable(
        kind=notice.kind,
        segment=segment,
        severity=notice.severity,
        survey=notice.survey_id,
        tier=notice.customer.tier,
        owner=notice.customer.owner,
        language=notice.language,
        follow_up_requested=notice.follow_up_requested,
        comment=notice.comment,
    )
