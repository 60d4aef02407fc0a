"""Plans of receivers: crashes around an incident, clock changes, and what no cap delays."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from notify.bundles import CAPPED, MINUTE, Desk, desk
from notify.channels.email.mails import mail
from notify.test_case_notices import reminder, said, step

from schemas.alert import Severity
from schemas.case import CaseStep
from schemas.delivery import DeliveryStatus
from worker.flow.cases.service import ServiceLevels, TimerKind
from worker.notify import mailbox, planning
from worker.notify.digest import Members
from worker.routing.bundling import Bundling
from worker.routing.calendar import Calendar, calendar_of, is_working
from worker.routing.explaining import explain
from worker.routing.hours import CalendarSettings
from worker.routing.receiver import Receiver
from worker.routing.routable import routable
from worker.routing.service_level import ServiceLevel, Terms

#: The incident, and three alerts below it.
DROP, BELOW = "drop", (1, 2, 3)


def feed(place: Desk, what: str | int) -> None:
    if isinstance(what, int):
        place.alert(what)
    else:
        place.drop("fr")


def killed_before_the_outbox_is_written(place: Desk, what: str | int) -> None:
    """The notice has been forwarded, so it is forwarded again."""
    rows = dict(place.outbox)
    feed(place, what)
    place.outbox = rows
    place._forwarded(planning.plan(place.alerts[-1:], place.planner, place.outbox.get, place.spread))


def killed_before_the_plan_is_written(place: Desk, what: str | int) -> None:
    """The lines of the delivery log are published, so they are published again."""
    rows, arrived = dict(place.plans), dict(place.arrived)
    feed(place, what)
    place.plans, place.arrived, place.members = rows, arrived, Members()
    place.members.note_rows(0, rows)
    place.plan_again(1)


@pytest.mark.parametrize("crash", [killed_before_the_outbox_is_written, killed_before_the_plan_is_written])
@pytest.mark.parametrize("order", [*permutations((DROP, *BELOW))], ids=lambda order: "-".join(map(str, order)))
def test_no_alert_that_comes_after_an_incident_is_a_mail_of_its_own_wherever_a_worker_is_killed(
    order: tuple[str | int, ...], crash: Callable[[Desk, str | int], None]
) -> None:
    alone = {f"a-{number}" for number in order[: order.index(DROP)]}
    for killed_at in range(len(order)):
        place = Desk(desk(Bundling(mails_per_hour=100)))
        for number, what in enumerate(order):
            (crash if number == killed_at else feed)(place, what)
            place.deliver()
        assert {alert_id for mail in place.inbox for alert_id in mail.about} == alone | {"i-fr"}
        place.wait(5 * MINUTE)
        place.deliver()

        listed = Counter(alert_id for mail in place.inbox for alert_id in mail.about)
        assert listed == Counter(["i-fr", *(f"a-{number}" for number in BELOW)])


def at(zone: str, text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000


def mornings(zone: str, *days_off: str) -> Calendar:
    return calendar_of(CalendarSettings(time_zone=zone, hours=["mon-fri 09:00-17:00"], days_off=[*days_off]))


@pytest.mark.parametrize(
    ("zone", "begin", "monday"),
    [
        ("Europe/Paris", at("Europe/Paris", "2026-03-27T18:00"), "2026-03-30"),
        ("Europe/Paris", at("Europe/Paris", "2026-10-23T18:00"), "2026-10-26"),
        ("America/Chicago", at("America/Chicago", "2026-10-30T18:00"), "2026-11-02"),
        # A Friday evening in UTC, which is a Saturday morning in Brisbane.
        ("Australia/Brisbane", at("UTC", "2026-06-05T19:00"), "2026-06-08"),
    ],
)
def test_the_digest_after_quiet_hours_comes_at_the_receivers_local_time(zone: str, begin: int, monday: str) -> None:
    place = Desk(desk(Bundling(mails_per_hour=10), calendar=mornings(zone), quiet_except=frozenset()))
    place.now = begin
    place.alert(1)
    place.alert(2)
    place.wait(at(zone, f"{monday}T09:00") - begin - 1)
    assert place.deliver() == []
    place.wait(1)

    assert [(mail.is_digest, mail.about) for mail in place.deliver()] == [(True, ["a-1", "a-2"])]


@pytest.mark.parametrize("one", [step(escalated_to=["desk"]), reminder()], ids=["escalation", "reminder"])
def test_no_cap_delays_a_reminder_or_an_escalation(one: CaseStep) -> None:
    place = Desk(desk(CAPPED))
    for number in range(10):
        place.alert(number)
    assert place.lines_of("a-9")[-1] == ("deferred", "capped")
    place._plan(said(one.model_copy(update={"alert_id": "a-9", "customer_id": "c-9"}))._replace(key=b"c-9"))
    waiting = [mail for mail in mailbox.decode(place.outbox[b"c-9"]).mails if mail.is_tried]

    assert [(mail.addressee, mail.status, mail.action, mail.digest) for mail in waiting] == [
        ("desk", DeliveryStatus.PENDING, one.action, "")
    ]
    # The notice about the alert still waits for its digest.
    assert place.lines_of("a-9")[-2:] == [("deferred", "capped"), ("pending", "planned")]
    assert len(place.notices) == 10, "the plan does not decide about it"


def test_no_reminder_is_sent_outside_the_hours_of_its_receiver_for_an_alert_of_any_minute_of_two_weeks() -> None:
    calendar = calendar_of(
        CalendarSettings(time_zone="Europe/Paris", hours=["mon-fri 08:30-12:00 13:30-18:00"], days_off=["2026-06-03"])
    )
    care = Receiver("care", {"email": ["care@example.org"]}, calendar=calendar)
    level = ServiceLevel(acknowledge_within_minutes=150, resolve_within_hours=9, remind_before_minutes=60)
    service = ServiceLevels({"x": level}, {"office": calendar})
    begin, found = at("Europe/Paris", "2026-06-01T00:00"), Counter[TimerKind]()
    for minute in range(begin, begin + 14 * 24 * 60 * MINUTE, MINUTE):
        for timer in service.due(Terms("x", "office"), minute).timers:
            sent = care.held_until(Severity.WARNING, timer.at) or timer.at
            assert is_working(calendar, sent)
            found[timer.kind] += 1
    assert found == Counter(
        dict.fromkeys((TimerKind.REMIND, TimerKind.REMIND_RESOLUTION, TimerKind.RESOLUTION_OVERDUE), 14 * 24 * 60)
    )


def decisions() -> list[object]:
    """Return what is decided about an alert on the evening of a day off, and the mails about it."""
    calendar, moment = mornings("Europe/Paris", "2026-03-27"), at("Europe/Paris", "2026-03-27T18:00")
    place = Desk(desk(Bundling(mails_per_hour=10), calendar=calendar, quiet_except=frozenset()))
    place.now = moment
    alert = place.alert(1)
    place.alert(2)
    place.wait(at("Europe/Paris", "2026-03-30T09:00") - moment)
    level = ServiceLevel(acknowledge_within_minutes=90, remind_before_minutes=30)
    due = ServiceLevels({"x": level}, {"office": calendar}).due(Terms("x", "office"), moment)
    explained = explain(routable(alert), place.planner.routing, moment).lines()
    return [place.deliver(), place.log, due, explained, mail(alert).as_bytes(), mail(reminder()).as_bytes()]


@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/Chicago", "Pacific/Kiritimati"])
def test_the_time_zone_of_the_process_changes_no_decision_and_no_mail(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name in ("UTC", zone):
        monkeypatch.setenv("TZ", name)
        time.tzset()
        try:
            found.append(decisions())
        finally:
            monkeypatch.undo()
            time.tzset()

    assert found[0] == found[1]
    assert len(found[0]) == 6
