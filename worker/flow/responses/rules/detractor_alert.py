"""Each detractor's response opens one alert. A correction updates it, or withdraws it if the score is no longer low."""

from operator import attrgetter

from schemas.alert import Alert, AlertAction, AlertReason, EarlierAnswer, Link, Severity
from schemas.decision import Category
from schemas.emitted import emitted
from schemas.response import Consent, Customer
from worker.flow import events
from worker.flow.ids import make_id
from worker.flow.responses.content import COMMENT, CONSENT, Content
from worker.flow.responses.customer import Answer
from worker.flow.responses.facts import Facts, Ruling, nothing, rule_decision
from worker.flow.responses.plain import PlainConsent, PlainCustomer
from worker.flow.text import clean, field, https_link, language
from worker.flow.timestamps import from_ms
from worker.lineage import SEPARATOR

RULE = "detractor_alert"

_Alert, _Customer, _Consent = emitted(Alert), emitted(Customer), emitted(Consent)
_EarlierAnswer, _Link = emitted(EarlierAnswer), emitted(Link)

_LADDER = (Severity.WARNING, Severity.ERROR, Severity.CRITICAL)
#: The severity by score: 0-2 critical, 3-4 error, 5-6 warning.
_BY_SCORE = (*[Severity.CRITICAL] * 3, *[Severity.ERROR] * 2, *[Severity.WARNING] * 6)
#: The survey of an alert that is made of a row without one; earlier versions did not keep it.
UNKNOWN_SURVEY = "unknown"
_NOBODY = _Customer()
_NO_CONSENT = _Consent()
_LONGEST_COMMENT = 10_000
_EARLIER_ANSWERS = 5


def detractor_alert(facts: Facts) -> Ruling:
    """Open, update or withdraw the alert of this response."""
    previous = facts.previous
    is_open = previous is not None and previous.has_alert
    is_unhappy = facts.category is Category.DETRACTOR and not facts.response.test
    if is_unhappy and is_open:
        assert previous is not None
        return _ruling(facts, AlertAction.UPDATED, _changed(previous.content, facts.content))
    if is_unhappy and (reason := _why_not(facts)) is not None:
        return nothing(RULE, reason)
    if is_unhappy:
        return _ruling(facts, AlertAction.OPENED, AlertReason.DETRACTOR)
    if is_open:
        return _ruling(facts, AlertAction.WITHDRAWN, AlertReason.NO_LONGER_DETRACTOR)
    return nothing(RULE, "test" if facts.response.test else "not_detractor")


def withdrawal(answer: Answer, customer_id: str, reason: AlertReason, now: int) -> Ruling:
    """Withdraw the alert about an answer of which only the customer's row is known; `now`: in ms."""
    return _from_row(answer, customer_id, AlertAction.WITHDRAWN, reason, now)


def opening(answer: Answer, customer_id: str, now: int) -> Ruling:
    """Open an alert about an answer of which only the customer's row is known; `now`: in ms."""
    return _from_row(answer, customer_id, AlertAction.OPENED, AlertReason.DETRACTOR, now)


def _from_row(answer: Answer, customer_id: str, action: AlertAction, reason: AlertReason, now: int) -> Ruling:
    identity = answer.identity(customer_id)
    event = _Alert(
        alert_id=make_id(RULE, *identity),
        kind="detractor",
        action=action,
        reason=reason,
        severity=severity(answer.score, None, []),
        summary=_summary(answer.score, answer.segment),
        occurred_at=from_ms(now),
        response_id=answer.response_id,
        revision=answer.revision,
        survey_id=answer.survey_id or UNKNOWN_SURVEY,
        score=answer.score,
        responded_at=from_ms(answer.at),
        segment=answer.segment,
        touchpoint=answer.segment.rpartition(SEPARATOR)[2],
        customer_id=customer_id,
        customer=_NOBODY,
        consent=_NO_CONSENT,
    )
    # Other steps of the same revision have another time. It is the record's, so a replay makes the same id.
    event_id = make_id(RULE, *identity, answer.revision, reason, now)
    return Ruling(rule_decision(RULE, f"alert_{action}", reason), events.ALERT, event, event_id)


def _why_not(facts: Facts) -> str | None:
    """Return why a detractor's response opens no alert; None if it does."""
    if facts.exclusion is not None:
        return facts.exclusion
    if facts.response.history:
        return "history"
    if facts.is_old:
        return "too_old"
    return "alert_open" if facts.has_alert_in_burst else None


def _changed(previous: Content | None, now: Content) -> AlertReason:
    """Return the reason of an update. If several are true, the one that matters most to a person who calls is taken."""
    if previous is None:
        return AlertReason.CORRECTED
    if previous.comment_checksum != now.comment_checksum:
        return AlertReason.COMMENT_CHANGED if previous.flags & COMMENT else AlertReason.COMMENT_ADDED
    if (previous.flags ^ now.flags) & CONSENT:
        return AlertReason.CONSENT_CHANGED
    return AlertReason.CORRECTED


def severity(score: int, tier: str | None, priority_tiers: list[str]) -> Severity:
    """Return the severity of a score. It is one step higher for a customer of a priority tier."""
    step = _BY_SCORE[score]
    if tier is not None and tier in priority_tiers:
        step = _LADDER[min(_LADDER.index(step) + 1, len(_LADDER) - 1)]
    return step


def _ruling(facts: Facts, action: AlertAction, reason: AlertReason) -> Ruling:
    response = facts.response
    event = _Alert(
        alert_id=make_id(RULE, *facts.identity),
        kind="detractor",
        action=action,
        reason=reason,
        severity=severity(response.score, response.customer.tier, facts.policy.alerts.priority_tiers),
        summary=_summary(response.score, facts.segment),
        occurred_at=from_ms(facts.now),
        response_id=response.response_id,
        revision=response.revision,
        survey_id=response.survey_id,
        score=response.score,
        responded_at=response.responded_at,
        comment=None if response.comment is None else clean(response.comment)[:_LONGEST_COMMENT],
        language=language(response.language),
        segment=facts.segment,
        touchpoint=facts.segment.rpartition(SEPARATOR)[2],
        customer_id=response.customer_id,
        customer=_presentable(response.customer),
        consent=_emitted_consent(response.consent),
        follow_up_requested=response.follow_up_requested,
        last_answers=_earlier(facts),
        links=_links(response.origin.permalink),
    )
    event_id = make_id(RULE, *facts.step)
    return Ruling(rule_decision(RULE, f"alert_{action}", reason), events.ALERT, event, event_id)


def _summary(score: int, segment: str) -> str:
    return f"Score {score} at {segment or 'the root segment'}"


def _presentable(customer: PlainCustomer) -> Customer:
    return _Customer(
        name=field(customer.name),
        email=field(customer.email),
        phone=field(customer.phone),
        tier=field(customer.tier),
        owner=field(customer.owner),
    )


def _emitted_consent(consent: PlainConsent) -> Consent:
    return _Consent(callback=consent.callback, public_review=consent.public_review, marketing=consent.marketing)


def _earlier(facts: Facts) -> list[EarlierAnswer]:
    others = [a for a in facts.contact.answers if a.counted and a.response_id != facts.response.response_id]
    others.sort(key=attrgetter("at"), reverse=True)
    return [
        _EarlierAnswer(score=answer.score, responded_at=from_ms(answer.at), segment=answer.segment)
        for answer in others[:_EARLIER_ANSWERS]
    ]


def _links(permalink: str | None) -> list[Link]:
    link = https_link(permalink)
    return [] if link is None else [_Link(href=link, text="answer")]
