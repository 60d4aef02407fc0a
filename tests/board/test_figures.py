"""The figures of groups of recoveries."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.examples import RECOVERY
from schemas.recovery import Recovery
from worker.board.figures import Figures, Overdue, figures, grouped, quantile, with_overdue
from worker.loop.text import table


def recovery(**changes: Any) -> Recovery:
    return Recovery.model_validate(
        Recovery.model_validate_json(Recovery(**_read(RECOVERY)).model_dump_json()).model_dump() | changes
    )


def _read(body: dict[str, Any]) -> dict[str, Any]:
    return Recovery.model_validate_json(json.dumps(body)).model_dump()


def test_nothing_has_no_figures() -> None:
    assert figures([]) == Figures(0, 0, None, None, None, 0, 0, 0)


def test_each_figure_counts_what_it_is_about() -> None:
    found = figures(
        [
            recovery(),
            recovery(seconds_to_acknowledge=10.0, seconds_to_resolve=20.0, opening=2, follow_up=None),
            recovery(state="withdrawn", seconds_to_acknowledge=None, seconds_to_resolve=None, follow_up=None),
            recovery(state="open", seconds_to_acknowledge=30.0, seconds_to_resolve=None),
        ]
    )

    assert found == Figures(
        resolved=2,
        withdrawn=1,
        median_to_acknowledge=30.0,
        median_to_resolve=20.0,
        ninth_decile_to_resolve=5232.0,
        answered_again=2,
        recovered=2,
        reopened=1,
        working_median_to_acknowledge=112.0,
        working_median_to_resolve=4278.0,
        working_ninth_decile_to_resolve=4278.0,
        acknowledge_limits=4,
        acknowledged_in_time=4,
        resolve_limits=2,
        resolved_in_time=2,
        answered_after_resolved=1,
        recovered_after_resolved=1,
    )


def test_a_time_limit_is_met_or_missed_by_what_was_done_and_counts_only_then() -> None:
    found = figures(
        [
            recovery(
                acknowledge_due_at=datetime(2026, 3, 2, 8, 31, 52, tzinfo=UTC),
                resolve_due_at=datetime(2026, 3, 2, 9, 41, 17, tzinfo=UTC),
            ),
            recovery(acknowledged_at=None, state="withdrawn"),
            recovery(acknowledge_due_at=None, resolve_due_at=None),
        ]
    )

    assert (found.acknowledge_limits, found.acknowledged_in_time) == (1, 1)
    assert (found.resolve_limits, found.resolved_in_time) == (1, 0)


def test_who_answers_better_before_the_case_is_resolved_was_not_won_back_by_that() -> None:
    answer = recovery().follow_up
    assert answer is not None
    later = answer.answered_at + timedelta(seconds=1)
    found = figures([recovery(ended_at=answer.answered_at), recovery(ended_at=later), recovery(state="acknowledged")])
    assert (found.answered_again, found.answered_after_resolved, found.recovered_after_resolved) == (3, 1, 1)


def test_an_overdue_case_is_a_time_limit_that_was_not_met() -> None:
    cases = {
        Overdue(is_resolution=False, segment="fr/lyon/shop"): 1,
        Overdue(is_resolution=True, segment="fr/nice"): 2,
    }
    before = grouped([recovery(segment="fr/lyon/shop")], "segment", "fr")
    found = with_overdue(before, cases, "segment", "fr")
    assert (found.whole.acknowledge_limits, found.whole.acknowledged_in_time) == (2, 1)
    assert (found.whole.resolve_limits, found.whole.resolved_in_time) == (3, 1)
    limits = {name: (one.acknowledge_limits, one.resolve_limits) for name, one in found.groups.items()}
    assert limits == {"fr/lyon": (2, 1), "fr/nice": (0, 2)}


@pytest.mark.parametrize(("by", "name"), [("severity", "critical"), ("survey", "autumn"), ("cause", "no cause")])
def test_overdue_cases_are_grouped_by_everything_else_too(by: str, name: str) -> None:
    overdue = {Overdue(is_resolution=True, severity="critical", survey_id="autumn"): 2}
    assert with_overdue(grouped([], by, ""), overdue, by, "").groups[name].resolve_limits == 2


def test_an_overdue_case_counts_for_each_of_its_receivers() -> None:
    cases = {
        Overdue(is_resolution=False, receivers=("lyon",)): 1,
        Overdue(is_resolution=True, receivers=("lyon", "care")): 2,
        Overdue(is_resolution=False): 1,
    }
    found = with_overdue(grouped([], "receiver", ""), cases, "receiver", "")
    limits = {name: (one.acknowledge_limits, one.resolve_limits) for name, one in found.groups.items()}
    assert limits == {"care": (0, 2), "lyon": (1, 2), "no receiver": (1, 0)}
    assert (found.whole.acknowledge_limits, found.whole.resolve_limits) == (2, 2)


def test_the_table_of_working_time_fits_eighty_columns_too() -> None:
    lines = table("all", grouped([recovery(segment="a-very-long-name-of-a-region/x")], "segment", ""), working=True)

    assert lines == [
        "                     resolved  ack  in time  resolve  9 of 10  in time  reopened",
        "all                         1   2m     100%     1.2h     1.2h     100%         0",
        "…g-name-of-a-region         1   2m     100%     1.2h     1.2h     100%         0",
    ]
    assert max(map(len, lines)) <= 80


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from([0.5, 0.9]))
def test_a_quantile_is_the_least_value_that_the_share_does_not_exceed(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9


@pytest.mark.parametrize(
    ("by", "root", "whole", "groups"),
    [
        ("segment", "", 4, {"fr": 3, "de": 1}),
        ("segment", "fr", 3, {"fr/lyon": 2}),
        ("segment", "fr/lyon", 2, {"fr/lyon/delivery": 1, "fr/lyon/shop": 1}),
        ("segment", "fr/ly", 0, {}),
        ("cause", "", 4, {"delivery": 3, "no cause": 1}),
        ("severity", "fr", 3, {"critical": 2, "error": 1}),
        ("survey", "", 4, {"after-delivery": 4}),
        ("receiver", "", 4, {"lyon": 2, "quality": 3, "no receiver": 1}),
    ],
)
def test_recoveries_are_grouped(by: str, root: str, whole: int, groups: dict[str, int]) -> None:
    found = grouped(
        [
            recovery(),
            recovery(segment="fr/lyon/shop", cause=None),
            recovery(segment="fr", severity="error", receivers=["quality", "quality"]),
            recovery(segment="de/bonn", severity="error", receivers=[]),
        ],
        by,
        root,
    )

    assert found.whole.resolved == whole
    assert {name: each.resolved for name, each in found.groups.items()} == groups


def test_the_table_fits_eighty_columns() -> None:
    lines = table(
        "all",
        grouped(
            [
                recovery(),
                recovery(segment="a-very-long-name-of-a-region\x1b[2J/x", seconds_to_acknowledge=5.0),
                recovery(segment="b", seconds_to_resolve=3.0 * 86_400, follow_up=None, seconds_to_acknowledge=None),
            ],
            "segment",
            "",
        ),
    )

    assert lines == [
        "                     resolved  ack  resolve  9 of 10  again  recovered  reopened",
        "all                         3   5s     1.5h     3.0d      2       100%         0",
        "…ame-of-a-region[2J         1   5s     1.5h     1.5h      1       100%         0",
        "b                           1    –     3.0d     3.0d      0          –         0",
        "fr                          1  18m     1.5h     1.5h      1       100%         0",
    ]
    assert max(map(len, lines)) <= 80
