"""The incident: an alert about segments. An NPS fell, responses stopped coming, or there are too many segments."""

from enum import StrEnum

from pydantic import Field

from schemas.alert import Severity
from schemas.base import AwareDatetime, Event, Identifier
from schemas.scores import WindowScore


class IncidentKind(StrEnum):
    """What is wrong."""

    SEGMENT_DROP = "segment_drop"
    NO_RESPONSES = "no_responses"
    TOO_MANY_SEGMENTS = "too_many_segments"


class IncidentAction(StrEnum):
    """What this event does to its incident."""

    OPENED = "opened"
    RESOLVED = "resolved"


class IncidentReason(StrEnum):
    """Why this event was sent."""

    NPS_FELL = "nps_fell"
    RECOVERED = "recovered"
    NEW_LEVEL = "new_level"
    SILENT = "silent"
    ANSWERED_AGAIN = "answered_again"
    RETIRED = "retired"
    LEFT_OUT = "left_out"
    ROOM_AGAIN = "room_again"


class Change(Event):
    """By how many points the NPS changed, with the 95 % interval of the difference."""

    points: float
    low: float
    high: float


class Incident(Event):
    """One step in an incident's life. All steps share alert_id, which receivers use to deduplicate."""

    alert_id: Identifier = Field(description="uuid5 of kind, segment and the hour in which it was found.")
    kind: str = Field(description="'segment_drop', 'no_responses' or 'too_many_segments'; words may be added.")
    action: str = Field(description="What happened: 'opened' or 'resolved'; words may be added.")
    reason: str = Field(description="Why this event was sent, as a stable word; words may be added.")
    severity: Severity
    summary: str = Field(description="One line without personal data.")
    occurred_at: AwareDatetime = Field(description="The Kafka time of the tick that caused this step.")
    segment: str = Field(
        description="The path, joined by slashes; empty is the root, which 'too_many_segments' is always about."
    )
    touchpoint: str = Field(description="The leaf of the segment.")
    since: AwareDatetime = Field(
        description="When the drop began, the last answer's hour, or that of the first answer which was left out, as "
        "far as one can tell."
    )
    before: WindowScore | None = Field(default=None, description="The answers of at most 90 days before `since`.")
    after: WindowScore | None = Field(
        default=None, description="The answers since then; of 'recovered', those since they are better again."
    )
    change: Change | None = Field(default=None, description="From before to after; null when there are none of either.")
    explains: list[str] = Field(
        default=[], description="Ancestors whose own drop is explained by this segment, and which are held back for it."
    )
    expected: float | None = Field(
        default=None, description="Of 'no_responses': so many answers would have come by the segment's rhythm."
    )
    segments: int | None = Field(
        default=None, description="Of 'too_many_segments': how many segments and surveys are counted."
    )
    most: int | None = Field(
        default=None,
        description="Of 'too_many_segments': how many may be counted, which is the setting segments.most; each "
        "partition has its share, rounded up.",
    )
    example: str | None = Field(
        default=None,
        description="Of 'too_many_segments': the path of an answer that was left out. A survey's is '/survey/<id>'.",
    )
