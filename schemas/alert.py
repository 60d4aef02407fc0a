"""The alert: an unhappy customer, with what a person needs to call back."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier, Score
from schemas.response import Consent, Customer


class Severity(StrEnum):
    """PagerDuty's names, so that alerts fit incident tools unchanged."""

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
    """One of the customer's answers before this one."""

    score: Score
    responded_at: AwareDatetime
    segment: str


class Link(Event):
    """A link a person may open; https only."""

    href: str
    text: str


class Alert(Event):
    """One step in an alert's life. All steps share alert_id, which receivers use to deduplicate."""

    alert_id: Identifier = Field(description="uuid5 of rule, customer_id and response_id.")
    kind: str = Field(description="'detractor'.")
    action: str = Field(description="What happened: 'opened', 'updated' or 'withdrawn'; words may be added.")
    reason: str = Field(description="Why this event was sent, as a stable word; words may be added.")
    severity: Severity
    summary: str = Field(description="One line without personal data.")
    occurred_at: AwareDatetime = Field(description="The Kafka time of the response that caused this step.")
    response_id: Identifier
    revision: int
    survey_id: Identifier
    score: Score
    responded_at: AwareDatetime
    comment: str | None = None
    language: str | None = None
    segment: str = Field(description="The path, joined by slashes; empty is the root.")
    touchpoint: str = Field(description="The leaf of the segment.")
    customer_id: Identifier
    customer: Customer = Customer()
    consent: Consent = Consent()
    last_answers: list[EarlierAnswer] = Field(
        default=[], description="The customer's earlier answers, newest first, at most five."
    )
    links: list[Link] = Field(default=[], description="Where to read more.")
