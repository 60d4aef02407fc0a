"""The incident: an alert about segments. An NPS fell, responses stopped coming, or there are too many segments."""

from enum import StrEnum
from typing import Literal

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
    UPDATED = "updated"
    RESOLVED = "resolved"


class IncidentReason(StrEnum):
    """Why this event was sent."""

    NPS_FELL = "nps_fell"
    MIX_CHANGED = "mix_changed"
    WIDER = "wider"
    DEEPER = "deeper"
    WORSE = "worse"
    PARTLY_RECOVERED = "partly_recovered"
    MERGED = "merged"
    RECOVERED = "recovered"
    NEW_LEVEL = "new_level"
    SILENT = "silent"
    ANSWERED_AGAIN = "answered_again"
    RETIRED = "retired"
    LEFT_OUT = "left_out"
    ROOM_AGAIN = "room_again"


class Change(Event):
    """By how many points the NPS changed, with its 95 % interval."""

    points: float
    low: float
    high: float


#: The reasons of updates. Settings name them as steps of their own.
IncidentUpdate = Literal["wider", "deeper", "worse", "mix_changed", "partly_recovered"]
#: What these mean, for settings.
UPDATES_OF_INCIDENTS = (
    "The updates of an incident have words of their own: by now, a drop is about a segment above or about further "
    "segments (wider), or about a segment below (deeper); it has fallen further, or is more severe (worse); the "
    "mix of answers turns out to explain it (mix_changed); or the first of several segments has recovered "
    "(partly_recovered). There is at most one a day of each incident."
)


class ShareChange(Event):
    """How much of a segment's answers were given to one of the segments directly below it, before and since."""

    segment: str = Field(description="The path of the segment below.")
    before: float = Field(description="Its share of the answers before `since`, from 0 to 1.")
    after: float = Field(description="Its share of the answers since then, from 0 to 1.")


class OtherIncident(Event):
    """An incident that another one has become part of."""

    alert_id: Identifier = Field(description="Its alert_id, which all its steps have.")
    segment: str = Field(description="The path of the segment that it is about now.")


class Incident(Event):
    """One step of an incident. All steps of an incident have the same alert_id."""

    alert_id: Identifier = Field(
        description="A UUIDv5 of kind, the first segment and the hour in which the incident was found."
    )
    kind: str = Field(
        description="What the incident is about: 'segment_drop', 'no_responses' or 'too_many_segments'; words may be "
        "added."
    )
    action: str = Field(
        description="What happened to the incident: 'opened', 'updated' or 'resolved'; words may be added. A "
        "'segment_drop' is updated if it is about another segment or further ones by now, has become worse, or is over "
        "in one of its segments."
    )
    reason: str = Field(description="Why this event was published, as a stable word; words may be added.")
    severity: Severity
    summary: str = Field(description="What happened, in one line without personal data.")
    occurred_at: AwareDatetime = Field(description="The Kafka time of the tick that caused this step.")
    segment: str = Field(
        description="The segment's path, joined by slashes; empty for the root segment, which 'too_many_segments' is "
        "always about. 'no_responses' may also be about a survey, `/survey/<id>`, or a source, `/source/<name>`."
    )
    touchpoint: str = Field(description="The last name of the segment's path.")
    since: AwareDatetime = Field(
        description="The hour in which the drop began, the last answer was given, or the first answer was left out. It "
        "may be an estimate."
    )
    before: WindowScore | None = Field(
        default=None, description="The scores of the answers of at most 90 days before `since`."
    )
    after: WindowScore | None = Field(
        default=None,
        description="The scores of the answers since then. For the reason 'recovered': of the answers since they "
        "became better; or again of all answers since `since`, if these together are no sign of a drop any more.",
    )
    change: Change | None = Field(
        default=None,
        description="How much the NPS changed. For the reasons 'recovered' and 'new_level', it is the difference "
        "between `after` and `before`, and null if one of the two has no answers. Otherwise it is the estimated size "
        "of the drop, which is smaller than this difference on average: a drop is reported when chance has helped, and "
        "the estimate takes this and its unknown beginning into account.",
    )
    explains: list[str] = Field(
        default=[],
        description="The segments above this one whose drop this segment explains. They have no incidents of their "
        "own.",
    )
    first_segment: str | None = Field(
        default=None,
        description="The segment that the incident was about when it was opened, if this is another one. The record's "
        "key has its path.",
    )
    also: list[str] = Field(
        default=[],
        description="Further segments that fell at about the same time, and that the incident is about as well.",
    )
    within: Change | None = Field(
        default=None,
        description="How much the NPS of `after` differs from that of `before` because the segments directly below "
        "have changed, weighted by their shares of the answers before `since`. `within` and `mix` add up to this plain "
        "difference, and not to `change`, which is an estimate. It is null if there are fewer than two such segments, "
        "and for the reason 'recovered'.",
    )
    mix: Change | None = Field(
        default=None,
        description="The rest of this difference, which is due to changed shares of the answers: for instance, a "
        "segment whose NPS always was lower has more answers than before.",
    )
    moved: ShareChange | None = Field(
        default=None,
        description="The segment below whose changed share had most to do with `mix`. It is null if `mix` is small or "
        "may be due to chance.",
    )
    hidden_in: str | None = Field(
        default=None,
        description="The segment above, if its NPS fell little only because its mix of answers has become better.",
    )
    fallen_below: list[str] = Field(
        default=[],
        description="For 'mix_changed': the segments directly below whose own NPS fell by three points or more, and "
        "by more than chance, although the mix explains most of the drop.",
    )
    fell_further: bool | None = Field(
        default=None,
        description="For 'worse': whether a further fall of `segment` was found. If none was, "
        "the severity has risen because further answers show that the drop is as large. The segment of an "
        "incident that has fallen further is the first one from then on, and the others are in `also`.",
    )
    further_since: AwareDatetime | None = Field(
        default=None,
        description="For 'worse' with `fell_further`: the hour in which the further fall began. It may be an estimate.",
    )
    further: WindowScore | None = Field(
        default=None,
        description="For 'worse' with `fell_further`: the scores of the answers since `further_since`. `after` has "
        "those of before the further fall as well, so its NPS may be higher than it was in the step before.",
    )
    merged_into: OtherIncident | None = Field(
        default=None, description="For 'merged': the incident that this one has become part of, which goes on."
    )
    merged_segments: list[str] = Field(
        default=[],
        description="The segments of incidents that have become part of this one. The routes decide for them as well "
        "who gets the further steps of this incident.",
    )
    expected: float | None = Field(
        default=None,
        description="For 'no_responses': the number of answers that should have come since the last one, by the "
        "segment's rhythm.",
    )
    source: str | None = Field(
        default=None,
        description="For 'no_responses': the name of the source by which answers used to come, if it is about a source "
        "(docs/sources.md).",
    )
    segments: int | None = Field(
        default=None, description="For 'too_many_segments': the number of segments and surveys that are counted."
    )
    most: int | None = Field(
        default=None,
        description="For 'too_many_segments': the number of segments and surveys that may be counted. It is the "
        "setting segments.most; each partition has its share, rounded up.",
    )
    example: str | None = Field(
        default=None,
        description="For 'too_many_segments': the path of a segment or survey that was left out. The path of a survey "
        "is '/survey/<id>'.",
    )
