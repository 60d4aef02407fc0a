"""What a route asks of a comment: texts that it contains, or a regular expression that it matches.

Regular expressions are those of RE2, whose cost is linear in the length of the comment, whatever the expression is.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import re2

#: The largest number of characters of an expression, and the memory in bytes that RE2 may use for one.
LONGEST_EXPRESSION = 1_000
_MEMORY = 1 << 20


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


@lru_cache(maxsize=1024)
def expression(text: str) -> Any:
    """Return a compiled expression, which ignores upper and lower case. Raise ValueError if RE2 does not take it."""
    try:
        return re2.compile(text, _options())
    except re2.error:
        raise ValueError(
            "is not a regular expression of RE2, which has neither look-around nor back-references, or it is too large"
        ) from None


def plain(text: str) -> str:
    """Return a text in the form in which texts are compared: composed, in lower case, with single blanks."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def contains(comment: str, texts: Iterable[str]) -> bool:
    """Say whether a comment contains one of some texts, whatever their case and blanks are."""
    searched = plain(comment)
    return any(plain(text) in searched for text in texts)


def fits(comment: str, text: str) -> bool:
    """Say whether an expression matches a part of a comment."""
    return expression(text).search(unicodedata.normalize("NFC", comment)) is not None
