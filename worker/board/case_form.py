"""What a person wants to do with a case: the form is checked, and becomes a command."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from schemas.alert_command import CommandAction
from schemas.base import LONGEST_ID
from schemas.case import CaseOutcome, CaseState
from worker.flow.cases.case import STEPS, Case
from worker.flow.cases.known import KnownCase
from worker.flow.ids import make_id
from worker.flow.policy import CasePolicy
from worker.flow.text import on_lines, on_one_line

#: The largest number of characters of a note.
LONGEST_NOTE = 2_000
#: What a person can do on the page, in the order in which it is offered.
ACTIONS = (
    CommandAction.ACKNOWLEDGE,
    CommandAction.ASSIGN,
    CommandAction.NOTE,
    CommandAction.RESOLVE,
    CommandAction.REOPEN,
)


class Problem(StrEnum):
    """What is wrong with a form."""

    NOTHING_CHOSEN = "nothing_chosen"
    NOTE_MISSING = "note_missing"
    NOTE_TOO_LONG = "note_too_long"
    ASSIGNEE_MISSING = "assignee_missing"
    ASSIGNEE_TOO_LONG = "assignee_too_long"
    OUTCOME_MISSING = "outcome_missing"
    CAUSE_MISSING = "cause_missing"


class CaseForm(NamedTuple):
    """What a person has filled in. Each field may be empty."""

    #: The id of the alert, and the opening and the step of its case that the person has seen.
    alert_id: str = ""
    opening: int = 0
    step: int = 0
    #: One of ACTIONS.
    action: str = ""
    assignee: str = ""
    outcome: str = ""
    cause: str = ""
    note: str = ""


def chosen(case: Case) -> str:
    """Return what a form sends back for a case: its alert, its opening and its step."""
    return f"{case.opening}.{case.step}.{case.alert_id}"


def form_of(fields: Mapping[str, str]) -> CaseForm:
    """Return a form, without control characters, and without blanks around its fields.

    `case` is what `chosen` has made, `action` is one of ACTIONS. A button of a list says both in the field `do`.
    """
    action, case = fields.get("action", ""), fields.get("case", "")
    if "do" in fields:
        action, _, case = fields["do"].partition(":")
    opening, step, alert_id = [*case.split(".", 2), "", ""][:3]
    return CaseForm(
        alert_id=alert_id,
        opening=_number(opening),
        step=_number(step),
        action=action,
        assignee=" ".join(on_one_line(fields.get("assignee", "")).split()),
        outcome=fields.get("outcome", ""),
        cause=fields.get("cause", ""),
        note=on_lines(fields.get("note", "")),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def offered(case: Case) -> list[CommandAction]:
    """Return what can be done with a case in its state."""
    return [action for action in ACTIONS if isinstance(STEPS[case.state][action], CaseState)]


def problems(form: CaseForm, policy: CasePolicy) -> list[Problem]:
    """Return what is wrong with a form."""
    found = []
    if form.action not in ACTIONS or not form.alert_id:
        return [Problem.NOTHING_CHOSEN]
    if form.action == CommandAction.NOTE and not form.note:
        found.append(Problem.NOTE_MISSING)
    if len(form.note) > LONGEST_NOTE:
        found.append(Problem.NOTE_TOO_LONG)
    if form.action == CommandAction.ASSIGN and not form.assignee:
        found.append(Problem.ASSIGNEE_MISSING)
    if len(form.assignee) > LONGEST_ID:
        found.append(Problem.ASSIGNEE_TOO_LONG)
    if form.action == CommandAction.RESOLVE:
        if form.outcome not in {outcome.value for outcome in CaseOutcome}:
            found.append(Problem.OUTCOME_MISSING)
        if form.cause not in policy.causes and (form.cause or policy.cause_required):
            found.append(Problem.CAUSE_MISSING)
    return found


def command_of(form: CaseForm, known: KnownCase, name: str) -> dict[str, Any]:
    """Return the command for a form without problems. `name`: of the person.

    Its id follows from the form and from what the person has seen. So if a form is sent twice, the second command
    changes nothing.
    """
    resolves, assigns = form.action == CommandAction.RESOLVE, form.action == CommandAction.ASSIGN
    assignee = form.assignee if assigns else None
    outcome, cause = (form.outcome, form.cause or None) if resolves else (None, None)
    seen = form.alert_id, form.opening, form.step
    return {
        "command_id": make_id("page", *seen, form.action, name, assignee or "", outcome or "", cause or "", form.note),
        "alert_id": form.alert_id,
        "customer_id": known.customer_id,
        "action": form.action,
        "opening": form.opening or known.case.opening,
        "assignee": assignee,
        "outcome": outcome,
        "cause": cause,
        "note": form.note or None,
    }
