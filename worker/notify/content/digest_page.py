"""The page of a digest: how much is new, still open and closed, and one entry for each notice. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.alert import Alert, AlertAction, Severity
from schemas.incident import Incident, IncidentAction
from worker.flow.responses.intake import ANONYMOUS
from worker.notify.content.language import WORDS, Words
from worker.notify.content.page import COLOURS, OVER, Page, field, subject
from worker.notify.content.pages import page_of
from worker.notify.content.plain_text import one_line
from worker.notify.content.readers import Readers
from worker.notify.content.typography import french
from worker.routing.receiver import Language

#: The longest name, and the longest part of a comment, in an entry, in characters.
_NAME, _COMMENT = 60, 140
_ENDS = frozenset({AlertAction.WITHDRAWN, IncidentAction.RESOLVED})


@dataclass(frozen=True)
class DigestWords:
    """The words of a digest in one language. Placeholders are in braces."""

    subject: str  # {severity} {counts}
    headline: str  # {count}
    why: str
    new: str  # {count}
    still_open: str  # {count}
    closed: str  # {count}
    digest_id: str


_WORDS: Mapping[Language, DigestWords] = {
    "fr": DigestWords(
        subject=french("[{severity}] Récapitulatif : {counts}"),
        headline=french("Récapitulatif : {count}"),
        why="Ce message regroupe plusieurs alertes, pour que vous ne receviez pas un message pour chacune.",
        new="{count} nouvelle(s)",
        still_open="{count} toujours ouverte(s)",
        closed="{count} close(s)",
        digest_id="Récapitulatif",
    ),
    "en": DigestWords(
        subject="[{severity}] Digest: {counts}",
        headline="Digest: {count}",
        why="This message lists several alerts, so that you do not get a message for each of them.",
        new="{count} new",
        still_open="{count} still open",
        closed="{count} closed",
        digest_id="Digest",
    ),
}


class Counts(NamedTuple):
    """How many notices of a digest say that something is new, that it is still open, and that it is closed."""

    new: int
    still_open: int
    closed: int


@dataclass(frozen=True)
class Entry:
    """A notice in a digest. `alert_id` says in the text which alert or incident it is."""

    title: str
    details: str
    comment: str
    alert_id: str
    colour: str


def counts_of(notices: Collection[Alert | Incident]) -> Counts:
    """Count the notices of a digest by what they say. A step that is neither the first nor the last is still open."""
    new = sum(notice.action == AlertAction.OPENED for notice in notices)
    closed = sum(notice.action in _ENDS for notice in notices)
    return Counts(new, len(notices) - new - closed, closed)


def digest_page(notices: Sequence[Alert | Incident], severity: Severity, readers: Readers) -> Page:
    """Return the page of a digest that lists notices in this order. `severity`: the highest one of them."""
    language = readers.language_of(None)
    words, own = WORDS[language], _WORDS[language]
    shown = ", ".join(
        text.format(count=count)
        for text, count in zip((own.new, own.still_open, own.closed), counts_of(notices), strict=True)
        if count
    )
    return Page(
        template="digest",
        language=language,
        subject=subject(own.subject.format(severity=words.tags[severity], counts=shown)),
        headline=own.headline.format(count=shown),
        why=own.why,
        colour=COLOURS[severity],
        sections=[],
        more={
            "severity": words.severities[severity],
            "id_label": own.digest_id,
            "entries": [_entry(notice, words, readers) for notice in notices],
        },
    )


def _entry(notice: Alert | Incident, words: Words, readers: Readers) -> Entry:
    if isinstance(notice, Incident):
        page = page_of(notice, readers)
        return Entry(page.headline, field(notice.segment), page.why, field(notice.alert_id), page.colour)
    customer_id = words.anonymous if notice.customer_id.startswith(ANONYMOUS) else notice.customer_id
    who = one_line(notice.customer.name or "", _NAME) or one_line(customer_id, _NAME)
    is_over = notice.action == AlertAction.WITHDRAWN
    details = [
        words.headline[AlertAction.WITHDRAWN] if is_over else "",
        words.severities[notice.severity],
        field(notice.segment),
        readers.moment(words)(notice.responded_at),
        field(notice.customer.phone),
        words.steps.get(notice.reason, "") if notice.action == AlertAction.UPDATED else "",
    ]
    title = f"{notice.score}/10, {who}"
    comment = one_line(notice.comment or "", _COMMENT)
    colour = OVER if is_over else COLOURS[notice.severity]
    return Entry(title, ", ".join(filter(None, details)), comment, field(notice.alert_id), colour)
