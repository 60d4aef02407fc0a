"""Time limits that are computed again, since somebody asks for it: what has happened does not happen again."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from flow.cases.following import Following, command, letters, moved, record, step, tick, told
from flow.cases.test_escalation import LEVEL, MINUTE, OVERDUE, REMINDED, SERVICE, escalated, started, timed
from flow.records import HOUR, NOW
from hypothesis import given
from hypothesis import strategies as st

from schemas.case import CaseStep
from worker.flow.cases.service import ServiceLevels, TimerKind
from worker.flow.timestamps import to_ms
from worker.routing.service_level import ServiceLevel

#: Due after 20 minutes, with a reminder at 15; steps at 20 and 40; the resolution after 120, with a reminder at 115.
SLOWER = ServiceLevel(
    acknowledge_within_minutes=20,
    remind_before_minutes=5,
    resolve_within_hours=2,
    escalation=[{"receivers": ["lead"]}, {"receivers": ["boss"], "after_minutes": 20}],
)
#: Due after 4 minutes, with a reminder at 3; steps at 4 and 5.
FASTER = ServiceLevel(
    acknowledge_within_minutes=4,
    remind_before_minutes=1,
    escalation=[{"receivers": ["lead"]}, {"receivers": ["boss"], "after_minutes": 1}],
)


def levels(level: ServiceLevel) -> ServiceLevels:
    return ServiceLevels({"fast": level, "slower": SLOWER}, SERVICE.calendars)


def reapply(following: Following, minutes: float, **changes: Any) -> dict[str, Any]:
    """Ask for new time limits so many minutes after NOW; return the answer."""
    body = command(command_id=f"r-{minutes}", action="reapply", **changes)
    return following.say(body, NOW + round(minutes * MINUTE))


def limits(following: Following) -> tuple[float | None, float | None]:
    """Return after how many minutes the case has to be acknowledged and resolved."""
    case = following.case()
    assert case is not None
    found = [None if due is None else (due - NOW) / MINUTE for due in (case.acknowledge_due, case.resolve_due)]
    return found[0], found[1]


@pytest.mark.parametrize("minutes", [1, 8, 10, 12, 30, 90])
def test_with_the_same_settings_the_case_takes_a_step_and_nothing_else_changes(minutes: float) -> None:
    asked, other = started(), started()
    earlier = [timed(one, minutes) for one in (asked, other)]
    before = asked.case()

    assert earlier[0] == earlier[1]
    assert before is not None
    assert reapply(asked, minutes)["outcome"] == "applied"
    assert limits(asked) == (10, 60)
    case = asked.case()
    assert case is not None
    assert (case.state, case.step) == (before.state, before.step + 1)
    assert [body["action"] for body in told(asked.sent)[len(earlier[0]) :]] == ["reapplied"]
    for later in (7, 10, 12, 30, 57, 60, 90, 1_000):
        if later > minutes:
            assert timed(asked, later) == timed(other, later)


def test_new_settings_change_no_open_case_until_somebody_asks_and_then_from_its_opening_on() -> None:
    following = started()
    following.service = levels(SLOWER)
    assert limits(following) == (10, 60)

    assert reapply(following, 5)["outcome"] == "applied"
    assert limits(following) == (20, 120)
    body = CaseStep.model_validate(json.loads(json.dumps(told(following.sent)[-1])), strict=False)
    assert (body.action, body.reason, body.state, body.step) == ("reapplied", "command", "open", 2)
    assert body.acknowledge_due_at is not None
    assert to_ms(body.acknowledge_due_at) == NOW + 20 * MINUTE
    assert [timed(following, at) for at in (14, 15, 20, 40)] == [[], [REMINDED], [escalated(1)], [escalated(2)]]


def test_what_is_late_by_the_new_limits_happens_at_the_next_tick() -> None:
    following = started()
    following.service = levels(FASTER)
    reapply(following, 6)

    assert limits(following) == (4, None)
    assert timed(following, 6.1) == [escalated(1), escalated(2)]
    assert timed(following, 100) == []


def test_a_step_of_the_escalation_that_has_happened_does_not_happen_again() -> None:
    following = started()
    assert timed(following, 11) == [REMINDED, escalated(1)][1:]
    following.service = levels(SLOWER)
    reapply(following, 12)

    assert [timed(following, at) for at in (15, 20, 40)] == [[REMINDED], [], [escalated(2)]]


def test_a_reminder_that_has_happened_does_not_happen_again() -> None:
    following = started()
    assert timed(following, 7) == [REMINDED]
    following.service = levels(LEVEL.model_copy(update={"remind_before_minutes": 4.0}))
    reapply(following, 8)

    assert [timed(following, at) for at in (9, 10)] == [[], [escalated(1)]]


def test_a_reminder_that_has_happened_does_not_come_again_after_a_time_without_limits() -> None:
    following = started()
    assert timed(following, 8) == [REMINDED]
    following.service = levels(FASTER.model_copy(update={"acknowledge_within_minutes": None, "escalation": []}))
    reapply(following, 8.2)
    assert limits(following) == (None, None)
    following.service = levels(LEVEL)
    reapply(following, 8.4)

    assert [timed(following, at) for at in (8.5, 9, 10)] == [[], [], [escalated(1)]]


def test_a_last_reminder_that_has_happened_does_not_come_again_after_a_time_without_limits() -> None:
    following = started()
    following.say(command(), NOW + MINUTE)
    assert [timed(following, at) for at in (57, 60)] == [[REMINDED], [OVERDUE]]
    following.service = levels(FASTER)
    reapply(following, 61)
    assert limits(following) == (10, None)
    following.service = levels(LEVEL)
    reapply(following, 62)

    assert limits(following) == (10, 60)
    assert timed(following, 1_000) == []


def test_a_reminder_that_has_happened_does_not_come_again_before_the_same_limit() -> None:
    following = started()
    assert timed(following, 7) == [REMINDED]
    following.service = levels(LEVEL.model_copy(update={"remind_before_minutes": 1.0}))
    reapply(following, 8)

    assert [timed(following, at) for at in (9, 10)] == [[], [escalated(1)]]


def test_a_reminder_comes_before_another_limit_that_is_still_to_come() -> None:
    following = started()
    assert timed(following, 7) == [REMINDED]
    following.service = levels(SLOWER)
    reapply(following, 8)

    assert [timed(following, at) for at in (14, 15, 19)] == [[], [REMINDED], []]


def test_a_reminder_that_has_not_happened_comes_at_once_if_the_new_limit_is_near() -> None:
    following = started()
    assert timed(following, 12) == [escalated(1)]  # it was too late for the reminder
    following.service = levels(SLOWER)
    reapply(following, 16)

    assert timed(following, 16.1) == [REMINDED]


def test_an_acknowledged_case_gets_a_new_limit_of_the_resolution_only() -> None:
    following = started()
    following.say(command(), NOW + MINUTE)
    following.service = levels(SLOWER)
    reapply(following, 5)

    assert limits(following) == (10, 120)
    case = following.case()
    assert case is not None
    assert {timer.kind for timer in case.timers} == {TimerKind.REMIND_RESOLUTION, TimerKind.RESOLUTION_OVERDUE}
    assert [timed(following, at) for at in (60, 115, 120)] == [[], [REMINDED], [OVERDUE]]


def test_another_service_level_can_be_asked_for_by_its_name() -> None:
    following = Following(service=levels(LEVEL))
    following.take(record(step(service_level="fast")))
    answer = reapply(following, 2, service_level="gone")
    assert (answer["outcome"], answer["reason"]) == ("refused", "service_level_unknown")
    assert limits(following) == (10, 60)

    assert reapply(following, 3, service_level="slower")["outcome"] == "applied"
    assert limits(following) == (20, 120)
    assert told(following.sent)[-1]["service_level"] == "slower"


@pytest.mark.parametrize("level", ["fast", ""])
def test_a_case_whose_service_level_is_not_in_the_settings_keeps_its_limits(level: str) -> None:
    following = Following(service=SERVICE)
    following.take(record(step(service_level=level)))
    before = limits(following)
    following.service = ServiceLevels({"slower": SLOWER})
    answer = reapply(following, 5)

    assert (answer["outcome"], answer["reason"]) == ("refused", "service_level_unknown")
    assert limits(following) == before
    case = following.case()
    assert case is not None
    assert (case.step, told(following.sent)) == (1, [])
    assert len(letters(following.sent)) == 1
    assert reapply(following, 6, service_level="slower")["outcome"] == "applied"
    assert limits(following) == (20, 120)


def test_working_time_is_counted_by_the_calendar_that_the_case_has() -> None:
    following = started("mornings")
    following.service = levels(SLOWER)
    reapply(following, 5)
    case = following.case()
    assert case is not None

    assert case.acknowledge_due == NOW + round(9 * HOUR + 46 * MINUTE + 40_000) + 20 * MINUTE


_NO_LIMIT = ServiceLevel(resolve_within_hours=5)
#: The reminder of the acknowledgement is a minute before the same limit.
_LATER = LEVEL.model_copy(update={"remind_before_minutes": 1.0})
_OPS = st.sampled_from(["tick", "tick", "tick", "reapply", "reapply", "ack", "reopen"])
_LEVELS = st.sampled_from([LEVEL, SLOWER, FASTER, _NO_LIMIT, _LATER])


@given(st.lists(st.tuples(_OPS, st.sampled_from([1, 2, 5, 30]), _LEVELS), max_size=25))
def test_nothing_comes_twice_and_each_command_takes_a_step_whatever_is_asked_for(
    ops: Sequence[tuple[str, int, ServiceLevel]],
) -> None:
    following, now, opening, acknowledged = started(), float(0), 1, False
    seen: Counter[tuple[Any, ...]] = Counter()
    for number, (op, minutes, level) in enumerate(ops, start=1):
        now += minutes
        at = NOW + round(now * MINUTE)
        if op == "tick":
            for body in told(following.take(tick(at))):
                assert not (acknowledged and body["action"] == "escalated")
                assert body["reason"] != "due_soon" or body["due_at"] > body["occurred_at"]
                seen[opening, body["reason"], body["escalation_step"] or body["due_at"]] += 1
            continue
        if op == "reapply":
            following.service = levels(level)
        bodies = {
            "reapply": [command(action="reapply")],
            "ack": [command()],
            "reopen": [command(action="resolve", outcome="solved", cause="price"), command(action="reopen")],
        }[op]
        before = following.case()
        assert before is not None
        outputs = [
            output
            for part, body in enumerate(bodies)
            for offset in [10 * number + part]
            for output in following.take(record(moved(body | {"command_id": f"k-{offset}"}, offset, at=at), at))
        ]
        case = following.case()
        assert case is not None
        changes = 0 if op == "ack" and acknowledged else len(bodies)
        assert (len(told(outputs)), case.step) == (changes, before.step + changes)
        acknowledged = (acknowledged or op == "ack") and op != "reopen"
        opening += op == "reopen"
        assert case.opening == opening
        if op == "reapply":
            hours = level.resolve_within_hours
            assert case.resolve_due == (None if hours is None else case.opened_at + hours * HOUR)
    assert all(count == 1 for count in seen.values()), seen
