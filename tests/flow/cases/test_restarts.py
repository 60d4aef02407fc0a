"""A worker that dies and starts again: timers are found again in the rows, and happen once at their times."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from flow.cases.following import Following, record, step, tick, told

from worker.flow.batch import Output
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.service import ServiceLevels
from worker.routing.calendar import calendar_of
from worker.routing.hours import CalendarSettings
from worker.routing.service_level import ServiceLevel

SECOND, HOUR = 1_000, 3_600_000
#: A case is due after one second of working time, which begins at 09:00.
LEVEL = ServiceLevel(acknowledge_within_minutes=1 / 60, escalation=[{"receivers": ["lead"]}])
OFFICE = calendar_of(CalendarSettings(time_zone="Europe/Paris", hours=["mon-fri 09:00-17:00"]))
SERVICE = ServiceLevels({"fast": LEVEL}, {"office": OFFICE})


def paris(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Paris")).timestamp()) * 1_000


def restarted(before: Following) -> Following:
    """Return what a worker knows that starts with the rows of one that was killed."""
    after = Following(before.policy, before.service)
    after.rows, after.arrived, after.latest_time = dict(before.rows), dict(before.arrived), before.latest_time
    after.due = DueIndex(after.rows)
    return after


def escalations(following: Following, now: int) -> list[str]:
    """Let a tick come; return the ids of the events about the escalations that it causes."""
    outputs = following.take(tick(now))
    assert {body["action"] for body in told(outputs)} <= {"escalated"}
    return ids(outputs)


def ids(outputs: Sequence[Output]) -> list[str]:
    return [(dict(output.headers)["ce_id"] or b"").decode() for output in outputs]


# On the days in between, the clock of Paris was changed.
@pytest.mark.parametrize("day", ["2026-06-01", "2026-03-30", "2026-10-26"])
def test_a_step_that_waits_for_the_morning_happens_then_and_once_though_the_worker_is_killed_three_times(
    day: str,
) -> None:
    opens = paris(f"{day}T09:00")
    following = Following(service=SERVICE)
    opened = step(at=paris(f"{day}T06:00"), service_level="fast", calendar="office")
    following.take(record(opened, opened.at))

    for before in (2 * HOUR, HOUR, 1):
        following = restarted(following)
        assert escalations(following, opens - before) == []
    assert following.due.next_at() == opens + SECOND
    lost = following.decide([tick(opens + SECOND)]).outputs  # published, but its rows were not written
    following = restarted(following)

    assert escalations(following, opens + SECOND) == ids(lost)
    for later in (2 * SECOND, HOUR, 120 * 24 * HOUR):
        following = restarted(following)
        assert escalations(following, opens + later) == []


def test_twenty_restarts_with_five_hundred_open_cases_cause_no_event() -> None:
    following, now = Following(service=SERVICE), paris("2026-06-01T10:00")
    for number in range(500):
        opened = step(number, alert_id=f"a-{number}", at=now + number, service_level="fast", calendar="office")
        following.take(record(opened, opened.at, b"c-%d" % number))
    # Some cases are due by then, and the others are not.
    first = escalations(following, now + SECOND + 249)
    assert len(first) == 250

    for _ in range(20):
        following = restarted(following)
        assert escalations(following, following.latest_time) == []
    assert len({*first, *escalations(following, now + 2 * SECOND)}) == 500
