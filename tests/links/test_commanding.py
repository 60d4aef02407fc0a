"""A form becomes a command that the worker accepts, or the form says what is wrong."""

from typing import Any

import pytest
from flow.cases.following import CUSTOMER, POLICY, opened
from flow.records import NOW
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from schemas.alert_command import CommandAction
from schemas.case import CaseOutcome
from worker.flow.messages import alert_command
from worker.flow.policy import CasePolicy
from worker.links.commanding import LONGEST_NAME, LONGEST_NOTE, Form, Problem, command_of, form_of, problems
from worker.links.signing import ACTIONS, Link

ACKNOWLEDGE, RESOLVE = (Link(action, "a-1", NOW, "Lyon") for action in ACTIONS)


def given_by(link: Link, form: Form, now: int = NOW + 5) -> dict[str, Any]:
    case = opened().case()
    assert case is not None
    return command_of(link, form, CUSTOMER.decode(), case, now)


@given(
    link=st.sampled_from([ACKNOWLEDGE, RESOLVE, ACKNOWLEDGE._replace(receiver="é" * 100)]),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(st.characters(codec="utf-8"), max_size=100),
            "note": st.text(st.characters(codec="utf-8"), max_size=3_000),
            "outcome": st.sampled_from([*CaseOutcome, "", "sold"]),
            "cause": st.sampled_from(["", "price", "weather"]),
            "more": st.just("x"),
        },
    ),
    required=st.booleans(),
)
def test_a_form_without_problems_is_a_command_that_the_worker_accepts(
    link: Link, fields: dict[str, str], required: bool
) -> None:
    policy = CasePolicy(causes=POLICY.causes, cause_required=required)
    form = form_of(fields)
    if problems(form, link.action, policy):
        return
    body = given_by(link, form)
    command = alert_command.read(to_json(body))

    assert (command.action, command.alert_id, command.customer_id) == (link.action, "a-1", "c-1")
    assert (command.opening, command.via) == (1, "link")
    assert command.at is not None
    assert command.actor.endswith(f"({link.receiver})" if form.name else link.receiver)
    answer = opened(policy).say(body)
    assert answer["outcome"] == "applied"


@pytest.mark.parametrize(
    ("action", "form", "required", "expected"),
    [
        (CommandAction.ACKNOWLEDGE, Form(), True, []),
        (CommandAction.ACKNOWLEDGE, Form(name="n" * LONGEST_NAME, note="n" * LONGEST_NOTE), True, []),
        (CommandAction.ACKNOWLEDGE, Form(name="n" * (LONGEST_NAME + 1)), False, [Problem.NAME_TOO_LONG]),
        (CommandAction.ACKNOWLEDGE, Form(note="n" * (LONGEST_NOTE + 1)), False, [Problem.NOTE_TOO_LONG]),
        (CommandAction.RESOLVE, Form(), False, [Problem.OUTCOME_MISSING]),
        (CommandAction.RESOLVE, Form(), True, [Problem.OUTCOME_MISSING, Problem.CAUSE_MISSING]),
        (CommandAction.RESOLVE, Form(outcome="sold", cause="price"), True, [Problem.OUTCOME_MISSING]),
        (CommandAction.RESOLVE, Form(outcome="solved"), False, []),
        (CommandAction.RESOLVE, Form(outcome="solved"), True, [Problem.CAUSE_MISSING]),
        (CommandAction.RESOLVE, Form(outcome="solved", cause="weather"), False, [Problem.CAUSE_MISSING]),
        (CommandAction.RESOLVE, Form(outcome="solved", cause="price"), True, []),
    ],
)
def test_what_is_wrong_with_a_form(action: CommandAction, form: Form, required: bool, expected: list[Problem]) -> None:
    assert problems(form, action, CasePolicy(causes=POLICY.causes, cause_required=required)) == expected


def test_texts_lose_control_characters_and_blanks_around_them() -> None:
    fields = {
        "name": " Anna\x00 \t Roux\r\n",
        "note": "\n one\r\ntwo\x1b[31m \n",
        "outcome": "solved",
        "cause": "price",
    }

    assert form_of(fields) == Form("Anna Roux", "solved", "price", "one\ntwo[31m")
    assert form_of({}) == Form()


def test_an_acknowledgement_has_no_outcome_even_if_the_form_has() -> None:
    body = given_by(ACKNOWLEDGE, Form(outcome="solved", cause="price"))

    assert (body["outcome"], body["cause"]) == (None, None)
    assert body["command_id"] == given_by(ACKNOWLEDGE, Form())["command_id"]


def test_the_actor_is_the_receiver_with_the_name_that_nobody_has_checked() -> None:
    assert given_by(ACKNOWLEDGE, Form())["actor"] == "Lyon"
    assert given_by(ACKNOWLEDGE, Form(name="Anna"))["actor"] == "Anna (Lyon)"


def test_the_same_form_of_a_link_is_the_same_command_and_another_one_is_another() -> None:
    forms = [
        Form(outcome="solved"),
        Form("Anna", "solved"),
        Form(outcome="solved", note="x"),
        Form(outcome="called_back"),
    ]
    ids = [given_by(RESOLVE, form)["command_id"] for form in forms]
    ids += [given_by(link, Form())["command_id"] for link in (ACKNOWLEDGE, ACKNOWLEDGE._replace(at=NOW + 1))]

    assert len(set(ids)) == len(ids)
    assert given_by(RESOLVE, forms[0], NOW + 60_000)["command_id"] == ids[0]
