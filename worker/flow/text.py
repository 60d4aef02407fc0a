"""Free text as customers write it."""

import re

# C0 and C1 controls but for tab and line ends: databases refuse NUL, terminals obey escapes.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


#: Names, phone numbers and the like: longer ones are no such thing, and would make events too large.
_FIELD = 300
_LONGEST_LINK = 2_000


def field(text: str | None) -> str | None:
    """Return a customer's name, phone number or the like, without control characters and not too long."""
    return None if text is None else clean(text)[:_FIELD]


def language(text: str | None) -> str | None:
    """Return what a response says of its language, without what cannot be seen; None if that is nothing."""
    if text and not text.isprintable():  # most are: a look at each letter is dear
        text = "".join(letter for letter in text if letter.isprintable())
    return (text.strip() or None) if text else None


def https_link(text: str | None) -> str | None:
    """Return an https address; None if there is none, or if it is too long or has characters that no address has.

    Such characters are blanks, controls and those that only change how others look. An address without them would lead
    somewhere else, so it is not cleaned.
    """
    if text is None or not text.startswith("https://") or len(text) > _LONGEST_LINK:
        return None
    return text if text.isprintable() and " " not in text else None


def clean(text: str) -> str:
    """Return the text without control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", text)
