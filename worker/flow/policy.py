"""The thresholds that decisions rest on. Settings fill them; only values, no behaviour."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Section(BaseModel):
    """A section of the settings: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IntakePolicy(Section):
    """What a record may be."""

    max_bytes: int = Field(default=1_000_000, ge=1_000, description="Larger values become dead letters.")
    max_ahead_hours: float = Field(
        default=24.0, gt=0, description="How far an answer's time may lie after its record's Kafka time."
    )
    dead_letter_payload_bytes: int = Field(
        default=16_384, ge=0, description="How much of a refused value is kept in its dead letter."
    )


class HistoryPolicy(Section):
    """How much of a customer is remembered: also how far back duplicates are recognised."""

    answers: int = Field(default=32, ge=1, le=1_000, description="Answers kept per customer.")
    days: int = Field(default=730, ge=1, description="Answers older than this are forgotten.")


class AlertPolicy(Section):
    """When a detractor's alert is more severe."""

    priority_tiers: list[str] = Field(
        default=["vip"], description="Customer tiers whose alerts are one step more severe."
    )


class Platform(Section):
    """Where customers are invited to, and what its rules allow (facts: Google, Trustpilot and G2 forbid selection)."""

    name: str = Field(min_length=1)
    url: str | None = None
    selective: Literal["allowed", "forbidden"] = Field(
        default="allowed",
        description="'allowed': promoters only (referral, testimonial). 'forbidden': neutral, to every respondent.",
    )
    incentives: Literal["allowed", "forbidden"] = "forbidden"

    @field_validator("url")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme != "https" or not urlsplit(url).netloc):
            raise ValueError("must be an https address")
        return url


class InvitationPolicy(Section):
    """Who is invited, how often, and where to."""

    quarantine_days: int = Field(default=180, ge=0, description="Rest period of a customer between invitations.")
    platform: Platform = Platform(name="testimonial")


class Policy(Section):
    """All of them."""

    intake: IntakePolicy = IntakePolicy()
    history: HistoryPolicy = HistoryPolicy()
    alerts: AlertPolicy = AlertPolicy()
    invitations: InvitationPolicy = InvitationPolicy()
