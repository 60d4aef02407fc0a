"""The courier holds mails in quiet hours: those that were planned so, retries, and those that an outage has delayed."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flow.records import Record
from notify.mailboxes import record_of
from notify.test_case_notices import reminder, said
from roles.test_courier import AWAY, LATER, Office, at_work

from schemas.alert import Alert, Severity
from worker.flow.policy import IntakePolicy
from worker.flow.timestamps import from_ms
from worker.notify import mailbox
from worker.notify.planning import Planner
from worker.routing.calendar import Calendar, calendar_of
from worker.routing.hours import CalendarSettings
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree

MakeAlert = Callable[..., Alert]

HOUR = 3_600_000


def calendar(*hours: str) -> Calendar:
    return calendar_of(CalendarSettings(time_zone="Europe/Paris", hours=[*hours]))


def paris(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Paris")).timestamp()) * 1_000


#: The courier's clock begins on Tuesday, 2023-11-14, at 23:13 in Paris.
AFTERNOON, NEXT_MORNING = paris("2023-11-15T16:50"), paris("2023-11-16T09:00")


def planner(hours: Calendar | None) -> Planner:
    care = Receiver("care", {"email": ["care@x.org"]}, calendar=hours, quiet_except=frozenset({Severity.CRITICAL}))
    return Planner(
        "email", Routing(tree(RootRoute(receivers=["care"])), {"care": care}, {}), ["opened"], IntakePolicy()
    )


OFFICE = planner(calendar("mon-fri 09:00-17:00"))


def opened(office: Office, make_alert: MakeAlert, number: int, **changes: Any) -> Record:
    alert = make_alert(alert_id=f"a-{number}", response_id=f"r-{number}", **({"severity": Severity.ERROR} | changes))
    return record_of(alert, f"e-{number}", f"c-{number}".encode(), timestamp=office.clock.now())


def due(office: Office) -> list[int]:
    boxes = [mailbox.decode(row) for key, row in office.rows.rows.items() if b"\x00" not in key]
    return [mail.due for box in boxes for mail in box.mails if mail.is_open]


async def test_what_comes_at_night_goes_out_in_the_morning_and_once(make_alert: MakeAlert) -> None:
    async with at_work(planner=OFFICE) as office:
        office.plan(opened(office, make_alert, 0), opened(office, make_alert, 1, severity=Severity.CRITICAL))
        await office.settle()
        assert office.channel.accepted == ["a-1"]

        await office.pass_on(paris("2023-11-15T08:59") - office.clock.now())
        assert office.channel.accepted == ["a-1"]
        await office.pass_on(60_000)
        assert office.channel.accepted == ["a-1", "a-0"]
        await office.pass_on(72 * HOUR)
        assert office.channel.tried == ["a-1", "a-0"]
        assert office.statuses() == ["sent", "sent"]


async def test_a_retry_that_falls_into_the_night_waits_for_the_morning(make_alert: MakeAlert) -> None:
    async with at_work(planner=OFFICE) as office:
        office.clock.move_to(AFTERNOON + 8 * 60_000)  # two minutes before the end of the day
        office.channel.answer = lambda _: LATER
        office.plan(opened(office, make_alert, 0))
        await office.settle()
        office.channel.answer = lambda _: None
        await office.pass_on(15 * HOUR)
        assert office.channel.tried == ["a-0"]
        assert office.statuses() == ["deferred", "deferred"]
        assert office.statuses("quiet_hours") == ["deferred"]
        assert due(office) == [NEXT_MORNING]

        await office.pass_on(2 * HOUR)
        assert office.channel.accepted == ["a-0"]
        assert office.log[-1]["attempt"] == 2


async def test_what_an_outage_has_delayed_until_the_night_waits_for_the_morning(make_alert: MakeAlert) -> None:
    async with at_work(planner=OFFICE) as office:
        office.clock.move_to(AFTERNOON)
        office.channel.answer = lambda _: AWAY
        office.plan(*(opened(office, make_alert, number) for number in range(3)))
        critical = opened(office, make_alert, 9, severity=Severity.CRITICAL)
        office.plan(critical)
        await office.pass_on(HOUR)
        office.channel.answer = lambda _: None
        await office.pass_on(HOUR)
        assert office.channel.accepted == ["a-9"]
        assert due(office) == [NEXT_MORNING] * 3

        await office.pass_on(NEXT_MORNING - office.clock.now())
        assert sorted(office.channel.accepted) == ["a-0", "a-1", "a-2", "a-9"]


async def test_hours_that_changed_while_a_mail_waited_count_and_the_log_says_so(make_alert: MakeAlert) -> None:
    for later, sent in ((calendar("mon-fri 11:00-17:00"), False), (None, True)):
        async with at_work(planner=OFFICE) as before:
            before.plan(opened(before, make_alert, 0))
            await before.settle()
        async with at_work(planner=planner(later)) as office:
            office.rows = before.rows
            office.regain()
            await office.pass_on(paris("2023-11-15T10:00") - office.clock.now())
            assert office.channel.accepted == (["a-0"] if sent else [])
            assert office.statuses("quiet_hours") == ([] if sent else ["deferred"])
            await office.pass_on(2 * HOUR)
            assert office.channel.accepted == ["a-0"]


@pytest.mark.parametrize(("limit", "is_sent"), [(HOUR, False), (48 * HOUR, True)])
async def test_a_reminder_that_was_held_is_sent_unless_its_time_limit_has_passed_meanwhile(
    make_alert: MakeAlert, limit: int, *, is_sent: bool
) -> None:
    async with at_work(planner=OFFICE) as office:
        office.clock.move_to(AFTERNOON)
        office.plan(opened(office, make_alert, 0))
        await office.settle()
        await office.pass_on(HOUR)
        due = from_ms(office.clock.now() + limit)
        office.plan(said(reminder(alert_id="a-0", due_at=due), at=office.clock.now())._replace(key=b"c-0"))
        await office.pass_on(NEXT_MORNING - 1 - office.clock.now())
        assert office.channel.tried == ["a-0"]

        await office.pass_on(1)
        assert office.channel.accepted == (["a-0", "a-0"] if is_sent else ["a-0"])
        assert office.statuses("no_longer_news") == ([] if is_sent else ["cancelled"])
        assert not any(b"\x00" in key for key, row in office.rows.rows.items() if row is not None)


async def test_a_last_reminder_says_that_a_time_limit_has_passed_and_is_sent_however_late(
    make_alert: MakeAlert,
) -> None:
    async with at_work(planner=OFFICE) as office:
        office.clock.move_to(AFTERNOON)
        office.plan(opened(office, make_alert, 0))
        await office.settle()
        await office.pass_on(HOUR)
        late = reminder(alert_id="a-0", reason="not_resolved", due_at=from_ms(office.clock.now()))
        office.plan(said(late, at=office.clock.now())._replace(key=b"c-0"))
        await office.pass_on(NEXT_MORNING - office.clock.now())

        assert office.channel.accepted == ["a-0", "a-0"]


async def test_a_mail_that_was_held_and_is_erased_is_not_sent(make_alert: MakeAlert) -> None:
    async with at_work(planner=OFFICE) as office:
        record = opened(office, make_alert, 0)
        office.plan(record)
        await office.settle()
        office.plan(record._replace(value=None))
        await office.pass_on(72 * HOUR)

        assert office.channel.tried == []
        assert not any(office.rows.rows.values())


async def test_a_clock_that_was_wrong_for_a_while_holds_nothing_back_for_long(make_alert: MakeAlert) -> None:
    async with at_work(planner=OFFICE) as office:
        office.plan(opened(office, make_alert, 0))
        await office.settle()
        ahead = paris("2023-11-15T12:00") - office.clock.now()
        office.clock.now = lambda: office.clock.steady() + ahead  # type: ignore[method-assign]
        await office.pass_on(2 * HOUR)

        assert office.channel.accepted == ["a-0"]
