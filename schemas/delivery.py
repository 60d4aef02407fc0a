"""The delivery: what happened to an alert's mail."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier


class DeliveryStatus(StrEnum):
    """A delivery is pending until it is one of the others; deferred is pending again, with a time."""

    PENDING = "pending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Delivery(Event):
    """One line of the delivery log. No personal data: ids and counts only."""

    delivery_id: Identifier = Field(description="uuid5 of channel, event id and route; also in the mail's Message-ID.")
    alert_id: Identifier
    channel: str
    route: str = Field(description="The route's name in the settings.")
    status: DeliveryStatus
    attempt: int = Field(description="How many attempts were made.")
    reason: str = Field(description="Why, as a stable word, such as 'accepted', 'smtp_450' or 'timeout'.")
    at: AwareDatetime
    next_attempt_at: AwareDatetime | None = None
