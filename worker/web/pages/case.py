"""One case: what the customer has said, now and before, every step with who and when, and what can be done."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from schemas.alert import Alert
from schemas.case import CaseAction, CaseState, CaseStep
from worker.board.board import Board
from worker.board.case_form import CaseForm, Problem, chosen, form_of, offered
from worker.flow.cases.case import Case
from worker.flow.cases.known import KnownCase
from worker.flow.timestamps import to_ms
from worker.notify.content.language import WORDS
from worker.notify.content.links import call, write_to
from worker.web.gate import Gate
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.pages.case_acting import SAID, carry_out, form_values, lost_note, said
from worker.web.pages.case_list import views
from worker.web.view import NotFound, SeeOther, View
from worker.web.visit import Permission, Visit
from worker.web.words.cases import CASE_WORDS, CaseWords
from worker.web.words.layout import LAYOUT_WORDS

#: The number of other answers that are shown.
_OTHERS = 20


class Step(NamedTuple):
    """Something that has happened."""

    at: int
    when: str
    what: str
    #: Who has done it; empty if nobody has.
    who: str
    #: What was written, or why it has happened.
    text: str


class Other(NamedTuple):
    """Another answer of the customer."""

    when: str
    score: str
    segment: str


def case(visit: Visit, board: Board) -> View | NotFound:
    """Show a case."""
    return _view(visit, board, CaseForm(), [])


async def act(visit: Visit, fields: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | View | NotFound:
    """Do what the form asks for, and show the case again."""
    form = form_of(fields)._replace(alert_id=visit.parts["alert_id"])
    outcome = await carry_out(visit, form, board, gate)
    if outcome is None:
        return NotFound()
    if not isinstance(outcome, str):
        return _view(visit, board, form, outcome)
    if lost := lost_note(form, outcome, CASE_WORDS[visit.language]):
        return _view(visit, board, form, [], lost)
    return SeeOther(address_of(f"/case/{quote(form.alert_id, safe='')}", {SAID: outcome}))


def _view(visit: Visit, board: Board, form: CaseForm, wrong: list[Problem], lost: str = "") -> View | NotFound:
    """Return the page of a case. `lost`: why the note of the form was not added."""
    known = board.cases.find(visit.parts["alert_id"], visit.now)
    if known is None or not visit.person.may_see(known.case.segment):
        return NotFound()
    words, notation, case = CASE_WORDS[visit.language], Notation(visit.language, visit.readers), known.case
    steps = board.alerts.of_alert(case.alert_id)
    # A step of before the case was moved may be about another segment.
    alert = next((one for one in reversed(steps.alerts) if visit.person.may_see(one.segment)), None)
    sees = visit.person.sees_customers
    values = {
        "words": words,
        "notation": notation,
        "case": case,
        "segment": notation.whole_name(case.segment),
        "tree_address": address_of("/", {"segment": case.segment} if case.segment else {}),
        "due": "" if case.next_due is None else notation.brief(case.next_due, visit.now),
        "facts": _facts(known, words, notation, visit),
        "alert": alert,
        "comment": None if alert is None or not sees else alert.comment,
        "hides": not sees,
        "contact": [] if alert is None or not sees else _contact(alert, words, visit),
        "links": []
        if alert is None or not sees
        else [link for link in alert.links if link.href.startswith("https://")],
        "others": _others(known, board, visit, words, notation),
        "steps": _steps(case, steps.alerts, steps.case_steps, words, notation, visit),
        "follow_up": _follow_up(case, words, notation),
        "said": said(visit, words),
        "views": views(visit, ""),
        "may_act": visit.person.may(Permission.ACT),
        "offered": offered(case),
        "chosen": chosen(case),
        **form_values(form, board.cases.policy, words, wrong, lost),
    }
    return View("case.html.j2", values, 422 if wrong else 409 if lost else 200)


def _facts(known: KnownCase, words: CaseWords, notation: Notation, visit: Visit) -> list[tuple[str, str]]:
    """Return what is known of a case, each with its label."""
    case = known.case

    def at(when: int | None, who: str) -> str:
        if when is None:
            return ""
        return words.at.format(when=notation.moment(when), who=who) if who else notation.moment(when)

    hidden = LAYOUT_WORDS[visit.language].hidden
    facts = [
        (words.due, "" if case.next_due is None else notation.moment(case.next_due)),
        (words.owner, case.assignee or case.acknowledged_by or ("" if case.has_ended else words.nobody)),
        (words.customer, known.customer_id if visit.person.sees_customers else hidden),
        (words.answered, notation.moment(case.given)),
        (words.survey, case.survey_id),
        (words.since, notation.moment(case.opened_at)),
        (words.acknowledged_by, at(case.acknowledged_at, case.acknowledged_by)),
        (words.resolved_by, at(case.ended_at, case.resolved_by) if case.outcome is not None else ""),
        (words.outcome, "" if case.outcome is None else words.outcomes[case.outcome]),
        (words.cause, case.cause or ""),
        (words.receiver, ", ".join(case.receivers)),
        (words.service_level, case.service_level),
        (words.number, case.alert_id),
    ]
    return [(label, text) for label, text in facts if text]


def _contact(alert: Alert, words: CaseWords, visit: Visit) -> list[tuple[str, str, str]]:
    """Return what a call-back needs to know: each with its label, and with a link that dials or begins a mail.

    As in the mail, the number of a customer who has not agreed to a call is no link.
    """
    customer, mail, may_call = alert.customer, WORDS[visit.language], alert.consent.callback
    known = [
        (words.name, customer.name, ""),
        (words.phone, customer.phone, call(customer.phone or "") if may_call else ""),
        (mail.callback, mail.callback_yes if may_call else mail.callback_no, ""),
        (words.email, customer.email, write_to(customer.email or "")),
        (words.tier, customer.tier, ""),
        (words.account_owner, customer.owner, ""),
    ]
    return [(label, text, address) for label, text, address in known if text]


def _others(known: KnownCase, board: Board, visit: Visit, words: CaseWords, notation: Notation) -> list[Other]:
    """Return the customer's other answers that the person may see, the newest first."""
    found, seen = list[Other](), {known.case.response_id}
    for answer in board.answers.of_customer(known.customer_id, visit.person.segments):
        if answer.score is None or answer.response_id in seen:
            continue
        seen.add(answer.response_id)
        score = words.score.format(score=answer.score)
        found.append(Other(notation.moment(answer.at), score, notation.whole_name(answer.segment)))
    return found[:_OTHERS]


def _follow_up(case: Case, words: CaseWords, notation: Notation) -> str:
    found = case.follow_up
    return "" if found is None else words.next_answer.format(score=found.score, when=notation.moment(found.at))


def _steps(
    case: Case, alerts: list[Alert], case_steps: list[CaseStep], words: CaseWords, notation: Notation, visit: Visit
) -> list[Step]:
    """Return every step, the newest first. Notes may be about the customer."""

    def step(at: int, what: str, who: str = "", text: str = "") -> Step:
        return Step(at, notation.moment(at), what, who, text)

    found = [step(to_ms(one.occurred_at), words.alert_steps.get(one.action, one.action)) for one in alerts]
    noted = {note.at for note in case.notes}
    for one in case_steps:
        at = to_ms(one.occurred_at)
        if one.action == CaseAction.NOTED and at in noted:
            continue  # the note itself is shown
        found.append(step(at, words.case_steps.get(one.action, one.action), one.actor or "", _details(one, words)))
    hidden = LAYOUT_WORDS[visit.language].hidden
    for note in case.notes:
        text = note.text if visit.person.sees_customers else hidden
        found.append(step(note.at, words.case_steps[CaseAction.NOTED], note.actor, text))
    if not alerts:  # they are older than what the page keeps, and so may steps of the case be
        found.append(step(case.created_at, words.alert_steps["opened"]))
        kept = {one.action for one in case_steps}
        if case.acknowledged_at is not None and CaseAction.ACKNOWLEDGED not in kept:
            what = words.case_steps[CaseAction.ACKNOWLEDGED]
            found.append(step(case.acknowledged_at, what, case.acknowledged_by))
        if case.ended_at is not None and case.outcome is not None and CaseAction.RESOLVED not in kept:
            text = ", ".join(one for one in (words.outcomes[case.outcome], case.cause or "") if one)
            found.append(step(case.ended_at, words.case_steps[CaseAction.RESOLVED], case.resolved_by, text))
        if case.ended_at is not None and case.state is CaseState.WITHDRAWN:
            found.append(step(case.ended_at, words.alert_steps["withdrawn"]))
    return sorted(found, key=lambda one: one.at, reverse=True)


def _details(step: CaseStep, words: CaseWords) -> str:
    """Return what else is known of a step."""
    match step.action:
        case CaseAction.ASSIGNED:
            return words.to_assignee.format(assignee=step.assignee or words.nobody)
        case CaseAction.RESOLVED:
            outcome = "" if step.outcome is None else words.outcomes[step.outcome]
            return ", ".join(text for text in (outcome, step.cause or "") if text)
        case CaseAction.ESCALATED:
            why = words.case_reasons.get(step.reason, "")
            to = words.to_receivers.format(receivers=", ".join(step.escalated_to or []))
            return ", ".join(text for text in (to, why) if text)
        case _:
            return words.case_reasons.get(step.reason, "")
