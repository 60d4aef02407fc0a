"""The life of a case: what each command does in each state, and why it may be refused."""

from itertools import product
from typing import Any

import pytest
from flow.cases.following import Following, answers, command, opened, record, resolution, step, told
from flow.records import NOW

from schemas.alert_command import CommandAction
from schemas.case import CaseState
from schemas.dead_letter import Reason
from worker.flow.cases import case
from worker.flow.cases.service import ServiceLevels
from worker.flow.policy import CasePolicy
from worker.routing.service_level import ServiceLevel

#: Commands that lead to a state, from an open case.
WAYS: dict[str, list[dict[str, Any]]] = {
    "open": [],
    "acknowledged": [command(command_id="w-1", actor="zoe")],
    "resolved": [resolution(command_id="w-1", actor="zoe")],
}
#: A command of each action, whose actor is not the one of WAYS.
EACH = {
    "acknowledge": command(),
    "assign": command(action="assign", assignee="bob"),
    "note": command(action="note", note="I call back tomorrow."),
    "resolve": resolution(command_id="k-1"),
    "reopen": command(action="reopen"),
    "reapply": command(action="reapply", service_level="slow"),
}
#: By state and action: the state after the command, or the reason for which it is refused.
EXPECTED = {
    ("open", "acknowledge"): "acknowledged",
    ("open", "assign"): "open",
    ("open", "note"): "open",
    ("open", "resolve"): "resolved",
    ("open", "reopen"): Reason.CASE_OPEN,
    ("open", "reapply"): "open",
    ("acknowledged", "acknowledge"): Reason.ACKNOWLEDGED_BY_ANOTHER,
    ("acknowledged", "assign"): "acknowledged",
    ("acknowledged", "note"): "acknowledged",
    ("acknowledged", "resolve"): "resolved",
    ("acknowledged", "reopen"): Reason.CASE_OPEN,
    ("acknowledged", "reapply"): "acknowledged",
    ("resolved", "acknowledge"): Reason.CASE_RESOLVED,
    ("resolved", "assign"): Reason.CASE_RESOLVED,
    ("resolved", "note"): "resolved",
    ("resolved", "resolve"): Reason.CASE_RESOLVED,
    ("resolved", "reopen"): "open",
    ("resolved", "reapply"): Reason.CASE_RESOLVED,
    ("withdrawn", "acknowledge"): Reason.CASE_WITHDRAWN,
    ("withdrawn", "assign"): Reason.CASE_WITHDRAWN,
    ("withdrawn", "note"): "withdrawn",
    ("withdrawn", "resolve"): Reason.CASE_WITHDRAWN,
    ("withdrawn", "reopen"): "open",
    ("withdrawn", "reapply"): Reason.CASE_WITHDRAWN,
}


def in_state(state: str) -> Following:
    following = opened()
    following.service = ServiceLevels({"slow": ServiceLevel(resolve_within_hours=8)})
    if state == "withdrawn":
        following.take(record(step(1, action="withdrawn")))
    else:
        for body in WAYS[state]:
            following.say(body)
    found = following.case()
    assert found is not None
    assert found.state == state
    return following


def test_each_state_says_what_each_command_does() -> None:
    assert EXPECTED.keys() == set(product(CaseState, CommandAction))
    assert set(case.STEPS) == set(CaseState)
    assert all(set(actions) == set(CommandAction) for actions in case.STEPS.values())


@pytest.mark.parametrize(("state", "action"), EXPECTED, ids=" ".join)
def test_a_command_is_carried_out_or_refused_with_its_reason(state: str, action: str) -> None:
    following, expected = in_state(state), EXPECTED[state, action]
    before = following.case()
    assert before is not None
    answer = following.say(EACH[action])
    after = following.case()
    assert after is not None

    if isinstance(expected, Reason):
        assert (answer["outcome"], answer["reason"]) == ("refused", expected)
        assert answer["detail"]
        assert (answer["state"], answer["step"]) == (before.state, before.step)
        assert (after.state, after.step) == (before.state, before.step)
    else:
        assert (answer["outcome"], answer["reason"], answer["detail"]) == ("applied", None, "")
        assert (answer["state"], answer["step"]) == (expected, before.step + 1)
        assert (after.state, after.step) == (expected, before.step + 1)


@pytest.mark.parametrize(
    ("state", "again"),
    [
        ("acknowledged", command(actor="zoe")),
        ("resolved", resolution(command_id="k-1", actor="zoe")),
    ],
)
def test_the_same_by_the_same_actor_changes_nothing(state: str, again: dict[str, Any]) -> None:
    following = in_state(state)
    before = len(told(following.sent))

    assert following.say(again)["outcome"] == "unchanged"
    assert len(told(following.sent)) == before


def test_to_assign_a_case_to_the_same_person_again_changes_nothing() -> None:
    following = opened()

    assert following.say(command(action="assign", assignee="bob"))["outcome"] == "applied"
    assert following.say(command(command_id="k-2", action="assign", assignee="bob"))["outcome"] == "unchanged"
    assert following.say(command(command_id="k-3", action="assign", assignee="eve"))["outcome"] == "applied"


def test_another_outcome_of_a_resolved_case_is_refused() -> None:
    following = in_state("resolved")

    assert following.say(resolution(actor="zoe", outcome="not_justified"))["reason"] == "case_resolved"


@pytest.mark.parametrize(
    ("required", "cause", "reason"),
    [
        (False, None, None),
        (False, "price", None),
        (False, "weather", "cause_unknown"),
        (True, None, "cause_missing"),
        (True, "price", None),
        (True, "weather", "cause_unknown"),
    ],
)
def test_the_settings_say_which_causes_there_are_and_whether_one_is_needed(
    required: bool, cause: str | None, reason: str | None
) -> None:
    following = opened(CasePolicy(causes=["price"], cause_required=required))

    assert following.say(resolution(cause=cause))["reason"] == reason


def test_a_command_of_somebody_who_has_not_seen_that_the_case_was_reopened_is_refused() -> None:
    following = in_state("resolved")
    following.say(command(command_id="k-3", action="reopen", opening=1))
    answer = following.say(command(command_id="k-4", opening=1))

    assert (answer["reason"], answer["opening"]) == ("case_reopened", 2)
    assert following.say(command(command_id="k-5", opening=2))["outcome"] == "applied"


def test_a_command_that_comes_again_changes_nothing_and_gets_the_same_answer() -> None:
    following = opened()
    first = following.say(command())
    following.say(resolution())
    following.say(command(command_id="k-3", action="reopen"))

    assert following.say(command(), at=NOW + 1) == {**first, "decided_at": "2023-11-14T22:13:20.001000Z"}
    found = following.case()
    assert found is not None
    assert found.state == "open"


def test_so_does_one_that_was_refused_although_it_would_be_legal_by_now() -> None:
    following = in_state("resolved")
    first = following.say(command())
    following.say(command(command_id="k-2", action="reopen"))

    assert first == following.say(command())


def test_a_case_remembers_the_newest_commands_only() -> None:
    following = opened()
    for number in range(case.COMMANDS_KEPT + 1):
        following.say(command(command_id=f"n-{number}", action="note", note="again"))
    found = following.case()
    assert found is not None
    assert len(found.commands) == case.COMMANDS_KEPT
    steps = found.step

    assert following.say(command(command_id="n-1", action="note", note="again"))["step"] < steps
    assert following.say(command(command_id="n-0", action="note", note="again"))["step"] == steps + 1


def test_a_reopened_case_begins_again_and_keeps_its_notes_and_its_assignee() -> None:
    following = opened()
    following.say(command(action="assign", assignee="bob", note="he knows her"))
    following.say(command(command_id="k-2"), at=NOW + 10)
    following.say(resolution(command_id="k-3"), at=NOW + 20)
    following.say(command(command_id="k-4", action="reopen"), at=NOW + 30)
    found = following.case()
    assert found is not None

    assert (found.state, found.opening, found.opened_at) == ("open", 2, NOW + 30)
    assert (found.acknowledged_at, found.ended_at, found.outcome, found.cause) == (None, None, None, None)
    assert (found.assignee, [note.text for note in found.notes]) == ("bob", ["he knows her"])
    assert following.say(command(command_id="k-5"))["outcome"] == "applied"


def test_only_the_newest_notes_are_kept_without_control_characters() -> None:
    following = opened(CasePolicy(notes=2))
    for number in range(3):
        following.say(command(command_id=f"n-{number}", action="note", note=f"note\x1b[31m {number}"))
    found = following.case()
    assert found is not None

    assert [(note.actor, note.text) for note in found.notes] == [("ann", "note[31m 1"), ("ann", "note[31m 2")]


def test_without_notes_in_the_settings_none_is_kept() -> None:
    following = opened(CasePolicy(notes=0))
    following.say(command(action="note", note="by phone"))
    found = following.case()
    assert found is not None

    assert found.notes == []
    assert [event["action"] for event in told(following.sent)] == ["noted"]


def test_a_customer_has_at_most_so_many_cases_and_those_that_ended_are_forgotten_first() -> None:
    following = Following(CasePolicy(most_per_customer=3))
    for number in range(3):
        following.take(record(step(number, alert_id=f"a-{number}", at=NOW + number)))
    following.say(resolution(alert_id="a-1", cause=None))
    following.take(record(step(3, alert_id="a-3", at=NOW + 3)))
    assert [following.case(f"a-{number}") is not None for number in range(4)] == [True, False, True, True]

    following.take(record(step(4, alert_id="a-4", at=NOW + 4)))
    assert [following.case(f"a-{number}") is not None for number in range(5)] == [False, False, True, True, True]


def test_a_row_stays_within_its_size_however_much_is_written() -> None:
    following = Following(CasePolicy(most_per_customer=20, notes=100))
    for number in range(20):
        following.take(record(step(number, alert_id=f"a-{number}", at=NOW + number)))
    for number in range(400):
        body = command(command_id=f"n-{number}", alert_id=f"a-{number % 20}", action="note", note="é" * 4_000)
        following.say(body, at=NOW + 1_000 + number)
    (row,) = following.rows.values()
    assert len(row) <= case.MOST_BYTES
    found = case.decode_cases(row)

    assert len(found.cases) == 20
    assert 40 < sum(len(one.notes) for one in found.cases) < 400
    assert {answer["outcome"] for answer in answers(following.sent)} == {"applied"}


def test_cases_are_forgotten_if_they_are_too_large_without_notes() -> None:
    following, long = Following(CasePolicy(most_per_customer=1_000)), "é" * 200
    for number in range(1_000):
        body = step(number, alert_id=f"{number:03}{long}"[:200], response_id=long, survey_id=long, segment=8 * long)
        following.take(record(body))
    (row,) = following.rows.values()

    assert len(row) <= case.MOST_BYTES
    assert 50 < len(case.decode_cases(row).cases) < 1_000


def test_a_single_case_gives_up_its_oldest_notes() -> None:
    following = opened(CasePolicy(notes=100))
    for number in range(100):
        body = command(command_id=f"n-{number}", action="note", note=f"{number} " + "é" * 3_990)
        assert following.say(body)["outcome"] == "applied"
    found = following.case()
    assert found is not None

    assert found.notes[-1].text.startswith("99 ")
    assert 50 < len(found.notes) < 100
