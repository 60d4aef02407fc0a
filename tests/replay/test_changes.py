"""Which settings differ, which of them are tried, and which receivers of two configurations are the same."""

from typing import Any

import pytest
from replay.scene import by_tree

from worker.notify.channels.email.route import EmailRoute
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.replay.changes import changes, receivers
from worker.replay.command import rules_of
from worker.replay.comparing import Place
from worker.routing.receiver import ReceiverSettings
from worker.settings import EmailSettings, Settings

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


def webhook(**endpoints: str) -> WebhookSettings:
    found = {name: {"url": f"https://{url}", "secrets": [SECRET]} for name, url in endpoints.items()}
    return WebhookSettings.model_validate({"endpoints": found})


@pytest.mark.parametrize(
    ("sections", "tried", "not_tried"),
    [
        ({}, [], []),
        ({"alerts": {"max_age_days": 3.0}}, ["alerts.max_age_days"], []),
        ({"intake": {"max_ahead_hours": 3.0}}, ["intake.max_ahead_hours"], []),
        ({"invitations": {"quarantine_days": 3}}, [], ["invitations.quarantine_days"]),
        ({"smtp": {"password": "kanarienvogel"}}, [], ["smtp.password"]),
        ({"email": {"to": ["a@example.org"], "sender": "b@example.org"}}, ["email.to"], ["email.sender"]),
        ({"email": {"actions": ["opened"]}}, ["email.actions"], []),
        ({"webhook": {"actions": ["worse"]}}, ["webhook.actions"], []),
        ({"calendars": {}}, ["calendars.office"], []),
        ({"route": {"service_level": "x"}}, [], ["route.service_level"]),
        ({"topic_prefix": "other", "kafka": {"group": "other"}}, [], ["topic_prefix", "kafka.group"]),
    ],
)
def test_each_setting_that_differs_is_named_and_whether_it_is_tried(
    sections: dict[str, Any], tried: list[str], not_tried: list[str]
) -> None:
    current = by_tree().model_dump()
    new = dict(current)
    for name, section in sections.items():
        new[name] = {**current[name], **section} if isinstance(section, dict) and section else section
    found = changes(current, new)

    assert (found.tried, found.not_tried) == (tried, not_tried)
    assert found.decides_again is any(key.startswith(("alerts", "intake")) for key in tried)


def test_of_a_receiver_its_look_is_not_tried_and_of_an_endpoint_only_whether_it_is_there() -> None:
    current = by_tree(webhook=webhook(crm="a.example.org", old="o.example.org"))
    new = by_tree(
        webhook=webhook(crm="b.example.org", new="n.example.org"),
        receivers={**current.receivers, "lyon": ReceiverSettings(email=["l@example.org"], language="fr")},
    )
    found = changes(current.model_dump(), new.model_dump())

    assert found.not_tried == ["webhook.endpoints.crm.url", "receivers.lyon.language"]
    assert found.tried == ["webhook.endpoints.old", "webhook.endpoints.new", "receivers.lyon.email"]


def test_receivers_match_by_their_names_or_else_by_their_addresses() -> None:
    routes = [EmailRoute(name="lyon", to=["lyon@example.org", "b@example.org"])]
    flat = Settings.model_construct(email=EmailSettings(to=["Support@Example.org"], routes=routes))
    found = receivers(rules_of(flat).planners, rules_of(by_tree()).planners)

    assert found.names == {Place("email", "default"): "support"}
    assert found.moved == [Place("email", "lyon")]


def test_receivers_that_share_their_addresses_do_not_match() -> None:
    same = ["care@example.org"]
    one = by_tree(receivers={"a": ReceiverSettings(email=same)}, route=None)
    two = by_tree(receivers={"b": ReceiverSettings(email=same), "c": ReceiverSettings(email=same)}, route=None)
    planners = [rules_of(by_tree({"receivers": []}, receivers=each.receivers)).planners for each in (one, two)]

    assert receivers(planners[0], planners[1]).names == {}
    assert receivers(planners[1], planners[0]).names == {}
