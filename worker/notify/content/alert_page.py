"""The page of an alert's mail: who is unhappy, why, and whether the customer may be called. Pure."""

from schemas.alert import Alert, AlertAction, AlertReason, EarlierAnswer
from worker.flow.responses.intake import ANONYMOUS
from worker.notify.content.language import WORDS, Words
from worker.notify.content.links import Link, call, openable, write_to
from worker.notify.content.page import COLOURS, FIELD, OVER, Page, Row, Section, field, subject
from worker.notify.content.plain_text import lines, one_line, shortened
from worker.notify.content.readers import Readers

_COMMENT = 5_000
_SUBJECT_NAME = 60


def alert_page(alert: Alert, readers: Readers) -> Page:
    """Return the page, in the readers' language, or else in the response's if that is French or English."""
    language = readers.language_of(alert.language)
    words = WORDS[language]
    comment = lines(alert.comment or "")
    return Page(
        template="alert",
        language=language,
        subject=_subject(alert, words),
        headline=_headline(alert, words),
        why=words.why.get(alert.reason, ""),
        colour=OVER if alert.action == AlertAction.WITHDRAWN else COLOURS[alert.severity],
        sections=[_customer(alert, words), _answer(alert, words, readers)],
        more={
            "score": words.score.format(score=alert.score),
            "severity": words.severities[alert.severity],
            "callback": words.callback_yes if alert.consent.callback else words.callback_no,
            "follow_up": words.follow_up_requested if alert.follow_up_requested else "",
            "unreachable": "" if field(alert.customer.phone) or field(alert.customer.email) else words.unreachable,
            "comment": shortened(comment, _COMMENT),
            "comment_is_cut": len(comment) > _COMMENT,
            "earlier": [_earlier(answer, words, readers) for answer in alert.last_answers],
            "links": links_of(alert, words),
        },
    )


def _subject(alert: Alert, words: Words) -> str:
    severity = words.tags[alert.severity]
    customer_id = words.anonymous if alert.customer_id.startswith(ANONYMOUS) else alert.customer_id
    who = one_line(alert.customer.name or "", _SUBJECT_NAME) or one_line(customer_id, _SUBJECT_NAME)
    # A step with an unknown action counts as an update.
    wording = words.subject.get(alert.action, words.subject[AlertAction.UPDATED])
    if alert.action == AlertAction.WITHDRAWN and alert.reason != AlertReason.NO_LONGER_DETRACTOR:
        wording = words.withdrawn
    step = words.steps.get(alert.reason, words.updated)
    text = wording.format(severity=severity, score=alert.score, who=who, step=step)
    place = field(alert.segment)
    return subject(f"{text} ({place})" if place else text)


def _headline(alert: Alert, words: Words) -> str:
    if alert.action == AlertAction.UPDATED and alert.reason in words.headline_of_step:
        return words.headline_of_step[alert.reason]
    return words.headline.get(alert.action, words.headline[AlertAction.UPDATED])


def _customer(alert: Alert, words: Words) -> Section:
    customer = alert.customer
    phone, email = field(customer.phone), field(customer.email)
    if_known = [(words.tier, customer.tier), (words.owner, customer.owner)]
    return Section(
        words.customer,
        [
            Row(words.name, field(customer.name) or words.not_given),
            Row(words.phone, phone or words.not_given, call(phone) if alert.consent.callback else ""),
            Row(words.email, email or words.not_given, write_to(email)),
            Row(words.customer_id, field(alert.customer_id)),
            *(Row(label, shown) for label, value in if_known if (shown := field(value))),
        ],
    )


def _answer(alert: Alert, words: Words, readers: Readers) -> Section:
    known = [
        (words.answered, readers.moment(words)(alert.responded_at)),
        (words.place, alert.segment),
        (words.touchpoint, alert.touchpoint),
        (words.survey, alert.survey_id),
    ]
    return Section(words.answer, [Row(label, shown) for label, value in known if (shown := field(value))])


def _earlier(answer: EarlierAnswer, words: Words, readers: Readers) -> str:
    line = words.earlier_line.format(score=answer.score, when=readers.moment(words)(answer.responded_at))
    place = field(answer.segment)
    return f"{line}, {place}" if place else line


def links_of(alert: Alert, words: Words) -> list[Link]:
    """Return the links of an alert that can be shown."""
    found = (openable(link.href, words.link_names.get(link.text) or one_line(link.text, FIELD)) for link in alert.links)
    return [link for link in found if link is not None]
