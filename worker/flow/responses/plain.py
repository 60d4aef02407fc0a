"""A response as the road has it: the fields of schemas/response.py without pydantic, which is quicker to read and make.

Nearly all responses come in the *plain form*: each field that they have is one of the response, and has the type that
it has below. msgspec reads this form in a fifth of the time that pydantic takes. Whatever has another form is left to
pydantic. So pydantic alone says which other forms are accepted, and why a value is refused.
"""

import re
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas import response as schema
from schemas.accepted import LONGEST_LANGUAGE
from schemas.base import LONGEST_ID

_Id = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
_Time = Annotated[datetime, Meta(tz=True)]
#: A second has more decimals than a `datetime` can hold: msgspec rounds them, and pydantic cuts them off.
_has_finer_time = re.compile(rb"[0-9][.,][0-9]{7}").search


class PlainCustomer(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a call-back needs to know of the customer who answered."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    tier: str | None = None
    owner: str | None = None


class PlainConsent(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What the customer has agreed to."""

    callback: bool = False
    public_review: bool = False
    marketing: bool = False


class PlainOrigin(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Where the answer was given."""

    system: str | None = None
    permalink: str | None = None


class PlainSolicitation(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Who asked the customer for the answer, if a person did."""

    asked_by: str | None = None
    contact_at: _Time | None = None


class PlainResponse(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """One NPS answer. The fields have the meanings that schemas/response.py describes."""

    response_id: _Id
    revision: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    survey_id: _Id
    #: Empty in an anonymous answer that has not got an id of its own.
    customer_id: Annotated[str, Meta(max_length=LONGEST_ID)]
    score: Annotated[int, Meta(ge=0, le=10)]
    comment: str | None = None
    language: Annotated[str, Meta(max_length=LONGEST_LANGUAGE)] | None = None
    responded_at: _Time
    segment: list[str | None] = []
    customer: PlainCustomer = PlainCustomer()
    consent: PlainConsent = PlainConsent()
    origin: PlainOrigin = PlainOrigin()
    solicitation: PlainSolicitation = PlainSolicitation()
    follow_up_requested: bool = False
    test: bool = False
    history: bool = False
    anonymous: bool = False


_decode = msgspec.json.Decoder(PlainResponse).decode


def read(value: bytes) -> PlainResponse | None:
    """Return the response of a JSON text in the plain form; None if pydantic has to read the text."""
    try:
        response = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    # A text that is printable has no control characters. One that is not may be an id all the same, which is rare.
    ids = response.response_id + response.survey_id + response.customer_id
    if not response.customer_id or not ids.isprintable() or _has_finer_time(value):
        return None
    return response


def plain(response: schema.Response) -> PlainResponse:
    """Return a response that pydantic has read."""
    return msgspec.convert(response, PlainResponse, from_attributes=True)
