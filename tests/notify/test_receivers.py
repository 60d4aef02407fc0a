"""Where a mail goes if the settings have changed since it was planned."""

from collections.abc import Callable, Sequence

import pytest
from notify.mailboxes import DEFAULT, pending, planner

from schemas.alert import Alert
from worker.flow.policy import IntakePolicy
from worker.notify.channels.email.route import EmailRoute
from worker.notify.mailbox import Mail
from worker.notify.planning import Planner
from worker.notify.receivers import NobodyLeft, addressed
from worker.routing.flat import FlatRoute, flat_routing
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, Route, tree

MakeAlert = Callable[..., Alert]

DESK = EmailRoute(name="desk", segment="fr", to=["a@x.org", "B@x.org"])


def found(mail: Mail, alert: Alert, mails: Sequence[Mail], routes: Sequence[FlatRoute]) -> tuple[str, str, list[str]]:
    """Return the receiver, the route and the addresses of a mail."""
    address = addressed(mail, alert, mails, planner(*routes))
    return address.receiver.name, address.route, address.targets


def test_a_mail_goes_to_the_addresses_its_receiver_has_today(make_alert: MakeAlert) -> None:
    mail = pending(route="desk")

    assert found(mail, make_alert(), [], [DESK, DEFAULT]) == ("desk", "desk", ["a@x.org", "B@x.org"])


def test_a_retry_goes_to_those_who_have_not_got_it_and_still_are_receivers(make_alert: MakeAlert) -> None:
    mail = pending(route="desk", left=["b@x.org", "gone@x.org"])

    assert found(mail, make_alert(), [mail], [DESK, DEFAULT]) == ("desk", "desk", ["b@x.org"])


def test_how_addresses_are_spelled_is_the_channels_affair(make_alert: MakeAlert) -> None:
    rooms = ["https://chat.example/Room", "https://chat.example/room"]
    mail = pending(route="hook", left=["https://chat.example/Room", "https://chat.example/ROOM"])
    chat = Planner("chat", flat_routing([FlatRoute(name="hook", to=rooms)], "chat"), ["opened"], IntakePolicy())

    assert addressed(mail, make_alert(), [mail], chat).targets == ["https://chat.example/Room"]


def test_who_was_taken_out_of_the_settings_gets_nothing(make_alert: MakeAlert) -> None:
    with pytest.raises(NobodyLeft, match="receivers_removed"):
        found(pending(route="desk", left=["gone@x.org"]), make_alert(), [], [DESK, DEFAULT])


def test_a_receiver_that_does_not_use_the_channel_any_more_gets_nothing_by_it(make_alert: MakeAlert) -> None:
    root = tree(RootRoute(receivers=["desk"]))
    by_chat = Routing(root, {"desk": Receiver("desk", {"chat": ["Care"]})}, {})

    with pytest.raises(NobodyLeft, match="receivers_removed"):
        addressed(pending(route="desk"), make_alert(), [], Planner("email", by_chat, ["opened"], IntakePolicy()))


def test_if_its_route_was_renamed_a_mail_takes_the_route_of_today(make_alert: MakeAlert) -> None:
    assert found(pending(route="old"), make_alert(), [], [DESK, DEFAULT])[0] == "desk"
    assert found(pending(route="old"), make_alert(segment="de"), [], [DESK, DEFAULT])[0] == "default"


def test_and_of_its_receivers_those_who_have_not_got_it(make_alert: MakeAlert) -> None:
    assert found(pending(route="old", left=["b@x.org"]), make_alert(), [], [DESK])[2] == ["b@x.org"]
    assert found(pending(route="old", left=["c@x.org"]), make_alert(), [], [DESK])[2] == DESK.to


def test_but_no_receiver_that_has_a_mail_about_the_same_step(make_alert: MakeAlert) -> None:
    on = EmailRoute(name="desk", segment="fr", to=["a@x.org"], then_continue=True)
    mail, other = pending(route="old"), pending(delivery_id="d-2", route="desk")

    assert found(mail, make_alert(), [mail, other], [on, DEFAULT])[0] == "default"
    with pytest.raises(NobodyLeft, match="route_removed"):
        found(mail, make_alert(), [mail, other], [DESK, DEFAULT])


def test_a_mail_about_another_alert_or_step_takes_no_receiver_away(make_alert: MakeAlert) -> None:
    mail = pending(route="old", action="updated")
    others = [pending(route="desk", alert_id="other"), pending(route="desk", planned=1), pending(route="desk")]

    assert found(mail, make_alert(), [mail, *others], [DESK, DEFAULT])[0] == "desk"


def test_a_mail_finds_its_receiver_by_name_whatever_route_names_it_today(make_alert: MakeAlert) -> None:
    by_tree = Routing(
        tree(RootRoute(receivers=["care"], routes=[Route(name="lyon", segment="fr", receivers=["care"])])),
        {"care": Receiver("care", {"email": ["new@x.org"]})},
        {},
    )
    mail = pending(route="paris", receiver="care")
    address = addressed(mail, make_alert(), [], Planner("email", by_tree, ["opened"], IntakePolicy()))

    assert (address.receiver.name, address.route, address.targets) == ("care", "paris", ["new@x.org"])
