"""The recovery: how long the work on an alert took, and what its customer thinks when they answer again."""

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier, Score
from schemas.case import CaseOutcome


class FollowUp(Event):
    """The first answer that the customer gave after the one that the alert is about."""

    response_id: Identifier
    revision: int
    score: Score
    segment: str
    answered_at: AwareDatetime = Field(description="The Kafka time of the answer.")
    recovered: bool = Field(description="Whether the score is 7 or higher, so that the customer is no detractor.")


class Recovery(Event):
    """One interval of a case, from its opening or reopening on. The last event of each recovery_id counts."""

    recovery_id: Identifier = Field(description="A UUIDv5 of the case and its opening.")
    alert_id: Identifier
    customer_id: Identifier
    response_id: Identifier
    survey_id: Identifier
    segment: str = Field(description="The segment's path, joined by slashes; empty for the root segment.")
    severity: str
    score: Score = Field(description="The score that the alert is about.")
    reason: str = Field(
        description="Why this event was published: 'resolved', 'withdrawn' or 'answered_again'; words may be added."
    )
    occurred_at: AwareDatetime = Field(description="The Kafka time of the record that caused this event.")
    state: str = Field(description="The state of the case: 'open', 'acknowledged', 'resolved' or 'withdrawn'.")
    opening: int = Field(description="How often the case had been opened.")
    opened_at: AwareDatetime
    acknowledged_at: AwareDatetime | None = Field(default=None, description="Null if it was not acknowledged.")
    ended_at: AwareDatetime | None = Field(default=None, description="Null if it has not ended.")
    seconds_to_acknowledge: float | None = Field(
        default=None, description="The time from the opening to the acknowledgement; null if there was none."
    )
    seconds_to_resolve: float | None = Field(
        default=None, description="The time from the opening to the resolution; null unless the case is resolved."
    )
    working_seconds_to_acknowledge: float | None = Field(
        default=None,
        description="The working time from the opening to the acknowledgement, by the calendar of the receiver; null "
        "if there was no acknowledgement, or if no receiver has a calendar.",
    )
    working_seconds_to_resolve: float | None = Field(
        default=None,
        description="The working time from the opening to the resolution, by the calendar of the receiver; null unless "
        "the case is resolved, or if no receiver has a calendar.",
    )
    service_level: str | None = Field(
        default=None, description="The name of the service level of the case; null if it has none."
    )
    acknowledge_due_at: AwareDatetime | None = Field(
        default=None, description="When the case had to be acknowledged; null without a time limit."
    )
    resolve_due_at: AwareDatetime | None = Field(
        default=None, description="When the case had to be resolved; null without a time limit."
    )
    outcome: CaseOutcome | None = None
    cause: str | None = None
    follow_up: FollowUp | None = Field(
        default=None, description="Null until the customer answers again, to any survey and segment."
    )
    receivers: list[str] = Field(
        default=[],
        description="The names of the receivers in the settings that got the alert when the case was opened, or when "
        "the customer's answer reopened it: those that its routes name, at most 16. Empty if there were none, and for "
        "cases of older versions.",
    )
