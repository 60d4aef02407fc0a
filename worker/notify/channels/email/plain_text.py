"""Text from outside, made fit for a mail: no control characters, no invisible direction changes, bounded."""

import re
import textwrap
import unicodedata

#: RFC 5322 allows 78; 72 leaves room for a few levels of quoting in replies.
COLUMNS = 72
ELLIPSIS = "…"

_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Embeddings, overrides and isolates of writing direction can make a text read as another one.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Categories of Unicode that show nothing: controls, format characters, halves of pairs, what is not assigned, spaces.
_UNSEEN = frozenset(["Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"])
#: Letters and marks that show nothing by themselves either: fillers, the blank of Braille, variation selectors.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | set(map(chr, range(0xFE00, 0xFE10)))


def one_line(text: str, limit: int) -> str:
    """Return the text on one line, with single spaces, at most `limit` characters long; empty if it shows nothing."""
    return shortened(_visible(_printable(_LINE_ENDS.sub(" ", text))), limit)


def header_line(text: str, limit: int) -> str:
    """Return the text as `one_line` does, fit for a header.

    `EmailMessage` decodes RFC 2047 words in what it is given: `=?utf-8?q?=0D=0ABcc:_x?=` would become a line end and a
    header of its own. They are broken once the text is clean, since a character that is taken out can have hidden one.
    """
    return shortened(one_line(text, len(text)).replace("=?", "= ?"), limit)


def lines(text: str) -> str:
    """Return the text with plain newlines, without blank ends, and with at most one empty line in a row.

    A line that shows nothing is an empty one.
    """
    rows = [_visible(_printable(row)) for row in _LINE_ENDS.split(text)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(rows)).strip("\n")


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to at most `limit` characters; the last of them is then an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def wrapped(text: str, first: str = "", then: str = "") -> str:
    """Return each line folded at 72 columns, its first row prefixed by `first`, the others by `then`.

    Words are never broken: an address must stay whole.
    """
    return "\n".join(
        textwrap.fill(
            line,
            COLUMNS,
            initial_indent=first,
            subsequent_indent=then,
            break_long_words=False,
            break_on_hyphens=False,
        )
        or first.rstrip()
        for line in text.split("\n")
    )


def quoted(text: str) -> str:
    """Return the text folded and marked as a quotation, as mail programs do it."""
    return wrapped(text, "> ", "> ")


def _visible(text: str) -> str:
    """Return the text, or nothing if all of its characters are invisible ones."""
    seen = any(c not in _FILLERS and unicodedata.category(c) not in _UNSEEN for c in text)
    return text if seen else ""


def _printable(text: str) -> str:
    kept = (" " if c == "\t" else c for c in text if c not in _DIRECTIONS)
    return re.sub(" {2,}", " ", "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cs"))).strip()
