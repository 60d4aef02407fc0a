"""The case step: what people have done about an alert, and the state that its case is in since then."""

from enum import StrEnum

from pydantic import Field

from schemas.alert import Severity
from schemas.base import AwareDatetime, Event, Identifier, Score

#: The value of `kind`, by which these events differ from alerts and incidents on the same topic.
CASE = "case"


class CaseState(StrEnum):
    """How far the work on an alert is. Nobody has to act on a case that is resolved or withdrawn."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"


class CaseAction(StrEnum):
    """What this event says about its case."""

    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    NOTED = "noted"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    REAPPLIED = "reapplied"
    REMINDED = "reminded"
    ESCALATED = "escalated"


class CaseReason(StrEnum):
    """Why this event was published."""

    COMMAND = "command"
    DETRACTOR_AGAIN = "detractor_again"
    DUE_SOON = "due_soon"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOT_RESOLVED = "not_resolved"


class CaseOutcome(StrEnum):
    """What came of the work on an alert."""

    CALLED_BACK = "called_back"
    SOLVED = "solved"
    COULD_NOT_REACH = "could_not_reach"
    NOT_JUSTIFIED = "not_justified"


class CaseStep(Event):
    """One step of the case of an alert, which has the alert's alert_id."""

    alert_id: Identifier = Field(description="The id of the alert that the case belongs to.")
    kind: str = Field(description="'case'. Alerts and incidents, which are on the same topic, have other kinds.")
    action: str = Field(
        description="What happened to the case: 'acknowledged', 'assigned', 'noted', 'resolved', 'reopened', "
        "'reapplied' (the time limits were computed again), 'reminded' (a time limit ends soon or has passed), or "
        "'escalated' (nobody has acknowledged it in time); words may be added."
    )
    reason: str = Field(
        description="Why this event was published: 'command'; 'detractor_again' if an answer of the customer "
        "reopened the case; 'due_soon', 'not_acknowledged' or 'not_resolved' if time has passed; words may be added."
    )
    severity: Severity = Field(description="The severity of the alert.")
    score: Score | None = Field(
        default=None, description="The score that the alert is about; null in events of older versions."
    )
    summary: str = Field(description="What happened, in one line without personal data.")
    occurred_at: AwareDatetime = Field(description="The Kafka time of the record that caused this step.")
    alert_occurred_at: AwareDatetime = Field(
        description="The time `occurred_at` of the newest step of the alert that was known when this step was decided. "
        "A step of the alert with a later time is newer than this step."
    )
    segment: str = Field(description="The segment's path, joined by slashes; empty for the root segment.")
    touchpoint: str = Field(description="The last name of the segment's path.")
    customer_id: Identifier
    response_id: Identifier
    state: str = Field(
        description="The state of the case after this step: 'open', 'acknowledged' or 'resolved'; words may be added."
    )
    step: int = Field(
        description="The number of the step. Steps of the same alert that the worker decided later have higher numbers."
    )
    opening: int = Field(
        description="How often the case has been opened: 1 until it is reopened for the first time, then 2, and so on."
    )
    opened_at: AwareDatetime = Field(description="When the case was opened, or reopened for the last time.")
    acknowledged_at: AwareDatetime | None = Field(
        default=None, description="When the case was acknowledged since then; null if it was not."
    )
    actor: str | None = Field(default=None, description="Who acted, as the command says; null without a command.")
    via: str | None = Field(default=None, description="How the command was given, as the command says.")
    acted_at: AwareDatetime | None = Field(
        default=None, description="When the person acted, by the clock of the program that wrote the command."
    )
    command_id: str | None = Field(default=None, description="The id of the command; null without a command.")
    assignee: str | None = Field(default=None, description="Who looks after the case; null if nobody is named.")
    outcome: CaseOutcome | None = Field(default=None, description="What came of it; null unless the case is resolved.")
    service_level: str | None = Field(
        default=None, description="The name of the service level of the case; null if it has none."
    )
    acknowledge_due_at: AwareDatetime | None = Field(
        default=None, description="When the case has, or had, to be acknowledged; null without a time limit."
    )
    resolve_due_at: AwareDatetime | None = Field(
        default=None, description="When the case has, or had, to be resolved; null without a time limit."
    )
    due_at: AwareDatetime | None = Field(
        default=None,
        description="Which of these two times a reminder or an escalation is about; null for other actions.",
    )
    escalation_step: int | None = Field(
        default=None, description="The number of the escalation's step, beginning with 1; null unless 'escalated'."
    )
    escalated_to: list[str] | None = Field(
        default=None, description="The names of the receivers of the escalation's step; null unless 'escalated'."
    )
    routed_to: list[str] | None = Field(
        default=None,
        description="The names of the receivers that the routes name for the alert by now, at most 16; null unless an "
        "answer of the customer has reopened the case.",
    )
    revision: int | None = Field(
        default=None,
        description="The revision of the response that has reopened the case; null unless an answer of the customer "
        "has done so.",
    )
    cause: str | None = Field(
        default=None, description="What had gone wrong, one of the words of the setting cases.causes; null if not said."
    )
    language: str | None = Field(
        default=None,
        description="The language of the alert, as the response names it; null if it names none, and in events of "
        "older versions.",
    )
