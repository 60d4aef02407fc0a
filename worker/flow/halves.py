"""Halves of characters in JSON texts. Tools that cut texts by UTF-16 units leave them, such as half of an emoji."""

import re

#: An escape in a JSON text. Its group is half of a surrogate pair whose other half is missing.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
#: What replaces half of a character.
REPLACEMENT = rb"\ufffd"
#: Another replacement. Where two texts that are replaced in both ways differ, there was half of a character.
OTHER = b"?"


def without_halves(value: bytes, by: bytes = REPLACEMENT) -> bytes:
    """Return a JSON text whose halves of surrogate pairs are replaced."""
    return _ESCAPE.sub(lambda escape: escape[0] if escape[1] is None else by, value)
