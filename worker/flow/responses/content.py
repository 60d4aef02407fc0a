"""What a response says, in a few numbers: a customer's row keeps them, to see what a later copy or correction changes.

They are checksums and flags, no texts: a row stays small, and holds no comment and no address.
"""

from zlib import crc32

import msgspec

from schemas.response import Response

#: What a response may say besides its score, a bit each.
COMMENT = 1
CALLBACK, PUBLIC_REVIEW, MARKETING = 2, 4, 8
CONSENT = CALLBACK | PUBLIC_REVIEW | MARKETING
NAME, EMAIL, PHONE = 16, 32, 64


_encode = msgspec.msgpack.Encoder().encode


class Content(msgspec.Struct, array_like=True, frozen=True, gc=False):
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
    # Reading a field of a pydantic model is slow: each is read once.
    person, consent, comment = response.customer, response.consent, response.comment
    name, email, phone = person.name, person.email, person.phone
    said = checksum = who = 0
    if consent.callback:
        said = CALLBACK
    if consent.public_review:
        said |= PUBLIC_REVIEW
    if consent.marketing:
        said |= MARKETING
    if comment is not None and is_visible(comment):
        said |= COMMENT
        checksum = crc32(comment.encode())
    if name or email or phone:
        said |= (NAME if name else 0) | (EMAIL if email else 0) | (PHONE if phone else 0)
        who = crc32(f"{name}\n{email}\n{phone}".encode())
    whole = (
        said,
        checksum,
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
    return Content(said, checksum, who, crc32(_encode(whole)))


def is_visible(text: str) -> bool:
    """Say whether anything of a text can be seen: blanks and formatting characters alone are no comment."""
    if text.isprintable():  # most texts are: a look at each letter is dear
        return bool(text) and not text.isspace()
    return any(letter.isprintable() and not letter.isspace() for letter in text)
