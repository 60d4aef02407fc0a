"""What a mail says, before it is one: what the pages of alerts and incidents have in common."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.alert import Severity
from worker.notify.channels.email.language import Language
from worker.notify.channels.email.plain_text import header_line, one_line

#: The longest text of a field.
FIELD = 300
_SUBJECT = 150

#: White text on these has a contrast above 5:1, and they stand out on white and on black alike.
COLOURS: Mapping[Severity, str] = {
    Severity.WARNING: "#92400e",
    Severity.ERROR: "#c2410c",
    Severity.CRITICAL: "#b91c1c",
}
#: Of what is over.
OVER = "#4b5563"


@dataclass(frozen=True)
class Row:
    """A line of a section; with `href`, its value is a link."""

    label: str
    value: str
    href: str = ""


@dataclass(frozen=True)
class Section:
    """Lines under a title."""

    title: str
    rows: list[Row]


@dataclass(frozen=True)
class Page:
    """A page. `template` names the two files that lay it out; `more` is what only they know of."""

    template: str
    language: Language
    subject: str
    headline: str
    why: str
    colour: str
    sections: list[Section]
    more: Mapping[str, object]


def field(text: str | None) -> str:
    """Return a text from outside as a field: on one line, not too long, empty if there is none."""
    return one_line(text or "", FIELD)


def subject(text: str) -> str:
    """Return a text as a subject."""
    return header_line(text, _SUBJECT)
