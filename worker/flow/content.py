"""What a response says, in a few numbers: a customer's row keeps them, to see what a later copy or correction changes.

They are checksums and flags, no texts: a row stays small, and holds no comment and no address.
"""

from typing import NamedTuple
from zlib import crc32

from schemas.response import Response

#: What a response may say besides its score, a bit each.
COMMENT = 1
CALLBACK, PUBLIC_REVIEW, MARKETING = 2, 4, 8
CONSENT = CALLBACK | PUBLIC_REVIEW | MARKETING
NAME, EMAIL, PHONE = 16, 32, 64


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
        f"{said}\n{comment}\n{who}\n{response.score}\n{at}\n{response.test}\n{response.survey_id}\n{response.segment}\n"
        f"{response.language}\n{person.tier}\n{person.owner}\n{response.origin.permalink}"
    )
    return Content(said, comment, who, crc32(whole.encode()))


def is_visible(text: str) -> bool:
    """Say whether anything of a text can be seen: blanks and formatting characters alone are no comment."""
    return any(letter.isprintable() and not letter.isspace() for letter in text)
