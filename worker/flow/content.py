"""What a response says, in a few numbers: a customer's row keeps them, to see what a later copy or correction changes.

They are checksums and flags, no texts: a row stays small, and holds no comment and no address.
"""

from typing import NamedTuple
from zlib import crc32

import msgspec

from schemas.response import Response

#: What a response may say besides its score, a bit each.
COMMENT = 1
CALLBACK, PUBLIC_REVIEW, MARKETING = 2, 4, 8
CONSENT = CALLBACK | PUBLIC_REVIEW | MARKETING
NAME, EMAIL, PHONE = 16, 32, 64


_encode = msgspec.msgpack.Encoder().encode


class Content(NamedTuple):
    """What one response says."""

    #: Which of the bits above it says.
    said: int
    #: The checksum of the comment; 0 without one.
    comment: int
    #: The checksum of who answered, by name and addresses; 0 if nothing is known of that.
    person: int
    #: The checksum of all that is decided by, or shown to people.
    whole: int


def content_of(response: Response, at: int) -> Content:
    """Return what a response says; `at`: when it was given, in ms."""
    person, consent = response.customer, response.consent
    said = (
        (CALLBACK if consent.callback else 0)
        | (PUBLIC_REVIEW if consent.public_review else 0)
        | (MARKETING if consent.marketing else 0)
        | (NAME if person.name else 0)
        | (EMAIL if person.email else 0)
        | (PHONE if person.phone else 0)
    )
    comment = who = 0
    if response.comment is not None and is_visible(response.comment):
        said |= COMMENT
        comment = crc32(response.comment.encode())
    if said & (NAME | EMAIL | PHONE):
        who = crc32(f"{person.name}\n{person.email}\n{person.phone}".encode())
    whole = (
        said,
        comment,
        who,
        response.score,
        at,
        response.test,
        response.survey_id,
        response.segment,
        response.language,
        person.tier,
        person.owner,
        response.origin.permalink,
    )
    return Content(said, comment, who, crc32(_encode(whole)))


def is_visible(text: str) -> bool:
    """Say whether anything of a text can be seen: blanks and formatting characters alone are no comment."""
    if text.isprintable():  # most texts are: a look at each letter is dear
        return bool(text) and not text.isspace()
    return any(letter.isprintable() and not letter.isspace() for letter in text)
