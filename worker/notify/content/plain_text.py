"""Text from outside, made fit for a mail: no control characters, no invisible direction changes, bounded."""

import re
import unicodedata

from worker.flow.text import UNPRINTABLE

#: RFC 5322 allows 78; 72 leaves room for a few levels of quoting in replies.
COLUMNS = 72
ELLIPSIS = "…"

_SPACES = re.compile(" {2,}")
#: Categories of Unicode that show nothing: controls, format characters, halves of pairs, what is not assigned, spaces.
_UNSEEN = frozenset(["Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"])
#: Letters and marks that show nothing by themselves either: fillers, the blank of Braille, variation selectors.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | set(map(chr, range(0xFE00, 0xFE10)))


def one_line(text: str, limit: int) -> str:
    """Return the text on one line, with single spaces, at most `limit` characters long; empty if it shows nothing."""
    return shortened(_visible(_printable(" ".join(text.splitlines()))), limit)


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
    rows = [_visible(_printable(row)) for row in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(rows)).strip("\n")


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to at most `limit` characters; the last of them is then an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def titled(text: str) -> str:
    """Return a title of one line, underlined."""
    return f"{text}\n{'-' * len(text)}"


def wrapped(text: str, first: str = "", then: str = "") -> str:
    """Return each line folded at 72 columns, its first row prefixed by `first`, the others by `then`.

    Words are never broken: an address must stay whole. The text has no controls but newlines, as `lines` leaves it.
    """
    return "\n".join([_filled(line, first, then) for line in text.split("\n")])


def quoted(text: str) -> str:
    """Return the text folded and marked as a quotation, as mail programs do it."""
    return wrapped(text, "> ", "> ")


def _filled(line: str, first: str, then: str) -> str:
    """Return one line folded, as textwrap does it, which takes ten times as long."""
    if not line:
        return first.rstrip()
    rows: list[str] = []
    begin, indent, width = 0, first, COLUMNS - len(first)
    while len(line) - begin > width:
        end = line.rfind(" ", begin, begin + width + 1)
        if end < 0:  # a word that is wider than the row stands alone in it
            end = line.find(" ", begin + width)
        if end < 0:
            break
        rows.append(indent + line[begin:end])
        begin, indent, width = end + 1, then, COLUMNS - len(then)
    return "\n".join([*rows, indent + line[begin:]])


def _visible(text: str) -> str:
    """Return the text, or nothing if all of its characters are invisible ones."""
    if "!" <= text[:1] <= "~":  # all of ASCII between these shows something
        return text
    seen = any(c not in _FILLERS and unicodedata.category(c) not in _UNSEEN for c in text)
    return text if seen else ""


def _printable(text: str) -> str:
    """Return the text without what cannot be printed, without blank ends, and with single spaces."""
    if not text.isprintable():
        text = UNPRINTABLE.sub("", text.replace("\t", " "))
    return (_SPACES.sub(" ", text) if "  " in text else text).strip()
