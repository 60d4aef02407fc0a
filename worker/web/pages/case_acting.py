"""What the list of cases and the page of a case share: the form by which somebody acts, and what became of it."""

import asyncio
from typing import Any

from schemas.alert_command import CommandAction
from schemas.case import CaseOutcome
from worker.board.board import Board
from worker.board.case_form import ACTIONS, LONGEST_NOTE, CaseForm, Problem, command_of, problems
from worker.flow.policy import CasePolicy
from worker.web.gate import Gate, Given
from worker.web.visit import Visit
from worker.web.words.cases import CaseWords

#: The parts of an address that say what became of a form, and of which case.
SAID, ABOUT = "said", "about"
#: What follows the outcome if a note was added as well.
_NOTED = "noted"
#: The outcomes after which the note of a form was certainly not added.
_NOT_ADDED = frozenset({"unchanged", "refused", "busy"})
#: How long the page waits until it knows what the worker has done, and how often it looks, in seconds.
_KNOWN_SECONDS, _LOOK_SECONDS = 1.0, 0.02


async def carry_out(visit: Visit, form: CaseForm, board: Board, gate: Gate) -> str | list[Problem] | None:
    """Do what a form asks for. Return what became of it, for an address; or what is wrong with the form.

    Return None if there is no such case, or if the person may not see it.
    """
    wrong = problems(form, board.cases.policy)
    if wrong:
        return wrong
    known = board.cases.find(form.alert_id, visit.now)
    if known is None or not visit.person.may_see(known.case.segment):
        return None
    given = await gate.on_case(visit, command_of(form, known, visit.person.name))
    if given.outcome == "applied":
        await _until_known(board, form.alert_id, known.case.step, visit.now)
    return _word_of(form, given)


async def _until_known(board: Board, alert_id: str, step: int, now: int) -> None:
    """Wait a little until the board has the step, so that the next page shows it."""
    for _ in range(round(_KNOWN_SECONDS / _LOOK_SECONDS)):
        known = board.cases.find(alert_id, now)
        if known is None or known.case.step != step:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _word_of(form: CaseForm, given: Given) -> str:
    """Return what became of a form as a word of an address: the action, the outcome, and the reason."""
    more = _NOTED if given.outcome == "applied" and form.note and form.action != CommandAction.NOTE else given.reason
    return ".".join([form.action, given.outcome, *([more] if more else [])])


def lost_note(form: CaseForm, became: str, words: CaseWords) -> str:
    """Return why the note of a form was not added, if the form has to be shown again for it; otherwise nothing.

    `became`: what became of the form, as a word of an address.
    """
    is_lost = bool(form.note) and became.split(".")[1] in _NOT_ADDED
    return f"{_in_words(became, words)[0]} {words.note_lost}" if is_lost else ""


def said(visit: Visit, words: CaseWords) -> tuple[str, bool]:
    """Return what became of the last form, in words, and whether it was done; empty if there was none."""
    return _in_words(visit.query.get(SAID, ""), words)


def _in_words(became: str, words: CaseWords) -> tuple[str, bool]:
    """Return what became of a form in words, and whether it was done. `became`: as a word of an address."""
    action, outcome, reason = [*became.split(".", 2), "", "", ""][:3]
    if action not in ACTIONS:
        return "", False
    if outcome == "applied":
        noted = f" {words.done[CommandAction.NOTE]}" if reason == _NOTED else ""
        return words.done[action] + noted, True
    if outcome == "unchanged":
        return words.unchanged, True
    if outcome == "refused":
        known = reason if reason.isascii() and reason.replace("_", "").isalnum() else "?"
        return words.reasons.get(reason, words.refused.format(reason=known)), False
    return words.outcomes_of_commands.get(outcome, ""), False


def form_values(
    form: CaseForm, policy: CasePolicy, words: CaseWords, wrong: list[Problem], lost: str = ""
) -> dict[str, Any]:
    """Return what the macro of the form shows. `lost`: why the note was not added."""
    return {
        "form": form,
        "problems": [*(words.problems[problem] for problem in wrong), *([lost] if lost else [])],
        "outcomes": [(outcome.value, words.outcomes[outcome]) for outcome in CaseOutcome],
        "causes": list(policy.causes),
        "cause_required": policy.cause_required,
        "longest_note": LONGEST_NOTE,
    }
