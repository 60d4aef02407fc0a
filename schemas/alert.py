"""The alert: an unhappy customer, with what a person needs to call back."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier, Score
from schemas.response import Consent, Customer


class Severity(StrEnum):
    """How urgent it is. These are PagerDuty's words, so incident tools can use them without a change."""

    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class AlertAction(StrEnum):
    """What this event does to its alert."""

    OPENED = "opened"
    UPDATED = "updated"
    WITHDRAWN = "withdrawn"


class AlertReason(StrEnum):
    """Why this event was sent."""

    DETRACTOR = "detractor"
    COMMENT_ADDED = "comment_added"
    COMMENT_CHANGED = "comment_changed"
    CONSENT_CHANGED = "consent_changed"
    CORRECTED = "corrected"
    NO_LONGER_DETRACTOR = "no_longer_detractor"
    SUSPECT_SCANNER = "suspect_scanner"
    MOVED = "moved"


class EarlierAnswer(Event):
    """An answer that the customer gave before this one."""

    score: Score
    responded_at: AwareDatetime
    segment: str


class Link(Event):
    """An https link that a person may open."""

    href: str
    text: str


class Alert(Event):
    """One step of an alert. All steps of an alert have the same alert_id."""

    alert_id: Identifier = Field(description="A UUIDv5 of the rule, customer_id and response_id.")
    kind: str = Field(description="What the alert is about: 'detractor'.")
    action: str = Field(
        description="What happened to the alert: 'opened', 'updated' or 'withdrawn'; words may be added."
    )
    reason: str = Field(description="Why this event was published, as a stable word; words may be added.")
    severity: Severity
    summary: str = Field(description="What happened, in one line without personal data.")
    occurred_at: AwareDatetime = Field(description="The Kafka time of the response that caused this step.")
    response_id: Identifier
    revision: int
    survey_id: Identifier
    score: Score
    responded_at: AwareDatetime
    comment: str | None = None
    language: str | None = None
    segment: str = Field(description="The segment's path, joined by slashes; empty for the root segment.")
    touchpoint: str = Field(description="The last name of the segment's path.")
    customer_id: Identifier
    customer: Customer = Customer()
    consent: Consent = Consent()
    follow_up_requested: bool = Field(
        default=False, description="The customer has asked to be contacted about this answer."
    )
    last_answers: list[EarlierAnswer] = Field(
        default=[], description="At most five earlier answers of the customer, the newest first."
    )
    links: list[Link] = Field(default=[], description="Where a person can read more.")
