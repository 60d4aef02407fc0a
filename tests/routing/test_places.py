"""A channel with endpoints: each gets a notice once, if a receiver gets it who names the endpoint."""

from dataclasses import replace
from typing import Any

from routing.test_tree import EVENT, TREE, routing

from worker.routing.bundling import Bundling
from worker.routing.calendar import Calendar, calendar_of
from worker.routing.hours import CalendarSettings
from worker.routing.places import by_place
from worker.routing.routable import Routable
from worker.routing.routing import Routing

OFFICE = calendar_of(CalendarSettings(time_zone="Europe/Paris", hours=["mon-fri 09:00-17:00"]))


def with_endpoints(
    root: dict[str, Any], endpoints: dict[str, str], hours: dict[str, Calendar], **owners: str
) -> Routing:
    """Return the routing of a tree whose receivers have these endpoints of the chat, and these calendars."""
    mails = routing(root, **owners)
    receivers = {
        name: replace(
            receiver,
            targets={**receiver.targets, "chat": [endpoints[name]] if name in endpoints else []},
            calendar=hours.get(name),
        )
        for name, receiver in mails.receivers.items()
    }
    return replace(mails, receivers=receivers)


def reached(
    endpoints: dict[str, str], event: Routable = EVENT, root: dict[str, Any] = TREE, **owners: str
) -> list[str]:
    """Return the endpoints that get an event."""
    rooms = by_place(with_endpoints(root, endpoints, {}, **owners), "chat", with_hours=True)
    return [one.receiver.name for one in rooms.decide(event).reached if one.receiver.targets.get("chat")]


def test_an_endpoint_gets_what_its_receiver_gets() -> None:
    assert reached({"boss": "board", "leeds": "uk"}) == ["board"]
    assert reached({"boss": "board", "leeds": "uk"}, EVENT._replace(segment="de")) == ["uk"]
    assert reached({"care": "room"}) == []


def test_an_endpoint_that_several_receivers_name_gets_it_once() -> None:
    assert reached({"boss": "room", "paris": "room"}) == ["room"]


def test_an_account_owner_without_an_endpoint_leaves_it_to_nobody_else() -> None:
    root = {**TREE, "to_owner": True}
    assert reached({"boss": "board", "jean": "jeans"}, root=root, jean="Jean Martin") == ["jeans"]
    assert reached({"boss": "board"}, root=root, jean="Jean Martin") == []


def test_a_room_has_the_hours_on_which_its_receivers_agree_and_a_program_has_none() -> None:
    def calendar(endpoints: dict[str, str], hours: dict[str, Calendar], *, with_hours: bool = True) -> Calendar | None:
        places = by_place(with_endpoints(TREE, endpoints, hours), "chat", with_hours=with_hours)
        return places.receivers["room"].calendar

    both = {"boss": "room", "paris": "room"}
    assert calendar({"boss": "room"}, {"boss": OFFICE}) is OFFICE
    assert calendar(both, {"boss": OFFICE, "paris": OFFICE}) is OFFICE
    assert calendar(both, {"boss": OFFICE}) is None
    assert calendar(both, {"paris": OFFICE}) is None
    assert calendar({**both, "leeds": "room"}, {"boss": OFFICE, "leeds": OFFICE}) is None
    assert calendar({"boss": "room"}, {"boss": OFFICE}, with_hours=False) is None


def test_a_room_has_the_caps_on_which_its_receivers_agree() -> None:
    def caps(*of_receivers: Bundling | None) -> Bundling | None:
        names = ["boss", "paris", "leeds"][: len(of_receivers)]
        mails = with_endpoints(TREE, dict.fromkeys(names, "room"), {})
        receivers = dict(mails.receivers)
        for name, bundling in zip(names, of_receivers, strict=True):
            receivers[name] = replace(receivers[name], bundling_of_posts=bundling, bundling=Bundling(99))
        return by_place(replace(mails, receivers=receivers), "chat", with_hours=True).receivers["room"].bundling

    assert caps(Bundling(5)) == Bundling(5)
    assert caps(Bundling(5), Bundling(5)) == Bundling(5)
    assert caps(Bundling(5), None) is None
    assert caps(None, Bundling(5)) is None
    assert caps(Bundling(5), Bundling(6), Bundling(5)) is None


def test_the_routing_of_mails_stays_as_it_was() -> None:
    mails = with_endpoints(TREE, {"boss": "board"}, {})
    by_place(mails, "chat", with_hours=True)

    assert [one.receiver.name for one in mails.decide(EVENT).reached] == ["boss", "paris"]
