"""The thresholds that decisions rest on. Settings fill them; only values, no behaviour."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Section(BaseModel):
    """A section of the settings: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IntakePolicy(Section):
    """What a record may be."""

    max_bytes: int = Field(default=1_000_000, ge=1_000, le=1_000_000, description="Larger values become dead letters.")
    max_ahead_hours: float = Field(
        default=24.0, gt=0, le=8_760, description="How far an answer's time may lie after its record's Kafka time."
    )
    dead_letter_payload_bytes: int = Field(
        default=16_384, ge=0, le=500_000, description="How much of a refused value is kept in its dead letter."
    )


class HistoryPolicy(Section):
    """How much of a customer is remembered: also how far back duplicates are recognised."""

    answers: int = Field(
        default=32,
        ge=1,
        le=240,
        description="Answers kept per customer, fewer if they weigh more than 400,000 bytes: corrections reach so far.",
    )
    known_ids: int = Field(
        default=2_000,
        ge=0,
        le=20_000,
        description="Ids of further answers kept per customer, 12 bytes each: their duplicates are recognised too.",
    )
    days: int = Field(
        default=730,
        ge=1,
        le=36_500,
        description="Days after which an answer is forgotten, also if its customer never answers again.",
    )


class AlertPolicy(Section):
    """Which detractors raise an alert, and when it is more severe."""

    priority_tiers: list[str] = Field(
        default=["vip"], description="Customer tiers whose alerts are one step more severe."
    )
    max_age_days: float = Field(
        default=14.0,
        gt=0,
        le=36_500,
        description="Days from an answer to its record's Kafka time; an older one raises no alert or invitation.",
    )


class Platform(Section):
    """Where customers are invited to, and what its rules allow (facts: Google, Trustpilot and G2 forbid selection)."""

    name: str = Field(default="testimonial", min_length=1, description="What it is called in the invitation event.")
    url: str | None = Field(
        default=None, description="Where customers are asked to go; https. Without it nobody is invited."
    )
    selective: Literal["allowed", "forbidden"] = Field(
        default="allowed",
        description="Who is invited: promoters only, or every respondent alike, in neutral words.",
    )
    incentives: Literal["allowed", "forbidden"] = Field(
        default="forbidden", description="Whether a reward may be offered."
    )

    @field_validator("url")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        try:
            parts = urlsplit(url or "https://example.com")
        except ValueError:
            raise ValueError("must be an https address") from None
        if parts.scheme != "https" or not parts.netloc:
            raise ValueError("must be an https address")
        return url


class InvitationPolicy(Section):
    """Who is invited, how often, and where to."""

    quarantine_days: int = Field(
        default=180, ge=0, le=36_500, description="Rest period of a customer between invitations."
    )
    platform: Platform = Platform()


class BurstPolicy(Section):
    """Which answers no person gave: judged by their own times, within one customer, survey and segment."""

    scanner_seconds: float = Field(
        default=2.0,
        ge=0,
        le=60,
        description="Answers of a mail scanner are closer than this to each other. 0: none are looked for.",
    )
    scanner_scores: int = Field(
        default=4,
        ge=3,
        le=11,
        description="So many different scores without a comment, that close, are a mail scanner's.",
    )
    double_click_seconds: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="The same score and comment closer than this is one answer sent twice. 0: none are looked for.",
    )


class SolicitationPolicy(Section):
    """Which answers are marked as asked for by the person who is judged."""

    right_after_minutes: int = Field(
        default=60, ge=1, le=10_080, description="Answers so soon after a contact are marked, if its person asked."
    )


class IncidentPolicy(Section):
    """When a segment's drop is told."""

    answers_per_false_alarm: int = Field(
        default=2_000,
        ge=200,
        le=1_000_000,
        description="Answers of each segment until chance alone raises an alarm in one of all, on average.",
    )
    rest_hours: int = Field(
        default=24, ge=0, le=8_760, description="How long after an incident a segment's next drop is not told."
    )


class SegmentPolicy(Section):
    """How many segments and surveys are counted."""

    most: int = Field(
        default=100_000,
        ge=1_000,
        le=10_000_000,
        description="Number of segments and surveys that are counted. Answers to a further one count for its parents "
        "only, and a warning says so.",
    )


class Policy(Section):
    """All of them."""

    intake: IntakePolicy = IntakePolicy()
    history: HistoryPolicy = HistoryPolicy()
    bursts: BurstPolicy = BurstPolicy()
    alerts: AlertPolicy = AlertPolicy()
    invitations: InvitationPolicy = InvitationPolicy()
    incidents: IncidentPolicy = IncidentPolicy()
    solicitation: SolicitationPolicy = SolicitationPolicy()
    segments: SegmentPolicy = SegmentPolicy()
