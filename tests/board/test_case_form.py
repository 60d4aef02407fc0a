"""The form of a case: what is read from it, what is wrong with it, and the command that it becomes."""

from typing import Any

import pytest
from flow.cases.following import opened, resolution

from worker.board.case_form import CaseForm, Problem, chosen, command_of, form_of, offered, problems
from worker.flow.cases.case import Case
from worker.flow.cases.known import KnownCase
from worker.flow.policy import CasePolicy

POLICY = CasePolicy(causes=["delivery"])
STRICT = CasePolicy(causes=["delivery"], cause_required=True)


def a_case() -> Case:
    case = opened().case()
    assert case is not None
    return case


def test_a_form_says_which_case_the_person_has_seen() -> None:
    value = chosen(a_case())

    assert value == "1.1.a-1"
    assert form_of({"case": value, "action": "note", "note": " a\r\nb\x00 "}) == CaseForm(
        "a-1", 1, 1, "note", note="a\nb"
    )
    assert form_of({"do": f"acknowledge:{value}", "action": "resolve", "case": "x"}) == CaseForm(
        "a-1", 1, 1, "acknowledge"
    )
    assert form_of({"case": "2.30.an id.with:all"}) == CaseForm("an id.with:all", 2, 30)
    assert form_of({"assignee": " Anna \n Martin "}).assignee == "Anna Martin"


@pytest.mark.parametrize("value", ["", ".", "..", "x.y.a-1", "-1.1.a-1", "9999999999.1.a-1", "٣.1.a-1"])
def test_what_is_no_case_is_read_as_far_as_possible(value: str) -> None:
    form = form_of({"case": value})

    assert form.opening == 0
    assert form.alert_id in {"", "a-1"}


@pytest.mark.parametrize(
    ("fields", "policy", "wrong"),
    [
        ({"action": "acknowledge"}, POLICY, []),
        ({"action": "reopen"}, POLICY, []),
        ({"action": "reapply"}, POLICY, [Problem.NOTHING_CHOSEN]),
        ({"action": ""}, POLICY, [Problem.NOTHING_CHOSEN]),
        ({"action": "note", "alert_id": ""}, POLICY, [Problem.NOTHING_CHOSEN]),
        ({"action": "note", "note": "x"}, POLICY, []),
        ({"action": "note"}, POLICY, [Problem.NOTE_MISSING]),
        ({"action": "acknowledge", "note": "x" * 2_001}, POLICY, [Problem.NOTE_TOO_LONG]),
        ({"action": "assign", "assignee": "bob"}, POLICY, []),
        ({"action": "assign"}, POLICY, [Problem.ASSIGNEE_MISSING]),
        ({"action": "assign", "assignee": "x" * 201}, POLICY, [Problem.ASSIGNEE_TOO_LONG]),
        ({"action": "resolve", "outcome": "solved"}, POLICY, []),
        ({"action": "resolve", "outcome": "solved", "cause": "delivery"}, STRICT, []),
        ({"action": "resolve", "outcome": "solved"}, STRICT, [Problem.CAUSE_MISSING]),
        ({"action": "resolve", "outcome": "x", "cause": "x"}, POLICY, [Problem.OUTCOME_MISSING, Problem.CAUSE_MISSING]),
    ],
)
def test_what_is_wrong_with_a_form(fields: dict[str, Any], policy: CasePolicy, wrong: list[Problem]) -> None:
    assert wrong == problems(CaseForm(**{"alert_id": "a-1", **fields}), policy)


def test_a_command_has_what_its_action_needs_and_its_id_follows_from_the_form() -> None:
    known = KnownCase("c-1", a_case())
    form = CaseForm("a-1", 1, 1, "resolve", "bob", "solved", "delivery", "a note")
    command = command_of(form, known, "ann")

    assert {**command, "command_id": ""} == {
        "command_id": "",
        "alert_id": "a-1",
        "customer_id": "c-1",
        "action": "resolve",
        "opening": 1,
        "assignee": None,
        "outcome": "solved",
        "cause": "delivery",
        "note": "a note",
    }
    assert command == command_of(form, known, "ann")
    others = [form._replace(note=""), form._replace(step=2), form._replace(outcome="called_back")]
    ids = {command_of(other, known, "ann")["command_id"] for other in others}
    assert len({command["command_id"], command_of(form, known, "bob")["command_id"], *ids}) == 5
    assigned = command_of(form._replace(action="assign", opening=0), known, "ann")
    assert (assigned["assignee"], assigned["outcome"], assigned["cause"], assigned["opening"]) == ("bob", None, None, 1)


def test_only_what_is_legal_in_the_state_of_a_case_is_offered() -> None:
    following = opened()
    assert offered(a_case()) == ["acknowledge", "assign", "note", "resolve"]
    following.say(resolution())
    case = following.case()
    assert case is not None
    assert offered(case) == ["note", "reopen"]
