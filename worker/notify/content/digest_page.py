"""The page of a digest: how much is new, still open and closed, and one entry for each notice. Pure.

A chat shows the heading and the first entries only.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from schemas.alert import Alert, AlertAction, Severity
from schemas.alert_command import CommandAction
from schemas.incident import Incident
from schemas.silence import Silence
from worker.flow.responses.intake import ANONYMOUS
from worker.flow.timestamps import from_ms
from worker.notify.content.case_words import CASE_WORDS
from worker.notify.content.incident_page import shortly
from worker.notify.content.language import WORDS, Words
from worker.notify.content.page import COLOURS, OVER, Page, field, subject
from worker.notify.content.pages import page_of
from worker.notify.content.plain_text import one_line
from worker.notify.content.readers import Readers
from worker.notify.content.typography import french
from worker.routing.receiver import Language
from worker.routing.routable import ENDS

#: The longest name, and the longest part of a comment, in an entry, in characters.
_NAME, _COMMENT = 60, 140

#: A notice; by when somebody has to act on it, in ms, or 0 without a time limit; and the id of the silence that has
#: held it back, empty if none has.
Listed = tuple[Alert | Incident, int, str]
#: Returns the address of the link by which the receiver acknowledges an alert; empty if there is none.
LinkOf = Callable[[Alert], str]


@dataclass(frozen=True)
class DigestWords:
    """The words of a digest in one language. Placeholders are in braces."""

    subject: str  # {severity} {counts}
    headline: str  # {count}
    why: str
    #: The numbers of notices. Each has two forms: about one notice, and about several.
    new: tuple[str, str]  # {count}
    still_open: tuple[str, str]  # {count}
    closed: tuple[str, str]  # {count}
    digest_id: str
    silence: tuple[str, str]  # {silence} {count} {who} {reason}
    silence_of_nobody: tuple[str, str]  # {silence} {count}; the silence is not known any more
    held: str  # {silence}
    do_not_call: str  # in place of the phone number of a customer who does not want to be called


def _same(text: str) -> tuple[str, str]:
    """Return the two forms of a text that has only one."""
    return text, text


_WORDS: Mapping[Language, DigestWords] = {
    "fr": DigestWords(
        subject=french("[{severity}] Récapitulatif : {counts}"),
        headline=french("Récapitulatif : {count}"),
        why="Ce message regroupe plusieurs alertes, pour que vous ne receviez pas un message pour chacune.",
        new=("{count} nouvelle", "{count} nouvelles"),
        still_open=("{count} toujours ouverte", "{count} toujours ouvertes"),
        closed=("{count} close", "{count} closes"),
        digest_id="Récapitulatif",
        silence=(
            french("Retenue par le silence « {silence} », demandé par {who} : {count}. Motif : {reason}"),
            french("Retenues par le silence « {silence} », demandé par {who} : {count}. Motif : {reason}"),
        ),
        silence_of_nobody=(
            french("Retenue par le silence « {silence} » : {count}"),
            french("Retenues par le silence « {silence} » : {count}"),
        ),
        held=french("retenue par le silence « {silence} »"),
        do_not_call="ne pas appeler au sujet de cette réponse",
    ),
    "en": DigestWords(
        subject="[{severity}] Digest: {counts}",
        headline="Digest: {count}",
        why="This message lists several alerts, so that you do not get a message for each of them.",
        new=_same("{count} new"),
        still_open=_same("{count} still open"),
        closed=_same("{count} closed"),
        digest_id="Digest",
        silence=_same("Held back by the silence {silence}, which {who} has asked for: {count}. Reason: {reason}"),
        silence_of_nobody=_same("Held back by the silence {silence}: {count}"),
        held="held back by the silence {silence}",
        do_not_call="do not call about this answer",
    ),
}


class Counts(NamedTuple):
    """How many notices of a digest say that something is new, that it is still open, and that it is closed."""

    new: int
    still_open: int
    closed: int


@dataclass(frozen=True)
class Entry:
    """A notice in a digest. `alert_id` says in the text which case or incident it is, and `id_label` what that is."""

    title: str
    details: str
    comment: str
    alert_id: str
    id_label: str
    colour: str
    #: By when somebody has to act, in words; empty without a time limit.
    act_by: str = ""
    #: The address of the link that acknowledges the alert; empty if there is none.
    link: str = ""
    #: Which silence has held the notice back; empty if none has.
    held: str = ""


class Heading(NamedTuple):
    """What a digest says before its entries."""

    language: Language
    subject: str
    headline: str
    why: str
    #: A sentence about each silence that has held back some of the notices.
    silences: list[str]


def counts_of(notices: Iterable[Alert | Incident]) -> Counts:
    """Count the notices of a digest by what they say. A step that is neither the first nor the last is still open."""
    actions = [notice.action for notice in notices]
    new, closed = actions.count(AlertAction.OPENED), sum(action in ENDS for action in actions)
    return Counts(new, len(actions) - new - closed, closed)


def digest_page(
    listed: Sequence[Listed],
    severity: Severity,
    readers: Readers,
    link_of: LinkOf,
    silences: Mapping[str, Silence] = MappingProxyType({}),
) -> Page:
    """Return the page of a digest that lists notices in this order. `severity`: the highest one of them.

    `silences`: those that have held back some of the notices, by their ids, as far as they are known.
    """
    heading = heading_of(listed, severity, readers, silences)
    words, own = WORDS[heading.language], _WORDS[heading.language]
    entries = [entry_of(one, readers, link_of) for one in listed]
    return Page(
        template="digest",
        language=heading.language,
        subject=heading.subject,
        headline=heading.headline,
        why=heading.why,
        colour=COLOURS[severity],
        sections=[],
        more={
            "severity": words.severities[severity],
            "id_label": own.digest_id,
            "silences": heading.silences,
            "entries": entries,
            "has_links": any(entry.link for entry in entries),
            "link_name": words.acts[CommandAction.ACKNOWLEDGE],
        },
    )


def heading_of(
    listed: Sequence[Listed],
    severity: Severity,
    readers: Readers,
    silences: Mapping[str, Silence] = MappingProxyType({}),
) -> Heading:
    """Return what a digest says before its entries. The arguments are those of `digest_page`."""
    language = readers.language_of(None)
    own = _WORDS[language]
    counts = counts_of(notice for notice, *_ in listed)
    shown = ", ".join(
        _form(forms, count).format(count=count)
        for forms, count in zip((own.new, own.still_open, own.closed), counts, strict=True)
        if count
    )
    return Heading(
        language,
        subject(own.subject.format(severity=WORDS[language].tags[severity], counts=shown)),
        own.headline.format(count=shown),
        own.why,
        _silences(listed, silences, own),
    )


def _form(forms: tuple[str, str], count: int) -> str:
    """Return the form of a text that a number needs, which is at least 1."""
    return forms[count > 1]


def _silences(listed: Sequence[Listed], silences: Mapping[str, Silence], own: DigestWords) -> list[str]:
    """Return a sentence about each silence that has held back some of the notices."""
    found = []
    for silence_id, count in sorted(Counter(silence_id for *_, silence_id in listed if silence_id).items()):
        silence = silences.get(silence_id)
        named = {"silence": field(silence_id), "count": count}
        if silence is None:
            found.append(_form(own.silence_of_nobody, count).format(**named))
        else:
            found.append(
                _form(own.silence, count).format(who=field(silence.created_by), reason=field(silence.reason), **named)
            )
    return found


def entry_of(one: Listed, readers: Readers, link_of: LinkOf) -> Entry:
    """Return the entry of a notice."""
    language = readers.language_of(None)
    words, own = WORDS[language], _WORDS[language]
    notice, act_by, silence_id = one
    held = own.held.format(silence=field(silence_id)) if silence_id else ""
    if isinstance(notice, Incident):
        page = page_of(notice, readers)
        about = shortly(notice, language)
        return Entry(page.headline, about, page.why, field(notice.alert_id), words.alert_id, page.colour, held=held)
    customer_id = words.anonymous if notice.customer_id.startswith(ANONYMOUS) else notice.customer_id
    who = one_line(notice.customer.name or "", _NAME) or one_line(customer_id, _NAME)
    is_over = notice.action == AlertAction.WITHDRAWN
    details = [
        words.headline[AlertAction.WITHDRAWN] if is_over else "",
        words.severities[notice.severity],
        field(notice.segment),
        readers.moment(words)(notice.responded_at),
        field(notice.customer.phone) if notice.consent.callback else own.do_not_call,
        words.steps.get(notice.reason, "") if notice.action == AlertAction.UPDATED else "",
    ]
    title = f"{notice.score}/10, {who}"
    comment = one_line(notice.comment or "", _COMMENT)
    colour = OVER if is_over else COLOURS[notice.severity]
    return Entry(
        title=title,
        details=", ".join(filter(None, details)),
        comment=comment,
        alert_id=field(notice.alert_id),
        id_label=words.case_number,
        colour=colour,
        act_by=_limit(act_by, words, readers),
        link=link_of(notice),
        held=held,
    )


def _limit(act_by: int, words: Words, readers: Readers) -> str:
    """Return by when somebody has to act, in words; empty without a time limit."""
    if not act_by:
        return ""
    return f"{CASE_WORDS[readers.language_of(None)].due}{words.colon}{readers.moment(words)(from_ms(act_by))}"
