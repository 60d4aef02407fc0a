"""Workers that start again with the rows of one that has ended: nothing is sent twice, and what waits is sent once."""

from collections.abc import Callable

from flow.records import Record
from notify.mailboxes import record_of
from roles.test_courier import Office, at_work, opened
from roles.test_courier_quiet_hours import HOUR, OFFICE, paris
from roles.test_courier_quiet_hours import opened as opened_now

from schemas.alert import Alert, Severity
from worker.flow.policy import IntakePolicy
from worker.notify import planning
from worker.notify.planning import Planner
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree

MakeAlert = Callable[..., Alert]

ALERTS, RESTARTS = 500, 20


def planner(*routes: dict[str, object]) -> Planner:
    known = {name: Receiver(name, {"email": [f"{name}@example.org"]}) for name in ("care", "lyon")}
    root = RootRoute.model_validate({"receivers": ["care"], "routes": [*routes]})
    return Planner("email", Routing(tree(root), known, {}), ["opened"], IntakePolicy())


def take_over(office: Office, before: Office) -> None:
    """Let an office go on with the rows of another one, at that one's time."""
    office.clock.move_to(before.clock.now())
    office.rows.rows = dict(before.rows.rows)
    office.regain()


async def test_twenty_restarts_with_five_hundred_alerts_send_nothing_again(make_alert: MakeAlert) -> None:
    records = [opened(make_alert, number) for number in range(ALERTS)]
    async with at_work(planner=planner()) as office:
        office.plan(*records)
        for _ in range(10):
            await office.settle()
        assert len({*office.channel.accepted}) == len(office.channel.tried) == ALERTS
        before = office
    for _ in range(RESTARTS):
        async with at_work(planner=planner()) as office:
            take_over(office, before)
            # The last ones are read again, as after a crash.
            assert planning.plan(records[-100:], office.planner, office.rows.rows.get).outputs == []
            office.plan(*records[-100:])
            await office.pass_on(HOUR)
            assert (office.channel.tried, office.log) == ([], [])
            before = office


async def test_after_a_change_of_the_routes_only_new_steps_go_by_them_and_the_log_names_the_route(
    make_alert: MakeAlert,
) -> None:
    records = [opened(make_alert, number, segment="fr/lyon" if number % 2 else "fr/nice") for number in range(10)]
    async with at_work(planner=planner()) as before:
        before.plan(*records)
        await before.settle()
        assert len(before.channel.accepted) == 10
    async with at_work(planner=planner({"name": "lyon", "segment": "fr/lyon", "receivers": ["lyon"]})) as office:
        take_over(office, before)
        await office.pass_on(HOUR)
        assert office.channel.tried == []

        office.plan(*(again(make_alert, number) for number in (2, 3)))
        await office.settle()
        assert sorted(office.channel.sent) == [("a-2", ("care@example.org",)), ("a-3", ("lyon@example.org",))]
        assert {(line["alert_id"], line["route"], line["receiver"]) for line in office.log} == {
            ("a-2", "default", "care"),
            ("a-3", "lyon", "lyon"),
        }


def again(make_alert: MakeAlert, number: int) -> Record:
    """Return the record by which an alert is opened again after its customer's answer was corrected twice."""
    segment = "fr/lyon" if number % 2 else "fr/nice"
    alert = make_alert(alert_id=f"a-{number}", response_id=f"r-{number}", segment=segment, revision=2)
    return record_of(alert, f"again-{number}", f"c-{number}".encode(), timestamp=2_000 + number)


async def test_what_waits_for_the_morning_is_sent_then_and_once_though_the_worker_is_killed_three_times(
    make_alert: MakeAlert,
) -> None:
    async with at_work(planner=OFFICE) as office:
        office.clock.move_to(paris("2023-11-15T06:00"))
        office.plan(opened_now(office, make_alert, 0, severity=Severity.WARNING))
        await office.settle()
        before = office
    for hour in ("07:00", "08:00", "08:59"):
        async with at_work(planner=OFFICE) as office:
            take_over(office, before)
            await office.pass_on(paris(f"2023-11-15T{hour}") - office.clock.now())
            assert office.channel.tried == []
            before = office
    async with at_work(planner=OFFICE) as office:
        take_over(office, before)
        await office.pass_on(paris("2023-11-15T09:00") - 1 - office.clock.now())
        assert office.channel.tried == []
        await office.pass_on(1)
        assert office.channel.accepted == ["a-0"]
        before = office
    async with at_work(planner=OFFICE) as office:
        take_over(office, before)
        await office.pass_on(72 * HOUR)
        assert office.channel.tried == []
