"""The delivery: what happened to an alert's mail, or to what another channel sends."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier


class DeliveryStatus(StrEnum):
    """What became of a delivery. It is pending at first; deferred means that it is pending until the next attempt.

    `nobody` means that there is no delivery: no route has a receiver for the alert or incident, or the
    settings have none of the receivers of a reminder or an escalation.
    """

    PENDING = "pending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOBODY = "nobody"


class Delivery(Event):
    """One record of the delivery log. It has no personal data, only ids and counts."""

    delivery_id: Identifier = Field(
        description="A UUIDv5 of channel, event id and receiver, or the id of a digest. It is also in the mail's "
        "Message-ID, and it is the id of a webhook's event. If later steps of the alert were merged into the delivery, "
        "it is sent under the id that the delivery of the newest one would have."
    )
    alert_id: Identifier = Field(description="The id of the alert or the incident; for a digest, that of the digest.")
    channel: str
    route: str = Field(
        description="The name of the route, or of the endpoint, in the settings; empty for the status 'nobody'."
    )
    receiver: str = Field(
        default="",
        description="The name of the receiver, or of the endpoint, in the settings. The receiver of one of "
        "email.routes has the route's name; that of email.to is called 'default'.",
    )
    status: DeliveryStatus
    attempt: int = Field(description="The number of attempts that were made.")
    reason: str = Field(
        description="The reason of the status, as a stable word, such as 'accepted', 'smtp_450', 'timeout' or "
        "'quiet_hours'. A notice that is not sent alone has 'capped', 'grouped', 'inhibited' or 'quiet_hours' while it "
        "waits for its digest, and 'in_digest' once the digest is sent. One that a silence holds back has 'silenced'."
    )
    at: AwareDatetime
    next_attempt_at: AwareDatetime | None = None
    digest_id: Identifier | None = Field(
        default=None,
        description="The digest that the notice waits for or was listed in. While it waits, the notice may move to "
        "another digest; the record with 'in_digest' names the one that listed it.",
    )
    inhibited_by: Identifier | None = Field(
        default=None, description="For the reason 'inhibited': the alert_id of the open incident."
    )
    silence_id: Identifier | None = Field(
        default=None, description="For the reason 'silenced': the silence that holds the notice back."
    )
