"""Where a mail goes if the settings have changed since it was planned."""

from collections.abc import Callable

import pytest
from notify.mailboxes import DEFAULT, pending

from schemas.alert import Alert
from worker.notify.channels.email.route import EmailRoute
from worker.notify.receivers import NobodyLeft, addressed
from worker.notify.routing import Route

MakeAlert = Callable[..., Alert]

DESK = EmailRoute(name="desk", segment="fr", to=["a@x.org", "B@x.org"])


def test_a_mail_goes_to_the_receivers_its_route_has_today(make_alert: MakeAlert) -> None:
    assert addressed(pending(route="desk"), make_alert(), [], [DESK, DEFAULT]) == (DESK, ["a@x.org", "B@x.org"])


def test_a_retry_goes_to_those_who_have_not_got_it_and_still_are_receivers(make_alert: MakeAlert) -> None:
    mail = pending(route="desk", left=["b@x.org", "gone@x.org"])

    assert addressed(mail, make_alert(), [mail], [DESK, DEFAULT]) == (DESK, ["b@x.org"])


def test_how_receivers_are_spelled_is_the_channels_affair(make_alert: MakeAlert) -> None:
    hook = Route(name="hook", to=["https://chat.example/Room", "https://chat.example/room"])
    mail = pending(route="hook", left=["https://chat.example/Room", "https://chat.example/ROOM"])

    assert addressed(mail, make_alert(), [mail], [hook]) == (hook, ["https://chat.example/Room"])


def test_who_was_taken_out_of_the_settings_gets_nothing(make_alert: MakeAlert) -> None:
    with pytest.raises(NobodyLeft, match="receivers_removed"):
        addressed(pending(route="desk", left=["gone@x.org"]), make_alert(), [], [DESK, DEFAULT])


def test_if_its_route_was_renamed_a_mail_takes_the_route_of_today(make_alert: MakeAlert) -> None:
    assert addressed(pending(route="old"), make_alert(), [], [DESK, DEFAULT]).route == DESK
    assert addressed(pending(route="old"), make_alert(segment="de"), [], [DESK, DEFAULT]).route == DEFAULT


def test_and_of_its_receivers_those_who_have_not_got_it(make_alert: MakeAlert) -> None:
    assert addressed(pending(route="old", left=["b@x.org"]), make_alert(), [], [DESK]).receivers == ["b@x.org"]
    assert addressed(pending(route="old", left=["c@x.org"]), make_alert(), [], [DESK]).receivers == DESK.to


def test_but_no_route_that_has_a_mail_about_the_same_step(make_alert: MakeAlert) -> None:
    on = EmailRoute(name="desk", segment="fr", to=["a@x.org"], then_continue=True)
    mail, other = pending(route="old"), pending(delivery_id="d-2", route="desk")

    assert addressed(mail, make_alert(), [mail, other], [on, DEFAULT]).route == DEFAULT
    with pytest.raises(NobodyLeft, match="route_removed"):
        addressed(mail, make_alert(), [mail, other], [DESK, DEFAULT])


def test_a_mail_about_another_alert_or_step_takes_no_route_away(make_alert: MakeAlert) -> None:
    mail = pending(route="old", action="updated")
    others = [pending(route="desk", alert_id="other"), pending(route="desk", planned=1), pending(route="desk")]

    assert addressed(mail, make_alert(), [mail, *others], [DESK, DEFAULT]).route == DESK
