"""When a case has to be acknowledged and resolved, and when somebody is reminded or asked before and after that."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.cases.service import Due, ServiceLevels, Timer, TimerKind
from worker.routing.calendar import calendar_of, is_working, working_seconds
from worker.routing.hours import CalendarSettings
from worker.routing.service_level import ServiceLevel, Terms

OFFICE = calendar_of(CalendarSettings(time_zone="UTC", hours=["mon-fri 08:00-18:00"]))
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000


def due(begin: str, calendar: str = "office", **level: Any) -> Due:
    return ServiceLevels({"x": ServiceLevel(**level)}, {"office": OFFICE}).due(Terms("x", calendar), ms(begin))


def test_four_working_hours_from_monday_17_end_on_tuesday_at_11_and_the_reminder_is_an_hour_of_work_before() -> None:
    found = due("2026-11-02 17:00", acknowledge_within_minutes=240, remind_before_minutes=60)

    assert found.acknowledge == ms("2026-11-03 11:00")
    assert found.timers == [Timer(ms("2026-11-03 10:00"), TimerKind.REMIND)]


def test_what_is_opened_on_a_weekend_is_due_after_its_end() -> None:
    found = due("2026-11-07 12:00", acknowledge_within_minutes=30, resolve_within_hours=12)

    assert (found.acknowledge, found.resolve) == (ms("2026-11-09 08:30"), ms("2026-11-10 10:00"))


def test_steps_follow_each_other_after_working_time() -> None:
    steps = [
        {"receivers": ["a"]},
        {"receivers": ["b", "c"], "after_minutes": 60},
        {"receivers": ["d"], "after_minutes": 600},
    ]
    found = due("2026-11-02 16:30", acknowledge_within_minutes=30, escalation=steps)

    assert found.timers == [
        Timer(ms("2026-11-02 17:00"), TimerKind.ESCALATE, 1, ["a"]),
        Timer(ms("2026-11-02 18:00"), TimerKind.ESCALATE, 2, ["b", "c"]),
        Timer(ms("2026-11-03 18:00"), TimerKind.ESCALATE, 3, ["d"]),
    ]


def test_the_resolution_has_a_reminder_and_a_timer_at_its_limit() -> None:
    found = due("2026-11-02 10:00", resolve_within_hours=4, remind_before_minutes=30)

    assert found.timers == [
        Timer(ms("2026-11-02 13:30"), TimerKind.REMIND_RESOLUTION),
        Timer(ms("2026-11-02 14:00"), TimerKind.RESOLUTION_OVERDUE),
    ]


def test_a_limit_that_is_shorter_than_the_reminder_has_none() -> None:
    found = due("2026-11-02 10:00", acknowledge_within_minutes=30, resolve_within_hours=4, remind_before_minutes=60)

    assert [timer.kind for timer in found.timers] == [TimerKind.REMIND_RESOLUTION, TimerKind.RESOLUTION_OVERDUE]


@pytest.mark.parametrize("calendar", ["", "a calendar that was removed"])
def test_without_a_calendar_all_hours_count(calendar: str) -> None:
    found = due("2026-11-07 23:50", calendar, acknowledge_within_minutes=20, escalation=[{"receivers": ["a"]}])

    assert found == Due(ms("2026-11-08 00:10"), None, [Timer(ms("2026-11-08 00:10"), TimerKind.ESCALATE, 1, ["a"])])


def test_forty_eight_hours_around_the_clock_lose_no_minute_at_midnight() -> None:
    always = calendar_of(CalendarSettings(time_zone="Europe/Paris", hours=["mon-sun 00:00-24:00"]))
    levels = ServiceLevels({"x": ServiceLevel(resolve_within_hours=48)}, {"always": always})

    assert levels.due(Terms("x", "always"), ms("2026-11-02 10:00")).resolve == ms("2026-11-04 10:00")


def test_without_a_service_level_nothing_is_due() -> None:
    assert ServiceLevels().due(Terms("removed", "office"), ms("2026-11-02 10:00")) == Due()


def test_a_calendar_that_ends_sets_no_limit() -> None:
    gone = calendar_of(CalendarSettings(time_zone="UTC", hours=["mon-sun 08:00-09:00"]))
    level = ServiceLevel(
        acknowledge_within_minutes=60,
        resolve_within_hours=2,
        remind_before_minutes=30,
        escalation=[{"receivers": ["a"]}],
    )
    last = ms("9999-12-30 12:00")

    assert ServiceLevels({"x": level}, {"gone": gone}).due(Terms("x", "gone"), last) == Due()


@given(
    begin=st.integers(ms("2026-10-20 00:00"), ms("2026-11-20 00:00")),
    minutes=st.integers(1, 3_000),
    before=st.integers(1, 500),
    delays=st.lists(st.integers(0, 900), max_size=5),
    zone=st.sampled_from(["Europe/Paris", "America/Chicago", "Australia/Lord_Howe"]),
)
def test_everything_happens_in_working_time_and_the_amounts_of_work_are_right(
    begin: int, minutes: int, before: int, delays: list[int], zone: str
) -> None:
    calendar = calendar_of(CalendarSettings(time_zone=zone, hours=["mon-fri 08:30-12:00 13:30-18:00"], holidays="FR"))
    level = ServiceLevel(
        acknowledge_within_minutes=minutes,
        remind_before_minutes=before if before < minutes else None,
        escalation=[{"receivers": ["a"], "after_minutes": delay} for delay in delays],
    )
    found = ServiceLevels({"x": level}, {"c": calendar}).due(Terms("x", "c"), begin)

    assert found.acknowledge is not None
    assert working_seconds(calendar, begin, found.acknowledge) == 60 * minutes
    assert found.timers == sorted(found.timers, key=lambda timer: timer.at)
    steps = [timer for timer in found.timers if timer.kind is TimerKind.ESCALATE]
    assert [timer.step for timer in steps] == list(range(1, len(delays) + 1))
    worked = [working_seconds(calendar, begin, timer.at) for timer in steps]
    assert worked == [60 * (minutes + sum(delays[: number + 1])) for number in range(len(delays))]
    for timer in found.timers:
        assert is_working(calendar, timer.at - 1)  # it is within working time, or at its very end
        if timer.kind is TimerKind.REMIND:
            assert working_seconds(calendar, timer.at, found.acknowledge) == 60 * before
