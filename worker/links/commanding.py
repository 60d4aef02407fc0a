"""The command that a person gives on the page of a link: the form is checked, and becomes a command."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from schemas.alert_command import CommandAction
from schemas.base import LONGEST_ID
from schemas.case import CaseOutcome
from worker.flow.cases.case import Case
from worker.flow.ids import make_id
from worker.flow.policy import CasePolicy
from worker.flow.text import on_lines, on_one_line
from worker.flow.timestamps import rfc3339
from worker.links.signing import Link

#: The largest numbers of characters of the person's name and of the note.
LONGEST_NAME, LONGEST_NOTE = 80, 2_000
#: How the commands were given.
VIA = "link"


class Problem(StrEnum):
    """What is wrong with a form."""

    NAME_TOO_LONG = "name_too_long"
    NOTE_TOO_LONG = "note_too_long"
    OUTCOME_MISSING = "outcome_missing"
    CAUSE_MISSING = "cause_missing"


class Form(NamedTuple):
    """What a person has filled in. Each field may be empty."""

    name: str = ""
    outcome: str = ""
    cause: str = ""
    note: str = ""


def form_of(fields: Mapping[str, str]) -> Form:
    """Return a form, without control characters, and without blanks around its fields."""
    return Form(
        name=" ".join(on_one_line(fields.get("name", "")).split()),
        outcome=fields.get("outcome", ""),
        cause=fields.get("cause", ""),
        note=on_lines(fields.get("note", "")),
    )


def problems(form: Form, action: CommandAction, policy: CasePolicy) -> list[Problem]:
    """Return what is wrong with a form."""
    found = []
    if len(form.name) > LONGEST_NAME:
        found.append(Problem.NAME_TOO_LONG)
    if len(form.note) > LONGEST_NOTE:
        found.append(Problem.NOTE_TOO_LONG)
    if action is CommandAction.RESOLVE:
        if form.outcome not in {outcome.value for outcome in CaseOutcome}:
            found.append(Problem.OUTCOME_MISSING)
        if form.cause not in policy.causes and (form.cause or policy.cause_required):
            found.append(Problem.CAUSE_MISSING)
    return found


def actor(link: Link, name: str) -> str:
    """Return who acts: the receiver of the message, with the name that the person has given, if there is one.

    Nobody has checked that name.
    """
    return (f"{name} ({link.receiver})" if name else link.receiver)[:LONGEST_ID]


def command_of(link: Link, form: Form, customer_id: str, case: Case, now: int) -> dict[str, Any]:
    """Return the command for a form without problems. `now`: when the person acted, in ms.

    Its id follows from the link and the form. So if a form is sent twice, the second command changes nothing.
    """
    resolves = link.action is CommandAction.RESOLVE
    outcome, cause = (form.outcome, form.cause or None) if resolves else (None, None)
    who = actor(link, form.name)
    return {
        "command_id": make_id("link", *link[:4], case.opening, who, outcome or "", cause or "", form.note),
        "alert_id": link.alert_id,
        "customer_id": customer_id,
        "action": link.action.value,
        "actor": who,
        "at": rfc3339(now).decode(),
        "via": VIA,
        "opening": case.opening,
        "outcome": outcome,
        "cause": cause,
        "note": form.note or None,
    }
