"""The content of a mail before it is formatted: the parts that alerts and incidents have in common."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.alert import Severity
from worker.notify.content.plain_text import header_line, one_line
from worker.routing.receiver import Language

#: The longest text of a field, and of a subject, in characters.
FIELD = 300
_SUBJECT = 150

#: The colours of the severities. White text on them has a contrast above 5:1, and they are visible on white and black.
COLOURS: Mapping[Severity, str] = {
    Severity.WARNING: "#92400e",
    Severity.ERROR: "#c2410c",
    Severity.CRITICAL: "#b91c1c",
}
#: The colour of a withdrawn alert and of a resolved incident.
OVER = "#4b5563"


@dataclass(frozen=True)
class Row:
    """A line of a section. With `href`, its value is a link."""

    label: str
    value: str
    href: str = ""


@dataclass(frozen=True)
class Section:
    """A title with lines below it."""

    title: str
    rows: list[Row]


@dataclass(frozen=True)
class Page:
    """The content of a mail. `template` names the two template files; `more` has values that only they use."""

    template: str
    language: Language
    subject: str
    headline: str
    why: str
    colour: str
    sections: list[Section]
    more: Mapping[str, object]


def field(text: str | None) -> str:
    """Return an untrusted text as a field: on one line, not too long, and empty if it is None."""
    return one_line(text or "", FIELD)


def subject(text: str) -> str:
    """Return a text made fit for a subject."""
    return header_line(text, _SUBJECT)
