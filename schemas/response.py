"""The response: what an upstream system publishes for each NPS answer, and for each correction of one."""

from pydantic import Field

from schemas.base import AwareDatetime, Event, Identifier, Score, SegmentNames


class Customer(Event):
    """The person who answered, as far as a call-back needs it. The id stands outside: it is the key."""

    name: str | None = Field(default=None, description="How to address the customer.")
    email: str | None = None
    phone: str | None = None
    tier: str | None = Field(default=None, description="Commercial tier, such as 'vip'.")
    owner: str | None = Field(default=None, description="Who looks after this customer.")


class Consent(Event):
    """What the customer agreed to. Absent means no."""

    callback: bool = Field(default=False, description="May be called back about this answer.")
    public_review: bool = Field(default=False, description="May be invited to review, refer or testify in public.")
    marketing: bool = Field(default=False, description="May receive marketing.")


class Origin(Event):
    """Where the answer was given."""

    system: str | None = Field(default=None, description="The survey tool.")
    permalink: str | None = Field(default=None, description="The answer in the survey tool; https.")


class Solicitation(Event):
    """How the customer came to answer, where a person asked for it."""

    asked_by: str | None = Field(default=None, description="Who asked, as `customer.owner` or the segment has it.")
    contact_at: AwareDatetime | None = Field(
        default=None, description="When the customer was last in contact with whom the answer is about."
    )


class Response(Event):
    """One NPS answer. A higher revision of the same response_id replaces the lower one."""

    response_id: Identifier
    revision: int = Field(default=0, ge=0, lt=2**31, description="0 for the answer, counting up for corrections.")
    survey_id: Identifier
    customer_id: Identifier = Field(description="Pseudonymous id, never an address. Also the record's key.")
    score: Score
    comment: str | None = None
    language: str | None = Field(default=None, max_length=35, description="BCP 47, such as 'fr' or 'en-GB'.")
    responded_at: AwareDatetime = Field(description="When the customer answered, with its UTC offset.")
    segment: SegmentNames = Field(
        default=[], description="Path in the tree of segments, root first; the leaf is the touchpoint."
    )
    customer: Customer = Customer()
    consent: Consent = Consent()
    origin: Origin = Origin()
    solicitation: Solicitation = Solicitation()
    test: bool = Field(
        default=False, description="A trial answer: decided about, but in no score, alert or invitation."
    )
