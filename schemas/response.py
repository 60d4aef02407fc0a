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
    """What a call-back needs to know of the customer who answered."""

    name: AcceptedText = Field(default=None, description="How to address the customer.")
    email: AcceptedText = Field(default=None, description="The customer's e-mail address.")
    phone: AcceptedText = Field(default=None, description="The customer's phone number.")
    tier: AcceptedText = Field(default=None, description="The customer's commercial tier, such as 'vip'.")
    owner: AcceptedText = Field(default=None, description="Who looks after this customer.")


class Consent(Event):
    """What the customer has agreed to. A part that is absent means no."""

    callback: Annotated[bool, OR_NULL] = Field(
        default=False, description="The customer may be called back about this answer."
    )
    public_review: Annotated[bool, OR_NULL] = Field(
        default=False, description="The customer may be invited to a public review, a referral or a testimonial."
    )
    marketing: Annotated[bool, OR_NULL] = Field(default=False, description="The customer may be sent marketing.")


class Origin(Event):
    """Where the answer was given."""

    system: AcceptedText = Field(default=None, description="The name of the survey tool.")
    permalink: AcceptedText = Field(default=None, description="An https link to the answer in the survey tool.")


class Solicitation(Event):
    """Who asked the customer for the answer, if a person did."""

    asked_by: AcceptedText = Field(
        default=None,
        description="The person or the team that asked the customer for the answer, spelled as in `customer.owner` or "
        "in `segment`.",
    )
    contact_at: AcceptedTimeIfAny = Field(
        default=None,
        description="When the customer last had contact with the person or the team that the answer is about. A value "
        "that is not a time is ignored.",
    )


class Response(Event):
    """One NPS answer. A higher revision of the same response_id replaces the lower one.

    If a part may be absent, null counts as absent. In place of an object, an empty list counts as absent, too.
    """

    response_id: AcceptedId = Field(description="The id of the answer. No other answer of the customer has it.")
    revision: Annotated[AcceptedRevision, OR_NULL] = Field(
        default=0, description="0 for the answer as it was given first; each correction has a higher number."
    )
    survey_id: AcceptedId = Field(description="The id of the survey. Surveys are counted like segments.")
    customer_id: Annotated[AcceptedIdOrEmpty, OR_NULL] = Field(
        default="",
        description="A pseudonymous id, never an address. It is also the record's key. It is required unless "
        "`anonymous` is true. In an anonymous answer, an empty id counts as absent.",
        json_schema_extra=absent_or_null,
    )
    score: AcceptedScore = Field(description="The score that the customer gave, a whole number from 0 to 10.")
    comment: AcceptedText = Field(default=None, description="What the customer wrote.")
    language: AcceptedLanguage = Field(
        default=None,
        description="The language as a BCP 47 tag, such as 'fr' or 'en-GB'. A tag of more than 35 characters is "
        "ignored.",
    )
    responded_at: AcceptedTime = Field(description="When the customer answered, with its UTC offset.")
    # One wrong name says enough; a megabyte of them would take a gigabyte to be listed.
    segment: Annotated[list[AcceptedName], FailFast(), OR_NULL] = Field(
        default=[],
        description="The path in the tree of segments, root first; the last name is the touchpoint. A path has at most "
        "eight names of at most 100 characters, without slashes. The worker changes other paths so that they fit.",
    )
    customer: Annotated[Customer, OR_EMPTY] = Customer()
    consent: Annotated[Consent, OR_EMPTY] = Consent()
    origin: Annotated[Origin, OR_EMPTY] = Origin()
    solicitation: Annotated[Solicitation, OR_EMPTY] = Solicitation()
    follow_up_requested: Annotated[bool, OR_NULL] = Field(
        default=False, description="The customer has asked to be contacted about this answer."
    )
    test: Annotated[bool, OR_NULL] = Field(
        default=False,
        description="A trial answer. It gets a decision, but it counts in no score and causes no alert or invitation.",
    )
    history: Annotated[bool, OR_NULL] = Field(
        default=False,
        description="An answer of the past that is imported. It counts like any other, but it opens no alert, invites "
        "nobody, and is no sign of an incident.",
    )
    anonymous: Annotated[bool, OR_NULL] = Field(
        default=False,
        description="Nobody may know who answered. The answer counts, and may open an alert, without `customer_id` and "
        "`customer`.",
    )
