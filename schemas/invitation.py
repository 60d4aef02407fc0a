"""The invitation: a customer whom marketing may ask for a review, a referral or a testimonial."""

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier, Score


class Invitation(Event):
    """One invitation. A customer gets no other one until the quarantine has ended."""

    invitation_id: Identifier = Field(description="A UUIDv5 of the rule, customer_id and response_id.")
    response_id: Identifier
    revision: int
    survey_id: Identifier
    customer_id: Identifier
    name: str | None = None
    email: str
    language: str | None = None
    score: Score
    segment: str
    platform: str = Field(description="The platform's name in the settings.")
    url: str | None = Field(default=None, description="Where the customer is asked to go.")
    tone: str = Field(
        description="'promoter' for an invitation that addresses a happy customer, 'neutral' for one that suits every "
        "score."
    )
    incentive_allowed: bool = Field(description="Whether the platform allows offering a reward.")
    invited_at: AwareDatetime = Field(description="The Kafka time of the response. The quarantine begins at this time.")
    quarantine_until: AwareDatetime
