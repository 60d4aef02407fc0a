"""The invitation: a customer whom marketing may ask for a review, a referral or a testimonial."""

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier, Score


class Invitation(Event):
    """One invitation. At most one per customer and quarantine period."""

    invitation_id: Identifier = Field(description="uuid5 of rule, customer_id and response_id.")
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
        description="'promoter' addresses a happy customer; 'neutral' is sent to every consenting respondent."
    )
    incentive_allowed: bool = Field(description="Whether the platform's policy lets a reward be offered.")
    invited_at: AwareDatetime = Field(description="The Kafka time of the response; the quarantine starts here.")
    quarantine_until: AwareDatetime
