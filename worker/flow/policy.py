"""The thresholds that decisions depend on. They are values without behaviour, and come from the settings."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator

from schemas.base import NO_CONTROLS
from worker.section import Section


class IntakePolicy(Section):
    """Which records are accepted as responses."""

    max_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        le=1_000_000,
        description="Largest size of a record's value, in bytes. A record with a larger value becomes a dead letter.",
    )
    max_ahead_hours: float = Field(
        default=24.0,
        gt=0,
        le=8_760,
        description="Hours by which an answer's time may be later than its record's Kafka time. If it is later still, "
        "the record becomes a dead letter.",
    )
    dead_letter_payload_bytes: int = Field(
        default=16_384,
        ge=0,
        le=500_000,
        description="Largest number of bytes that a dead letter keeps of the refused value.",
    )


class HistoryPolicy(Section):
    """How much is kept of each customer, and so how far back duplicates are recognised."""

    answers: int = Field(
        default=32,
        ge=1,
        le=240,
        description="Number of answers that the worker keeps of each customer, so that they can be corrected. It keeps "
        "fewer if together they are larger than 400,000 bytes.",
    )
    known_ids: int = Field(
        default=2_000,
        ge=0,
        le=20_000,
        description="Number of earlier answers of each customer of which the worker keeps only the ids (12 bytes "
        "each), so that it recognises their duplicates.",
    )
    days: int = Field(
        default=730,
        ge=1,
        le=36_500,
        description="Days after which the worker forgets an answer, even if the customer never answers again.",
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
        description="Days by which an answer's time may be earlier than its record's Kafka time. An older answer "
        "opens no alert and causes no invitation.",
    )


class Platform(Section):
    """Where customers are invited to, and what its rules allow. Google, Trustpilot and G2 forbid selection."""

    name: str = Field(default="testimonial", min_length=1, description="The platform's name in the invitation event.")
    url: str | None = Field(
        default=None, description="The https address that customers are asked to visit. Without it, nobody is invited."
    )
    selective: Literal["allowed", "forbidden"] = Field(
        default="allowed",
        description="Whether the platform allows inviting promoters only. If it is forbidden, everybody who "
        "consents is invited, in neutral words and with any score.",
    )
    incentives: Literal["allowed", "forbidden"] = Field(
        default="forbidden", description="Whether the platform allows offering a reward."
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
        default=180,
        ge=0,
        le=36_500,
        description="Days after an invitation during which the same customer is not invited again.",
    )
    platform: Platform = Platform()


class BurstPolicy(Section):
    """Which answers no person gave. Answers of one customer to one survey and segment are compared by their times."""

    scanner_seconds: float = Field(
        default=2.0,
        ge=0,
        le=60,
        description="Answers may come from a mail scanner if their times are less than this many seconds apart. With "
        "0, the worker does not look for mail scanners.",
    )
    scanner_scores: int = Field(
        default=4,
        ge=3,
        le=11,
        description="With at least this number of different scores, all without a comment and within scanner_seconds, "
        "the answers come from a mail scanner.",
    )
    double_click_seconds: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="If the same score and the same comment were given twice within less than this many seconds, they "
        "are one answer that was sent twice. With 0, the worker does not look for double clicks.",
    )


class SolicitationPolicy(Section):
    """Which answers are marked as asked for by the person who is judged."""

    right_after_minutes: int = Field(
        default=60,
        ge=1,
        le=10_080,
        description="The decision about an answer has a mark if the person or the team that the answer is about asked "
        "for it, and if the answer was given at most this many minutes after the contact with them.",
    )


class IncidentPolicy(Section):
    """When a segment's drop opens an incident."""

    false_alarms_per_year: float = Field(
        default=4.0,
        ge=0.01,
        le=10_000,
        description="Number of false alarms in a year that the whole tree of segments may have on average. With a "
        "lower number true drops are found later.",
    )
    least_points: float = Field(
        default=5.0,
        ge=1,
        le=20,
        description="Points by which the NPS of a segment must have fallen to open an incident. Smaller falls do not "
        "matter to anybody, however certain they are. The worker looks for falls of 2, 4 and 6 times this number, so a "
        "higher number lets it find small falls later or not at all (docs/statistics.md).",
    )
    rest_hours: int = Field(
        default=24,
        ge=0,
        le=8_760,
        description="Hours after the end of an incident during which another drop, or another silence, of the same "
        "segment opens no incident.",
    )


class SegmentPolicy(Section):
    """How many segments, surveys and sources are counted."""

    most: int = Field(
        default=100_000,
        ge=1_000,
        le=10_000_000,
        description="Largest number of segments, surveys and sources together that are counted. An answer to a "
        "further one counts only for the segments above it, and the worker opens an incident.",
    )


class CasePolicy(Section):
    """What people may do about alerts, and how long the worker keeps the cases of alerts."""

    causes: list[Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_CONTROLS)]] = Field(
        default=["product", "delivery", "service", "price", "information", "other"],
        max_length=100,
        description="The words from which the cause of a customer's complaint is chosen when a case is resolved.",
    )
    cause_required: bool = Field(default=False, description="Whether a case can be resolved only with a cause.")
    ended_days: int = Field(
        default=90,
        ge=1,
        le=36_500,
        description="Days after its last step after which the worker forgets a case that is resolved or withdrawn. "
        "Until then it can be reopened.",
    )
    open_days: int = Field(
        default=365,
        ge=1,
        le=36_500,
        description="Days after its last step after which the worker forgets a case that nobody has resolved.",
    )
    most_per_customer: int = Field(
        default=200,
        ge=1,
        le=1_000,
        description="Largest number of cases that the worker keeps of each customer. Beyond it, the worker forgets the "
        "one whose last step is the oldest, and cases that have ended before others.",
    )
    notes: int = Field(
        default=10,
        ge=0,
        le=100,
        description="Number of notes that the worker keeps of each case, the newest. It keeps fewer notes, and if need "
        "be fewer cases, if a customer's cases together are larger than 500,000 bytes.",
    )


class Policy(Section):
    """All thresholds."""

    intake: IntakePolicy = IntakePolicy()
    history: HistoryPolicy = HistoryPolicy()
    bursts: BurstPolicy = BurstPolicy()
    alerts: AlertPolicy = AlertPolicy()
    invitations: InvitationPolicy = InvitationPolicy()
    incidents: IncidentPolicy = IncidentPolicy()
    solicitation: SolicitationPolicy = SolicitationPolicy()
    segments: SegmentPolicy = SegmentPolicy()
    cases: CasePolicy = CasePolicy()
