"""Answers that no person gave: scanners that open every link, double clicks; and what is none of that."""

from typing import Any

import pytest
from flow.carrying import Partition, numbered
from flow.records import DAY, NOW, POLICY, Record, of, value
from flow.responses.test_road import counted

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.policy import BurstPolicy, Policy
from worker.flow.timestamps import from_ms


def answered(number: int, after: int, **changes: Any) -> bytes:
    """Return an answer that was given so many milliseconds after a moment."""
    at = from_ms(NOW - DAY + after).isoformat(timespec="milliseconds")
    return value(**({"response_id": f"r-{number}", "responded_at": at} | changes))


def carried(*values: bytes, policy: Policy = POLICY) -> list[Output]:
    return Partition(policy=policy).carry(numbered([Record(value) for value in values]))


def steps(outputs: list[Output]) -> list[tuple[str, str, str]]:
    return [(alert["response_id"], alert["action"], alert["reason"]) for alert in of(events.ALERTS, outputs)]


def last_outcomes(outputs: list[Output]) -> dict[str, str]:
    """Return what the last decision about each response says."""
    return {decision["response_id"]: decision["outcome"] for decision in of(events.DECISIONS, outputs)}


def test_a_scanner_that_opens_all_eleven_links_is_one_alert_that_is_withdrawn_and_counts_nothing() -> None:
    outputs = carried(*(answered(n, n * 90, score=n) for n in range(11)))

    assert steps(outputs) == [("r-0", "opened", "detractor"), ("r-0", "withdrawn", "suspect_scanner")]
    assert set(last_outcomes(outputs).values()) == {"suspect_scanner"}
    assert sum(counted(outputs)) == 0


def test_the_decision_has_the_figures() -> None:
    outputs = carried(*(answered(n, n * 90, score=n) for n in range(11)))
    said = [rule for decision in of(events.DECISIONS, outputs) for rule in decision["rules"] if rule["rule"] == "burst"]

    assert said[-1] == {
        "rule": "burst",
        "verdict": "not_counted",
        "reason": "suspect_scanner",
        "figures": {"answers": 11.0, "different_scores": 11.0, "seconds": 0.9},
    }


@pytest.mark.parametrize("order", [[10, 0, 9, 1, 8], [7, 8, 9, 10, 0]])
def test_whatever_link_comes_first_nobody_is_called(order: list[int]) -> None:
    found = steps(carried(*(answered(n, n, score=score) for n, score in enumerate(order))))

    assert [action for _, action, _ in found] in (["opened", "withdrawn"], [])


def test_what_the_customer_then_answers_counts_and_alerts() -> None:
    scanned = [answered(n, n * 90, score=n) for n in range(11)]
    outputs = carried(*scanned, answered(11, 3_600_000, score=2, comment="Late"))

    assert steps(outputs)[-1] == ("r-11", "opened", "detractor")
    assert counted(outputs) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_who_writes_a_comment_is_no_scanner_even_within_the_burst() -> None:
    scanned = [answered(n, n * 90, score=n) for n in range(11)]
    outputs = carried(*scanned, answered(11, 500, score=2, comment="Late"))

    assert last_outcomes(outputs)["r-11"] == "accepted"
    assert sum(counted(outputs)) == 1


def test_a_comment_that_follows_an_answer_which_was_held_back_makes_it_count() -> None:
    scanned = [answered(n, n * 90, score=n) for n in range(11)]
    late = [answered(2, 180, score=2, revision=1), answered(2, 180, score=2, revision=2, comment="Late")]
    outputs = carried(*scanned, late[0])

    assert last_outcomes(outputs)["r-2"] == "suspect_scanner"
    outputs = carried(*scanned, *late)
    assert steps(outputs)[-1] == ("r-2", "opened", "detractor")
    assert last_outcomes(outputs)["r-2"] == "revised"
    assert counted(outputs) == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_the_same_answer_twice_in_a_moment_counts_once_and_is_one_alert() -> None:
    outputs = carried(answered(1, 0, score=2), answered(2, 300, score=2))

    assert steps(outputs) == [("r-1", "opened", "detractor")]
    assert last_outcomes(outputs) == {"r-1": "accepted", "r-2": "double_click"}
    assert sum(counted(outputs)) == 1


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (1_000, {}),
        (300, {"score": 9}),
        (300, {"comment": "Late"}),
        (300, {"segment": ["de"]}),
        (300, {"survey_id": "spring"}),
        (300, {"customer": {"name": "Marie"}}),
        (DAY // 2, {}),
    ],
    ids=str,
)
def test_what_is_no_double_click(after: int, changes: dict[str, Any]) -> None:
    outputs = carried(answered(1, 0, score=7), answered(2, after, **({"score": 7} | changes)))

    assert sum(counted(outputs)) == 2


def test_a_mind_changed_in_a_moment_counts_twice_and_calls_once() -> None:
    outputs = carried(answered(1, 0, score=3), answered(2, 900, score=2))

    assert steps(outputs) == [("r-1", "opened", "detractor")]
    assert of(events.DECISIONS, outputs)[1]["rules"][0]["reason"] == "alert_open"
    assert sum(counted(outputs)) == 2


def test_a_years_import_of_one_customer_is_no_burst() -> None:
    outputs = carried(*(answered(n, -n * 30 * DAY, score=n) for n in range(11)))

    assert sum(counted(outputs)) == 11


@pytest.mark.parametrize("size", [23, 30, 60, 100])
@pytest.mark.parametrize("scores", [range(11), [9], [2, 3]], ids=str)
def test_an_id_that_many_people_share_counts_and_calls_in_full(size: int, scores: Any) -> None:
    outputs = carried(*(answered(n, n % 500, score=scores[n % len(scores)]) for n in range(size)))
    unhappy = {f"r-{n}" for n in range(size) if scores[n % len(scores)] <= 6}
    open_at_the_end = {alert["response_id"]: alert["action"] for alert in of(events.ALERTS, outputs)}

    assert sum(counted(outputs)) == size
    assert set(last_outcomes(outputs).values()) == {"accepted"}
    assert open_at_the_end == dict.fromkeys(unhappy, "opened")
    assert len({dict(o.headers)["ce_id"] for o in outputs if o.topic == events.ALERTS}) == len(
        of(events.ALERTS, outputs)
    )


def test_trials_are_part_of_no_burst() -> None:
    outputs = carried(*(answered(n, n, score=n, test=n < 8) for n in range(11)))

    assert sum(counted(outputs)) == 3


def test_the_thresholds_are_settings() -> None:
    off = POLICY.model_copy(update={"bursts": BurstPolicy(scanner_seconds=0, double_click_seconds=0)})
    assert sum(counted(carried(*(answered(n, n, score=n) for n in range(11)), policy=off))) == 11
    wide = POLICY.model_copy(update={"bursts": BurstPolicy(scanner_seconds=60, scanner_scores=3)})
    assert sum(counted(carried(*(answered(n, n * 20_000, score=n) for n in range(3)), policy=wide))) == 0
