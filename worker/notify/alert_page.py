"""What an alert's mail says: who is unhappy, why, and whether they may be called. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from schemas.alert import Alert, AlertAction, EarlierAnswer
from worker.notify.language import WORDS, Language, Words, language_of
from worker.notify.page import COLOURS, FIELD, OVER, Page, Row, Section, field, subject
from worker.notify.plain_text import lines, one_line, shortened

_COMMENT = 5_000
_SUBJECT_NAME = 60
_URL = 2_000


@dataclass(frozen=True)
class _Link:
    href: str
    text: str


def alert_page(alert: Alert, default_language: Language) -> Page:
    """Return the page, in the response's language if that is French or English."""
    language = language_of(alert.language, default_language)
    words = WORDS[language]
    comment = lines(alert.comment or "")
    return Page(
        template="alert",
        language=language,
        subject=_subject(alert, words),
        # A step that this version has no words for is, to its readers, news of an alert they know.
        headline=words.headline.get(alert.action, words.headline[AlertAction.UPDATED]),
        why=words.why.get(alert.reason, ""),
        colour=OVER if alert.action == AlertAction.WITHDRAWN else COLOURS[alert.severity],
        sections=[_customer(alert, words), _answer(alert, words)],
        more={
            "score": words.score.format(score=alert.score),
            "severity": words.severities[alert.severity],
            "callback": words.callback_yes if alert.consent.callback else words.callback_no,
            "comment": shortened(comment, _COMMENT),
            "comment_is_cut": len(comment) > _COMMENT,
            "earlier": [_earlier(answer, words) for answer in alert.last_answers],
            "links": _links(alert, words),
        },
    )


def _subject(alert: Alert, words: Words) -> str:
    severity = words.severities[alert.severity].capitalize()
    who = one_line(alert.customer.name or "", _SUBJECT_NAME) or one_line(alert.customer_id, _SUBJECT_NAME)
    wording = words.subject.get(alert.action, words.subject[AlertAction.UPDATED])
    text = wording.format(severity=severity, score=alert.score, who=who)
    place = field(alert.segment)
    return subject(f"{text} ({place})" if place else text)


def _customer(alert: Alert, words: Words) -> Section:
    customer = alert.customer
    needed = [(words.name, customer.name), (words.phone, customer.phone), (words.email, customer.email)]
    if_known = [(words.tier, customer.tier), (words.owner, customer.owner)]
    return Section(
        words.customer,
        [
            *(Row(label, field(value) or words.not_given) for label, value in needed),
            Row(words.customer_id, field(alert.customer_id)),
            *(Row(label, field(value)) for label, value in if_known if field(value)),
        ],
    )


def _answer(alert: Alert, words: Words) -> Section:
    known = [
        (words.answered, words.moment(alert.responded_at)),
        (words.place, alert.segment),
        (words.touchpoint, alert.touchpoint),
        (words.survey, alert.survey_id),
    ]
    return Section(words.answer, [Row(label, field(value)) for label, value in known if field(value)])


def _earlier(answer: EarlierAnswer, words: Words) -> str:
    line = words.earlier_line.format(score=answer.score, when=words.moment(answer.responded_at))
    place = field(answer.segment)
    return f"{line}, {place}" if place else line


def _links(alert: Alert, words: Words) -> list[_Link]:
    return [
        _Link(link.href, words.link_names.get(link.text) or one_line(link.text, FIELD) or link.href)
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
