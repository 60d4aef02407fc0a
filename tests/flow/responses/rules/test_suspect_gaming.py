"""Which answers are marked as asked for by the person who is judged."""

from typing import Any

import pytest
from flow.records import facts, value

from schemas.decision import RuleDecision
from schemas.emitted import to_json
from worker.flow.policy import Policy, SolicitationPolicy
from worker.flow.responses.facts import NONE, Ruling
from worker.flow.responses.rules.suspect_gaming import suspect_gaming

ANSWERED = "2023-11-14T22:00:00Z"
JUST_BEFORE, LONG_BEFORE = "2023-11-14T21:48:00Z", "2023-11-14T20:59:59Z"


def ruling(policy: Policy | None = None, *, asked_by: str | None, contact_at: str | None, **changes: Any) -> Ruling:
    solicitation = {"asked_by": asked_by, "contact_at": contact_at}
    given = value(responded_at=ANSWERED, solicitation=solicitation, segment=["fr", "lyon", "delivery"], **changes)
    return suspect_gaming(facts(given, policy=policy))


@pytest.mark.parametrize("asked_by", ["jo", "lyon", "delivery"])
def test_an_answer_that_its_owner_or_its_desk_asked_for_right_after_a_contact_is_marked(asked_by: str) -> None:
    found = ruling(asked_by=asked_by, contact_at=JUST_BEFORE, customer={"owner": "jo"}).decision

    assert RuleDecision.model_validate_json(to_json(found)) == RuleDecision(
        rule="suspect_gaming",
        verdict="marked",
        reason="asked_by_whom_it_judges",
        figures={"minutes_after_contact": 12.0},
    )


@pytest.mark.parametrize(
    ("asked_by", "contact_at", "reason"),
    [
        (None, JUST_BEFORE, "nobody_asked"),
        ("the survey team", JUST_BEFORE, "another_asked"),
        ("lyo", JUST_BEFORE, "another_asked"),
        ("jo", None, "no_contact"),
        ("jo", LONG_BEFORE, "not_right_after"),
        ("jo", "2023-11-14T22:00:01Z", "not_right_after"),
    ],
)
def test_others_are_not_and_it_says_why(asked_by: str | None, contact_at: str | None, reason: str) -> None:
    found = ruling(asked_by=asked_by, contact_at=contact_at, customer={"owner": "jo"})

    assert (NONE, reason, None, None) == (
        found.decision.verdict,
        found.decision.reason,
        found.decision.figures,
        found.event,
    )


def test_how_soon_is_a_setting() -> None:
    policy = Policy(solicitation=SolicitationPolicy(right_after_minutes=10))

    assert ruling(policy, asked_by="lyon", contact_at=JUST_BEFORE).decision.reason == "not_right_after"


def test_a_customer_without_an_owner_matches_nobody() -> None:
    assert ruling(asked_by="jo", contact_at=JUST_BEFORE, customer={}).decision.reason == "another_asked"
