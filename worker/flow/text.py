"""Free text as customers and other people write it."""

import json
import re
from typing import Any

# The C0 and C1 controls without tab and line ends. Databases refuse NUL, and terminals obey escape sequences.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


#: Controls (Cc), halves of surrogate pairs (Cs), and embeddings, overrides and isolates of writing direction, which can
#: make a text read as another one. Unicode guarantees that no version adds to Cc and Cs.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
#: The same, with the line ends that only some programs know, and without the line feed.
_NOT_IN_JSON = re.compile(f"(?!\n)(?:{UNPRINTABLE.pattern}|[\u2028\u2029])")
#: The largest number of characters of a name, a phone number and the like. A longer text is something else, and would
#: make events too large.
_LONGEST_FIELD = 300
_LONGEST_LINK = 2_000


def field(text: str | None) -> str | None:
    """Return a customer's name, phone number or the like without control characters, cut if it is too long."""
    return None if text is None else clean(text)[:_LONGEST_FIELD]


def language(text: str | None) -> str | None:
    """Return the language that a response names, without invisible characters; None if nothing is left."""
    if text and not text.isprintable():  # most texts are printable, and to look at each letter would take long
        text = "".join(letter for letter in text if letter.isprintable())
    return (text.strip() or None) if text else None


def https_link(text: str | None) -> str | None:
    """Return an https address; None if there is none, or if it is too long or has characters that no address has.

    Such characters are blanks, controls and those that only change how others look. They are not removed, since the
    address would then lead somewhere else.
    """
    if text is None or not text.startswith("https://") or len(text) > _LONGEST_LINK:
        return None
    return text if text.isprintable() and " " not in text else None


def clean(text: str) -> str:
    """Return a text without control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", text)


def on_one_line(text: str) -> str:
    """Return a text that others have written as one line for a terminal: blanks stand for line ends and tabs.

    It has nothing that a terminal obeys, and nothing that makes it read as another text. Blanks at its ends are gone.
    """
    return UNPRINTABLE.sub("", " ".join(text.replace("\t", " ").splitlines())).strip()


def on_lines(text: str) -> str:
    """Return a text of several lines in the same way: its line ends stay, but blank lines at its ends do not."""
    return "\n".join(UNPRINTABLE.sub("", line.replace("\t", " ")).rstrip() for line in text.splitlines()).strip()


def printable_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON for a terminal. What a terminal or another program could obey is escaped.

    So a text in it cannot begin a line of its own. `indent`: as for json.dumps.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
