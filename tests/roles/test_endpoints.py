"""A channel whose receivers have servers of their own: one that is out holds back no other, and erasures come last."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

import pytest
from flow.records import Record
from notify.bundles import MINUTE, ONE, Desk, desk, planner_of
from roles.test_courier import MINUTES, at_work, opened

from schemas.alert import Alert
from schemas.erasure import Erasure
from worker.errors import DeliveryError
from worker.flow.policy import IntakePolicy
from worker.notify import forwarded, mailbox, planning
from worker.notify.channel import Wording
from worker.notify.digest import Content, Digest
from worker.notify.planning import Planner
from worker.notify.receivers import Address
from worker.routing.flat import FlatRoute, flat_routing

MakeAlert = Callable[..., Alert]

AWAY = DeliveryError("refused", retry=True, unavailable=True, hint="webhook crm: the connection was refused")
BUSY = DeliveryError("http_429", retry=True, unavailable=True, retry_after=7.0, limits_rate=True)
LATER = DeliveryError("http_500", retry=True, retry_after=400.0)


def erasure(offset: int, key: bytes = b"c-0") -> Record:
    """Return the record by which a customer is erased."""
    return Record(None, key, offset=offset, topic="nps.alerts")


def planner(*endpoints: str) -> Planner:
    routes = [FlatRoute(name=name, to=[name], then_continue=True) for name in endpoints]
    return Planner("webhook", flat_routing(routes, "webhook"), ["opened"], IntakePolicy(), reports_erasures=True)


class Endpoints:
    """A channel with an endpoint for each route, each of which answers as a test says."""

    connections = most_connections = 2
    wording = Wording(
        one="event", many="events", server="the endpoint", refuses_all="it refuses everything", slow_setting="seconds"
    )

    def __init__(self, *names: str) -> None:
        self.names = names
        self.errors: dict[str, DeliveryError] = {}
        #: What each endpoint was tried with: the ids of alerts, or "erased" and the customer.
        self.tried: dict[str, list[str]] = defaultdict(list)
        self.accepted: dict[str, list[str]] = defaultdict(list)
        self.gates: dict[str, asyncio.Event] = {}

    def server_of(self, route: str) -> str:
        return route if route in self.names else ""

    async def send(self, notice: Content, address: Address, delivery_id: str, begun: Callable[[], None]) -> None:
        assert delivery_id
        name = address.receiver.name
        if isinstance(notice, Digest):
            what = "digest"
        else:
            what = f"erased {notice.customer_id}" if isinstance(notice, Erasure) else notice.alert_id
        self.tried[name].append(what)
        if (gate := self.gates.get(what)) is not None:
            await gate.wait()
        if (error := self.errors.get(name)) is not None:
            raise error
        begun()
        self.accepted[name].append(what)

    async def aclose(self) -> None:
        pass


async def test_an_endpoint_that_is_away_holds_back_nobody_else(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints = Endpoints("crm", "bi")
    endpoints.errors["crm"] = AWAY
    async with at_work(channel=endpoints, planner=planner("crm", "bi")) as office:
        with caplog.at_level(logging.INFO):
            office.plan(*(opened(make_alert, number) for number in range(20)))
            await office.settle()

            assert sorted(endpoints.accepted["bi"]) == sorted(f"a-{number}" for number in range(20))
            assert len(endpoints.tried["crm"]) == 2
            assert "events wait, since the endpoint crm cannot be used: refused" in caplog.text

            endpoints.errors.clear()
            await office.pass_on(1_000)
            assert len(endpoints.accepted["crm"]) == 20
            assert "the endpoint crm can be used again" in caplog.messages
            assert "the endpoint bi" not in caplog.text


async def test_an_endpoint_that_fails_is_a_line_and_not_one_for_each_event_and_attempt(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints = Endpoints("crm", "bi")
    endpoints.errors = {"crm": DeliveryError("http_500", retry=True), "bi": DeliveryError("http_403", retry=False)}
    async with at_work(channel=endpoints, planner=planner("crm", "bi")) as office:
        office.plan(*(opened(make_alert, number) for number in range(5)))
        await office.settle()
        assert (len(endpoints.tried["crm"]), len(endpoints.tried["bi"])) == (5, 4)

        said = [text.partition(" was not accepted")[0].partition(" cannot be used")[0] for text in caplog.messages]
        assert len(said) == 3
        assert "events wait, since the endpoint bi" in said


async def test_an_endpoint_that_limits_its_rate_gets_one_request_after_the_time_that_it_asked_for(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    endpoints = Endpoints("crm")
    endpoints.errors["crm"] = BUSY
    endpoints.gates["a-1"] = asyncio.Event()
    async with at_work(channel=endpoints, planner=planner("crm")) as office:
        with caplog.at_level(logging.INFO):
            office.plan(*(opened(make_alert, number) for number in range(6)))
            await office.settle()
            endpoints.errors.clear()
            endpoints.gates["a-1"].set()
            await office.settle()
            assert (endpoints.tried["crm"], endpoints.accepted["crm"]) == (["a-0", "a-1"], ["a-1"])

            await office.pass_on(6_999)
            assert len(endpoints.tried["crm"]) == 2
            await office.pass_on(1)
            assert len(endpoints.accepted["crm"]) == 6
        assert not any("cannot be used" in text or "used again" in text for text in caplog.messages)


async def test_an_endpoint_that_asks_for_time_gets_it_and_the_others_do_not_wait(make_alert: MakeAlert) -> None:
    endpoints = Endpoints("care", "ops")
    endpoints.errors["care"] = BUSY
    async with at_work(channel=endpoints, planner=planner("care", "ops")) as office, at_work() as mails:
        office.plan(*(opened(make_alert, number) for number in range(5)))
        mails.plan(opened(make_alert, 9))
        await office.settle()
        tried = list(endpoints.tried["care"])
        endpoints.errors.clear()

        await office.pass_on(6_999)
        assert endpoints.tried["care"] == tried
        assert len(endpoints.accepted["ops"]) == 5
        assert mails.statuses() == ["sent"]
        assert {line["route"] for line in office.log} == {"ops"}, "no notice is to blame"

        await office.pass_on(1)
        assert sorted(endpoints.accepted["care"]) == [f"a-{number}" for number in range(5)]
        assert {line["attempt"] for line in office.log} == {1}


async def test_a_notice_is_deferred_for_as_long_as_the_endpoint_asks_for(make_alert: MakeAlert) -> None:
    endpoints = Endpoints("crm")
    endpoints.errors["crm"] = LATER
    async with at_work(channel=endpoints, planner=planner("crm")) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        endpoints.errors.clear()

        await office.pass_on(400_000 - 1)
        assert office.statuses() == ["deferred"]
        await office.pass_on(1)
        assert office.statuses() == ["deferred", "sent"]


async def test_an_endpoint_that_was_removed_gets_nothing_more(make_alert: MakeAlert) -> None:
    endpoints = Endpoints("crm", "bi")
    endpoints.errors["crm"] = AWAY
    async with at_work(channel=endpoints, planner=planner("crm", "bi")) as before:
        before.plan(opened(make_alert, 0))
        await before.settle()
        rows = before.rows

    left = Endpoints("bi")
    async with at_work(channel=left, planner=planner("bi")) as after:
        after.rows.rows |= rows.rows
        after.courier.on_rows(0, after.rows.rows)
        await after.settle()

        assert [(line["route"], line["status"], line["reason"]) for line in after.log] == [
            ("crm", "cancelled", "route_removed")
        ]
        assert left.tried == {}


async def test_an_endpoint_that_was_renamed_gets_what_waited(make_alert: MakeAlert) -> None:
    endpoints = Endpoints("crm")
    endpoints.errors["crm"] = AWAY
    async with at_work(channel=endpoints, planner=planner("crm")) as before:
        before.plan(opened(make_alert, 0), erasure(1, key=b"c-9"))
        await before.settle()
        rows = before.rows

    renamed = Endpoints("crm2")
    async with at_work(channel=renamed, planner=planner("crm2")) as after:
        after.rows.rows |= rows.rows
        after.courier.on_rows(0, after.rows.rows)
        await after.settle()

        assert sorted(renamed.accepted["crm2"]) == ["a-0", "erased c-9"]
        assert not any(map(mailbox.is_erasure, after.rows.rows))


async def test_an_erasure_comes_after_what_is_in_flight_about_the_customer(make_alert: MakeAlert) -> None:
    endpoints = Endpoints("crm", "bi")
    gate = endpoints.gates["a-0"] = asyncio.Event()
    async with at_work(channel=endpoints, planner=planner("crm", "bi")) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.plan(erasure(1))
        await office.settle()
        assert endpoints.tried == {"crm": ["a-0"], "bi": ["a-0"]}

        gate.set()
        await office.settle()
        assert endpoints.accepted == {"crm": ["a-0", "erased c-0"], "bi": ["a-0", "erased c-0"]}
        assert office.rows.rows == {}, "nothing is left about the customer"


async def test_an_erasure_comes_after_a_digest_in_flight_which_may_list_the_customer(make_alert: MakeAlert) -> None:
    endpoints, place = Endpoints("desk"), Desk(planner=planner_of(desk(channel="webhook"), channel="webhook"))
    gate = endpoints.gates["digest"] = asyncio.Event()
    for number in range(5):
        place.alert(number)
    place.deliver()
    place.wait(5 * MINUTE)
    async with at_work(channel=endpoints, planner=place.planner, more={"members": place.members}) as office:
        office.rows.rows = dict(place.plans)
        office.courier.on_rows(0, office.rows.rows)
        await office.settle()
        assert endpoints.tried["desk"] == ["digest"]
        reporting = planning.plan([erasure(1, b"c-4")], planner("desk"), lambda _: None)
        office._apply(reporting.rows)
        office.courier.on_rows(0, reporting.rows)
        await office.settle()
        assert endpoints.tried["desk"] == ["digest"]

        gate.set()
        await office.settle()
    assert endpoints.accepted["desk"] == ["digest", "erased c-4"]


async def test_with_plans_an_erasure_is_handed_over_after_what_is_in_flight_about_the_customer(
    make_alert: MakeAlert,
) -> None:
    endpoints = Endpoints("crm")
    gate = endpoints.gates["a-0"] = asyncio.Event()
    async with at_work(channel=endpoints, planner=planner("crm"), more={"spread": ONE}) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.plan(erasure(1))
        await office.settle()
        assert office.notices == []

        gate.set()
        await office.settle()
        assert endpoints.accepted == {"crm": ["a-0"]}
        [(_, key, value)] = office.notices
        held = forwarded.read_held(Record(value))
        assert (key, held.key, held.mail.status) == (forwarded.HELD_KEY, mailbox.erasure_key(b"c-0"), "pending")
        assert office.rows.rows == {}, "nothing is left about the customer"
        assert [(line["status"], line["reason"]) for line in office.log][-1] == ("deferred", "handed_over")


async def test_an_erasure_waits_for_every_endpoint_and_then_leaves_no_row(make_alert: MakeAlert) -> None:
    endpoints = Endpoints("crm", "bi")
    endpoints.errors["crm"] = AWAY
    async with at_work(channel=endpoints, planner=planner("crm", "bi")) as office:
        office.plan(opened(make_alert, 0))
        await office.settle()
        office.plan(erasure(1))
        await office.settle()

        assert endpoints.accepted == {"bi": ["a-0", "erased c-0"]}
        assert all(mailbox.is_erasure(key) for key in office.rows.rows)
        assert all(b"Marie" not in row for row in office.rows.rows.values())

        endpoints.errors.clear()
        await office.pass_on(MINUTES)
        assert endpoints.accepted["crm"] == ["erased c-0"], "the alert that waited is erased, and not sent"
        assert office.rows.rows == {}


async def test_the_delivery_log_does_not_name_the_erased_customer() -> None:
    async with at_work(channel=Endpoints("crm"), planner=planner("crm")) as office:
        office.plan(erasure(1))
        await office.settle()

        [line] = office.log
        assert (line["route"], line["status"], line["reason"]) == ("crm", "sent", "accepted")
        assert "c-0" not in str(line)
