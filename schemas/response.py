"""The response: what an upstream system publishes for each NPS answer, and for each correction of one."""

from typing import Annotated

from pydantic import FailFast, Field

from schemas.accepted import (
    OR_EMPTY,
    OR_NULL,
    AcceptedId,
    AcceptedIdOrEmpty,
    AcceptedLanguage,
    AcceptedName,
    AcceptedRevision,
    AcceptedScore,
    AcceptedText,
    AcceptedTime,
    AcceptedTimeIfAny,
    absent_or_null,
)
from schemas.base import Event


class Customer(Event):
    """The person who answered, as far as a call-back needs it. The id stands outside: it is the key."""

    name: AcceptedText = Field(default=None, description="How to address the customer.")
    email: AcceptedText = None
    phone: AcceptedText = None
    tier: AcceptedText = Field(default=None, description="Commercial tier, such as 'vip'.")
    owner: AcceptedText = Field(default=None, description="Who looks after this customer.")


class Consent(Event):
    """What the customer agreed to. Absent means no."""

    callback: Annotated[bool, OR_NULL] = Field(default=False, description="May be called back about this answer.")
    public_review: Annotated[bool, OR_NULL] = Field(
        default=False, description="May be invited to review, refer or testify in public."
    )
    marketing: Annotated[bool, OR_NULL] = Field(default=False, description="May receive marketing.")


class Origin(Event):
    """Where the answer was given."""

    system: AcceptedText = Field(default=None, description="The survey tool.")
    permalink: AcceptedText = Field(default=None, description="The answer in the survey tool; https.")


class Solicitation(Event):
    """How the customer came to answer, where a person asked for it."""

    asked_by: AcceptedText = Field(default=None, description="Who asked, as `customer.owner` or the segment has it.")
    contact_at: AcceptedTimeIfAny = Field(
        default=None,
        description="When the customer was last in contact with whom the answer is about; what is no time is ignored.",
    )


class Response(Event):
    """One NPS answer. A higher revision of the same response_id replaces the lower one.

    Null for a part that may be absent counts as absent, and so does an empty list for an object.
    """

    response_id: AcceptedId
    revision: Annotated[AcceptedRevision, OR_NULL] = Field(
        default=0, description="0 for the answer, counting up for corrections."
    )
    survey_id: AcceptedId
    customer_id: Annotated[AcceptedIdOrEmpty, OR_NULL] = Field(
        default="",
        description="Pseudonymous id, never an address. Also the record's key. Required unless `anonymous` is true; "
        "then an empty one counts as absent.",
        json_schema_extra=absent_or_null,
    )
    score: AcceptedScore
    comment: AcceptedText = None
    language: AcceptedLanguage = Field(
        default=None, description="BCP 47, such as 'fr' or 'en-GB'; longer than 35 characters it is ignored."
    )
    responded_at: AcceptedTime = Field(description="When the customer answered, with its UTC offset.")
    # One wrong name says enough; a megabyte of them would take a gigabyte to be listed.
    segment: Annotated[list[AcceptedName], FailFast(), OR_NULL] = Field(
        default=[],
        description="Path in the tree of segments, root first; the leaf is the touchpoint. At most eight names of at "
        "most 100 characters, without slashes, are counted under; others are made to be such.",
    )
    customer: Annotated[Customer, OR_EMPTY] = Customer()
    consent: Annotated[Consent, OR_EMPTY] = Consent()
    origin: Annotated[Origin, OR_EMPTY] = Origin()
    solicitation: Annotated[Solicitation, OR_EMPTY] = Solicitation()
    test: Annotated[bool, OR_NULL] = Field(
        default=False, description="A trial answer: decided about, but in no score, alert or invitation."
    )
    anonymous: Annotated[bool, OR_NULL] = Field(
        default=False,
        description="Nobody is to know who answered: counted and alerted about without `customer_id` and `customer`.",
    )
