"""Free text as customers write it."""

import re

# C0 and C1 controls but for tab and line ends: databases refuse NUL, terminals obey escapes.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


#: Names, phone numbers and the like: longer ones are no such thing, and would make events too large.
_FIELD = 300


def field(text: str | None) -> str | None:
    """Return a customer's name, phone number or the like, without control characters and not too long."""
    return None if text is None else clean(text)[:_FIELD]


def clean(text: str) -> str:
    """Return the text without control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", text)
