"""The latest answers with what was decided about each: why somebody was told, or why nobody was."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.decision import Category, Outcome
from worker.board.answers import ALERT_RULE, Answer, AnswerQuery, Verdict
from worker.board.board import Board
from worker.flow.ids import make_id
from worker.lineage import canonical_path
from worker.web.gate import Gate
from worker.web.notation import Notation
from worker.web.pages.why import AFTER, Choice, cursor_values, shown_id, why_values
from worker.web.view import NotFound, SeeOther, View
from worker.web.visit import Visit
from worker.web.words.answers import ANSWER_WORDS, AnswerWords

#: The largest number of answers that a search shows.
_MOST_FOUND = 50
_ADDRESS = "/answers"
_UNTOLD = "untold"
#: The part of the query that has the id of one decision.
DECISION = "decision"


class Row(NamedTuple):
    """An answer as the page shows it."""

    when: str
    segment: str
    score: str
    category: str
    customer: str
    response: str
    outcome: str
    #: Whether the outcome is worth a word, as the answer does not simply count.
    is_unusual: bool
    told: bool
    #: The most important sentence, and all of them, each with the name of its rule.
    sentence: str
    sentences: Sequence[tuple[str, str]]
    #: The address of the case; empty if there is none.
    case: str


def answers(visit: Visit, board: Board) -> View | NotFound:
    """Return the latest answers."""
    if (decision_id := visit.query.get(DECISION, "")) != "":
        found = board.answers.of_decision(decision_id, visit.person.segments)
        return _view(visit, board, found, "", None, of_decision=True)
    if visit.is_search and visit.person.sees_customers:
        text, visible = visit.searched, visit.person.segments
        found = board.answers.of_customer(text, visible) or board.answers.of_response(text, visible) if text else []
        return _view(visit, board, found[:_MOST_FOUND], "", None, text)
    segment = canonical_path(visit.query.get("segment", ""))
    if segment and not visit.person.may_see(segment):
        return NotFound()
    query = AnswerQuery(
        segment=segment,
        category=visit.query.get("category", ""),
        outcome=visit.query.get("outcome", ""),
        untold=visit.query.get("told", "") == _UNTOLD,
        visible=visit.person.segments,
        after=visit.query.get(AFTER, ""),
    )
    page = board.answers.latest(query)
    return _view(visit, board, page.entries, segment, cursor_values(visit, page.total, page.next))


async def find_answers(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | NotFound:
    """Search for the answers of a customer, or those with the number of an answer, which the address does not have."""
    del board, gate
    return SeeOther(_ADDRESS, form.get("text", "").strip()) if visit.person.sees_customers else NotFound()


def _view(
    visit: Visit,
    board: Board,
    found: Sequence[Answer],
    segment: str,
    cursor: Mapping[str, str] | None,
    searched: str | None = None,
    *,
    of_decision: bool = False,
) -> View:
    words, notation = ANSWER_WORDS[visit.language], Notation(visit.language, visit.readers)
    oldest = board.answers.since()
    return View(
        "answers.html.j2",
        {
            **why_values(visit, _ADDRESS),
            "words": words,
            "rows": [_row(one, visit, board, words, notation) for one in found],
            "segment": segment,
            "filters": _filters(visit, words),
            "cursor": cursor,
            "searched": searched,
            "of_decision": of_decision,
            # A number of all answers is only for people who may see all of them.
            "kept": ""
            if oldest is None or not visit.person.sees_all
            else words.kept.format(n=notation.count(len(board.answers)), since=notation.moment(oldest)),
        },
    )


def _filters(visit: Visit, words: AnswerWords) -> list[Choice]:
    query = visit.query
    categories = [("", words.every_category), *((one.value, words.categories[one]) for one in Category)]
    outcomes = [("", words.every_outcome), *((one.value, words.outcomes[one]) for one in Outcome)]
    told = [("", words.everything), (_UNTOLD, words.untold)]
    return [
        Choice("told", words.told, told, query.get("told", "")),
        Choice("category", words.category, categories, query.get("category", "")),
        Choice("outcome", words.outcome, outcomes, query.get("outcome", "")),
    ]


def _row(answer: Answer, visit: Visit, board: Board, words: AnswerWords, notation: Notation) -> Row:
    sentences = [(words.rules.get(one.rule, one.rule), _sentence(one, words, notation)) for one in answer.verdicts]
    outcome = words.outcome_sentences.get(answer.outcome, answer.outcome)
    about_alert = [_sentence(one, words, notation) for one in answer.verdicts if one.rule == ALERT_RULE]
    alert_id = make_id(ALERT_RULE, answer.customer_id, answer.response_id) if answer.response_id else ""
    known = board.cases.find(alert_id, visit.now) if alert_id else None
    has_case = known is not None and visit.person.may_see(known.case.segment)
    return Row(
        notation.brief(answer.at, visit.now),
        notation.whole_name(answer.segment) if answer.category else "",
        "" if answer.score is None else words.score_of.format(score=answer.score),
        words.categories.get(answer.category, answer.category),
        shown_id(visit, answer.customer_id),
        shown_id(visit, answer.response_id),
        words.outcomes.get(answer.outcome, answer.outcome),
        answer.outcome != Outcome.ACCEPTED,
        answer.told,
        about_alert[0] if about_alert else outcome,
        [(words.outcome, outcome), *sentences],
        f"/case/{alert_id}" if has_case else "",
    )


def _sentence(verdict: Verdict, words: AnswerWords, notation: Notation) -> str:
    """Return what a rule has decided, and why."""
    text = words.sentences.get((verdict.rule, verdict.verdict, verdict.reason))
    if text is None:
        rule = words.rules.get(verdict.rule, verdict.rule)
        text = words.other.format(rule=rule, verdict=verdict.verdict, reason=verdict.reason)
    figures = [
        words.figures[name].format(n=notation.amount(value).removesuffix(".0").removesuffix(",0"))
        for name, value in verdict.figures
        if name in words.figures
    ]
    return f"{text} ({', '.join(figures)})" if figures else text
