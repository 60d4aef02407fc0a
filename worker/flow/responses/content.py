"""What a response says, in a few numbers. A customer's row keeps them, to find what a later copy or correction changes.

The numbers are checksums and flags. So a row stays small, and has no comment and no address.
"""

from zlib import crc32

import msgspec

from worker.flow.responses.plain import PlainResponse

#: What a response may say besides its score; each is one bit.
COMMENT = 1
CALLBACK, PUBLIC_REVIEW, MARKETING = 2, 4, 8
CONSENT = CALLBACK | PUBLIC_REVIEW | MARKETING
NAME, EMAIL, PHONE = 16, 32, 64
FOLLOW_UP = 128


_encode = msgspec.msgpack.Encoder().encode


class Content(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one response says."""

    #: The bits above that are true of it.
    flags: int
    #: The checksum of the comment; 0 if there is none.
    comment_checksum: int
    #: The checksum of the name and the addresses of the person who answered; 0 if they are not known.
    person_checksum: int
    #: The checksum of everything that decisions depend on, or that is shown to people.
    checksum: int


def content_of(response: PlainResponse, at: int) -> Content:
    """Return what a response says; `at`: when the answer was given, in ms."""
    person, consent, comment = response.customer, response.consent, response.comment
    name, email, phone = person.name, person.email, person.phone
    flags = comment_checksum = person_checksum = 0
    if consent.callback:
        flags = CALLBACK
    if consent.public_review:
        flags |= PUBLIC_REVIEW
    if consent.marketing:
        flags |= MARKETING
    if response.follow_up_requested:
        flags |= FOLLOW_UP
    if comment is not None and is_visible(comment):
        flags |= COMMENT
        comment_checksum = crc32(comment.encode())
    if name or email or phone:
        flags |= (NAME if name else 0) | (EMAIL if email else 0) | (PHONE if phone else 0)
        person_checksum = crc32(f"{name}\n{email}\n{phone}".encode())
    everything = (
        flags,
        comment_checksum,
        person_checksum,
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
    return Content(flags, comment_checksum, person_checksum, crc32(_encode(everything)))


def is_visible(text: str) -> bool:
    """Say whether anything of a text can be seen. Blanks and formatting characters alone are no comment."""
    if text.isprintable():  # most texts are printable, and to look at each letter would take long
        return bool(text) and not text.isspace()
    return any(letter.isprintable() and not letter.isspace() for letter in text)
