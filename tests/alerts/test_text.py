"""Cases in the terminal: the list fits 80 columns and names no customer; one case is shown in full."""

import json
from typing import Any

import pytest
from flow.cases.following import command, opened, resolution, step
from flow.records import DAY, HOUR, NOW

from schemas.alert import Severity
from worker.alerts import text
from worker.flow.cases import case as cases
from worker.flow.cases.known import KnownCase

ALERT = "ed460635-189f-52c8-ac33-f415c251d021"


def known(**changes: Any) -> KnownCase:
    return KnownCase("customer-17", cases.opened(step(**({"alert_id": ALERT} | changes))))


def worked_on() -> KnownCase:
    following = opened()
    following.say(command(actor="ann@example.com", note="She was out.\nI try again\x1b[2J."), at=NOW + HOUR)
    following.say(resolution(actor="ann@example.com"), at=NOW + 2 * HOUR)
    found = following.case()
    assert found is not None
    return KnownCase("customer-17", found)


def test_the_list_has_a_line_for_each_case_and_its_columns_stand_below_each_other() -> None:
    other = known(alert_id="0" * 36, severity=Severity.WARNING, score=6, at=NOW - 3 * DAY, segment="")
    other.case.assignee = "somebody with a long name"
    lines = text.table([known(), other], NOW + 5 * 60_000, 80)

    assert lines == [
        "alert     state  severity  score  age  by            segment",
        "ed460635  open   critical      2   5m                fr/shop-3",
        "00000000  open   warning       6   3d  somebody wi…",
    ]


def test_the_list_says_how_much_time_is_left_if_there_are_time_limits() -> None:
    late, early, none = known(), known(alert_id="0" * 36), known(alert_id="1" * 36)
    late.case.acknowledge_due, early.case.acknowledge_due = NOW - 2 * HOUR, NOW + HOUR

    assert text.table([late, early, none], NOW, 80) == [
        "alert     state  severity  score  age      due  by  segment",
        "ed460635  open   critical      2   0m  2h late      fr/shop-3",
        "00000000  open   critical      2   0m    in 1h      fr/shop-3",
        "11111111  open   critical      2   0m               fr/shop-3",
    ]


def test_no_text_of_others_makes_a_terminal_obey_or_reads_as_another_one() -> None:
    odd = "an\u202ena\nx\x1b[2J\x9by"
    one = known(segment=odd)
    one.case.assignee = odd
    one.case.notes = [cases.Note(NOW, odd, f"first {odd}\n{odd}")]
    shown = [*text.table([one], NOW, 200), *text.details(one)]

    assert all(line.isprintable() for line in shown)
    assert shown[-5].endswith(" by anna x[2Jy:")
    assert shown[-4:] == ["  first anna", "  x[2Jy", "  anna", "  x[2Jy"]


def test_one_case_is_shown_with_its_time_limits_and_whether_they_were_met() -> None:
    one = worked_on()
    one.case.service_level, one.case.escalated = "urgent", 2
    one.case.acknowledge_due, one.case.resolve_due = NOW + HOUR // 2, NOW + 3 * HOUR
    lines = text.details(one)

    assert "service level:  urgent" in lines
    assert "acknowledge by: 2023-11-14 22:43 UTC, done late: 2023-11-14 23:13 UTC" in lines
    assert "resolve by:     2023-11-15 01:13 UTC" in lines
    assert "escalated:      step 2" in lines
    assert "outcome:        solved" in lines
    assert text.as_json(one, notes=False)["acknowledge_due_at"] == "2023-11-14T22:43:20+00:00"


@pytest.mark.parametrize(
    ("ms", "age"),
    [(-5, "0m"), (59_999, "0m"), (HOUR - 1, "59m"), (HOUR, "1h"), (2 * DAY - 1, "47h"), (2 * DAY, "2d")],
)
def test_an_age_is_in_minutes_hours_or_days(ms: int, age: str) -> None:
    assert age in text.table([known()], NOW + ms, None)[1].split()


def test_a_line_fits_the_terminal_and_keeps_the_end_of_the_segment() -> None:
    lines = text.table([known(segment="fr/" + "very-long/" * 20 + "delivery")], NOW, 80)

    assert max(map(len, lines)) == 80
    assert lines[1].endswith("/very-long/delivery")
    assert "…" in lines[1]
    assert len(text.table([known(segment="s" * 300)], NOW, None)[1]) > 300


def test_the_list_names_no_customer_and_has_no_notes_and_no_control_characters() -> None:
    listed = worked_on()
    listed.case.segment = "fr\x1b[2J"
    lines = "\n".join(text.table([listed], NOW, 80)) + json.dumps(text.as_json(listed, notes=False))

    assert "customer-17" not in "\n".join(text.table([listed], NOW, 80))
    assert "try again" not in lines
    assert "\x1b" not in lines


def test_one_case_is_shown_in_full() -> None:
    assert text.details(worked_on()) == [
        "alert:        a-1",
        "customer:     customer-17",
        "state:        resolved, step 3",
        "severity:     critical, score 2",
        "segment:      fr/shop-3",
        "response:     r-1 of survey autumn",
        "opened:       2023-11-14 22:13 UTC",
        "acknowledged: 2023-11-14 23:13 UTC by ann@example.com",
        "ended:        2023-11-15 00:13 UTC by ann@example.com",
        "outcome:      solved",
        "cause:        price",
        "note of 2023-11-14 23:13 UTC by ann@example.com:",
        "  She was out.",
        "  I try again[2J.",
    ]


def test_a_case_of_the_root_segment_that_was_reopened_says_so() -> None:
    one = known(segment="")
    one.case.opening = 2
    lines = text.details(one)

    assert "state:        open, step 1, opening 2" in lines
    assert "segment:      the root segment" in lines


def test_json_has_all_fields_and_the_notes_where_they_are_wanted() -> None:
    found = text.as_json(worked_on(), notes=True)

    assert json.loads(json.dumps(found)) == {
        "alert_id": "a-1",
        "customer_id": "customer-17",
        "response_id": "r-1",
        "survey_id": "autumn",
        "segment": "fr/shop-3",
        "severity": "critical",
        "score": 2,
        "state": "resolved",
        "step": 3,
        "opening": 1,
        "opened_at": "2023-11-14T22:13:20+00:00",
        "acknowledged_at": "2023-11-14T23:13:20+00:00",
        "acknowledged_by": "ann@example.com",
        "assignee": None,
        "ended_at": "2023-11-15T00:13:20+00:00",
        "resolved_by": "ann@example.com",
        "service_level": None,
        "acknowledge_due_at": None,
        "resolve_due_at": None,
        "escalated": 0,
        "outcome": "solved",
        "cause": "price",
        "notes": [
            {"at": "2023-11-14T23:13:20+00:00", "actor": "ann@example.com", "text": "She was out.\nI try again[2J."}
        ],
    }
    assert "notes" not in text.as_json(worked_on(), notes=False)
