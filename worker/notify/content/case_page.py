"""The page of a step of a case: which case waits, since when, and by when somebody has to act; or who has acted. Pure.

It has no name, no comment and no address of the customer, since the step of a case has none. They are in the text about
the alert, which is in the same thread.
"""

from schemas.case import CaseState, CaseStep
from worker.notify.content.case_words import CASE_WORDS, CaseWords
from worker.notify.content.language import WORDS, Words
from worker.notify.content.page import COLOURS, OVER, Page, Row, Section, field, subject
from worker.notify.content.readers import Readers


def case_page(step: CaseStep, readers: Readers) -> Page:
    """Return the page in the language of the page about the alert, which is in the same thread."""
    language = readers.language_of(step.language)
    shared, words = WORDS[language], CASE_WORDS[language]
    wording = words.news.get(step.reason) or words.news.get(step.action, words.other)
    place = field(step.segment) or words.everything
    return Page(
        template="incident",
        language=language,
        subject=subject(words.subject.format(tag=wording.tag, score=_score(step), place=place)),
        headline=wording.headline,
        why=wording.sentence,
        colour=OVER if step.state == CaseState.RESOLVED else COLOURS[step.severity],
        sections=[_facts(step, shared, words, readers)],
        more={
            "label": f"{shared.severity}{shared.colon}{shared.severities[step.severity]}",
            "explained": "",
            "hint": wording.hint,
        },
    )


def _score(step: CaseStep) -> str:
    return "–" if step.score is None else str(step.score)


def _facts(step: CaseStep, shared: Words, words: CaseWords, readers: Readers) -> Section:
    moment = readers.moment(shared)
    known = [
        (words.actor, step.actor),
        (words.outcome, None if step.outcome is None else words.outcomes[step.outcome]),
        (words.cause, step.cause),
        (words.due, None if step.due_at is None else moment(step.due_at)),
        (words.opened, moment(step.opened_at)),
        (words.acknowledged, None if step.acknowledged_at is None else moment(step.acknowledged_at)),
        (words.assignee, step.assignee),
        (shared.place, step.segment),
        (shared.score_label, None if step.score is None else shared.score.format(score=step.score)),
        (shared.customer_id, step.customer_id),
        (words.response, step.response_id),
        (words.level, step.service_level),
        (words.step, None if step.escalation_step is None else str(step.escalation_step)),
    ]
    return Section(words.section, [Row(label, shown) for label, value in known if (shown := field(value))])
