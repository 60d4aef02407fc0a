"""From an alert to a mail. Pure: the same alert gives the same bytes, so a retry repeats the mail exactly.

What customers wrote is poison until shown otherwise: `EmailMessage` raises for line ends in headers and decodes those
that hide in encoded words, HTML runs what it is given, and texts can be as long as somebody likes. plain_text.py cleans
and bounds it, Jinja2 escapes it, and no text from outside is ever part of a template.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from schemas.alert import Alert, AlertAction, EarlierAnswer, Severity
from worker.notify.headers import POLICY
from worker.notify.language import WORDS, Language, Words, language_of
from worker.notify.plain_text import header_line, lines, one_line, quoted, shortened, wrapped
from worker.notify.routing import Route

_COMMENT = 5_000
_FIELD = 300
_SUBJECT_NAME = 60
_SUBJECT = 150
_URL = 2_000

#: White text on these has a contrast above 5:1, and they stand out on white and on black alike.
_COLOURS: Mapping[Severity, str] = {
    Severity.WARNING: "#92400e",
    Severity.ERROR: "#c2410c",
    Severity.CRITICAL: "#b91c1c",
}
_WITHDRAWN = "#4b5563"

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(disabled_extensions=("txt.j2",), default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update(wrapped=wrapped, quoted=quoted)
_TEXT = _TEMPLATES.get_template("alert.txt.j2")
_HTML = _TEMPLATES.get_template("alert.html.j2")


@dataclass(frozen=True)
class _Row:
    label: str
    value: str


@dataclass(frozen=True)
class _Section:
    title: str
    rows: list[_Row]


@dataclass(frozen=True)
class _Link:
    href: str
    text: str


def compose(alert: Alert, route: Route, *, delivery_id: str, sender: str, default_language: Language) -> EmailMessage:
    """Return the mail that tells the route's receivers of this step of the alert.

    It is written in the response's language if that is French or English. `delivery_id` becomes the Message-ID, and
    `sender` (a plain address) its domain.
    """
    language = language_of(alert.language, default_language)
    words = WORDS[language]
    page = {"language": language, "words": words, "subject": _subject(alert, words), **_page(alert, route, words)}
    message = EmailMessage(POLICY)
    message["From"] = Address(addr_spec=sender)
    message["To"] = [Address(addr_spec=address) for address in dict.fromkeys(route.to)]
    message["Subject"] = page["subject"]
    message["Date"] = alert.occurred_at.astimezone(UTC)
    message["Message-ID"] = f"<{delivery_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-NPS-Alert-Id"] = header_line(alert.alert_id, _FIELD)
    message.set_content(_TEXT.render(page), charset="utf-8", cte="quoted-printable")
    message.add_alternative(_HTML.render(page), subtype="html", charset="utf-8", cte="quoted-printable")
    # Left alone, it is random. "=_" never occurs in quoted-printable text (RFC 2045, 6.7).
    message.set_boundary(f"=_{sha256(delivery_id.encode()).hexdigest()[:32]}")
    return message


def _subject(alert: Alert, words: Words) -> str:
    severity = words.severities[alert.severity].capitalize()
    who = one_line(alert.customer.name or "", _SUBJECT_NAME) or one_line(alert.customer_id, _SUBJECT_NAME)
    # A step that this version has no words for is, to its readers, news of an alert they know.
    wording = words.subject.get(alert.action, words.subject[AlertAction.UPDATED])
    subject = wording.format(severity=severity, score=alert.score, who=who)
    place = _field(alert.segment)
    return header_line(f"{subject} ({place})" if place else subject, _SUBJECT)


def _page(alert: Alert, route: Route, words: Words) -> dict[str, object]:
    comment = lines(alert.comment or "")
    return {
        "headline": words.headline.get(alert.action, words.headline[AlertAction.UPDATED]),
        "why": words.why.get(alert.reason, ""),
        "score": words.score.format(score=alert.score),
        "severity": words.severities[alert.severity],
        "colour": _WITHDRAWN if alert.action == AlertAction.WITHDRAWN else _COLOURS[alert.severity],
        "callback": words.callback_yes if alert.consent.callback else words.callback_no,
        "comment": shortened(comment, _COMMENT),
        "comment_is_cut": len(comment) > _COMMENT,
        "sections": [_customer(alert, words), _answer(alert, words)],
        "earlier": [_earlier(answer, words) for answer in alert.last_answers],
        "links": _links(alert, words),
        "route": words.route.format(route=one_line(route.name, _FIELD)),
        "alert_id": one_line(alert.alert_id, _FIELD),
    }


def _customer(alert: Alert, words: Words) -> _Section:
    customer = alert.customer
    needed = [(words.name, customer.name), (words.phone, customer.phone), (words.email, customer.email)]
    if_known = [(words.tier, customer.tier), (words.owner, customer.owner)]
    return _Section(
        words.customer,
        [
            *(_Row(label, _field(value) or words.not_given) for label, value in needed),
            _Row(words.customer_id, _field(alert.customer_id)),
            *(_Row(label, _field(value)) for label, value in if_known if _field(value)),
        ],
    )


def _answer(alert: Alert, words: Words) -> _Section:
    known = [
        (words.answered, words.moment(alert.responded_at)),
        (words.place, alert.segment),
        (words.touchpoint, alert.touchpoint),
        (words.survey, alert.survey_id),
    ]
    return _Section(words.answer, [_Row(label, _field(value)) for label, value in known if _field(value)])


def _earlier(answer: EarlierAnswer, words: Words) -> str:
    line = words.earlier_line.format(score=answer.score, when=words.moment(answer.responded_at))
    place = _field(answer.segment)
    return f"{line}, {place}" if place else line


def _links(alert: Alert, words: Words) -> list[_Link]:
    return [
        _Link(link.href, words.link_names.get(link.text) or one_line(link.text, _FIELD) or link.href)
        for link in alert.links
        if _is_openable(link.href)
    ]


def _is_openable(href: str) -> bool:
    """Say whether this is an https address that can stand in a mail; anything else is dropped."""
    if len(href) > _URL or not href.isprintable() or any(c in href for c in " <>\"'`\\"):
        return False
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    # A user name before the host, as in https://bank.example@evil.example, only ever serves to deceive.
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc


def _field(text: str | None) -> str:
    return one_line(text or "", _FIELD)
