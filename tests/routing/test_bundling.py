"""How a receiver says that its mails are bundled, and which notices are one group."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.alert import Severity
from worker.routing.bundling import Bundling
from worker.routing.receiver import ReceiverSettings
from worker.routing.routable import Routable

EVENT = Routable("detractor", "fr/lyon", Severity.ERROR, survey="s", tier=None)


def settings(**more: Any) -> ReceiverSettings:
    return ReceiverSettings.model_validate({"email": ["desk@example.org"]} | more)


def test_by_default_each_notice_is_a_mail_of_its_own() -> None:
    assert settings().bundling is None


@pytest.mark.parametrize(
    ("given", "bundling"),
    [
        ({"mails_per_hour": 10}, Bundling(10)),
        ({"mails_per_hour": 10, "critical_per_hour": 0, "group_interval_seconds": 60}, Bundling(10, 0, (), 0, 60_000)),
        ({"group_by": ["segment", "tier"]}, Bundling(None, 5, ("segment", "tier"))),
        ({"group_wait_seconds": 0.5}, Bundling(None, 5, (), 500)),
    ],
)
def test_each_of_three_settings_gives_a_receiver_a_plan(given: dict[str, Any], bundling: Bundling) -> None:
    assert settings(**given).bundling == bundling


@pytest.mark.parametrize(
    ("given", "mails", "posts"),
    [
        ({"notices_per_hour": 10}, Bundling(10), Bundling(10)),
        ({"mails_per_hour": 10}, Bundling(10), None),
        ({"notices_per_hour": 10, "mails_per_hour": 3, "critical_per_hour": 1}, Bundling(3, 1), Bundling(10, 1)),
        ({"mails_per_hour": 3, "group_wait_seconds": 1}, Bundling(3, group_wait=1_000), Bundling(group_wait=1_000)),
    ],
)
def test_one_cap_is_for_every_channel_and_another_one_for_mails_alone(
    given: dict[str, Any], mails: Bundling, posts: Bundling | None
) -> None:
    receiver = settings(**given, chat="room")
    assert (receiver.bundling, receiver.bundling_of_posts) == (mails, posts)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"critical_per_hour": 3}, "critical_per_hour needs mails_per_hour"),
        ({"group_interval_seconds": 60}, "group_interval_seconds needs mails_per_hour"),
        ({"group_by": ["segment", "segment"]}, "group_by names a property twice"),
        ({"group_by": ["comment"]}, "Input should be 'segment'"),
        ({"mails_per_hour": 5, "email": [], "chat": "room"}, "is about mails, and needs email"),
        ({"mails_per_hour": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_without_effect_are_errors(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**given)


def test_a_group_is_what_is_equal_in_the_properties_that_are_named() -> None:
    by = Bundling(group_by=("segment", "tier"))
    assert by.group_of(EVENT) == by.group_of(EVENT._replace(survey="other"))
    assert by.group_of(EVENT) != by.group_of(EVENT._replace(tier="vip"))
    assert Bundling().group_of(EVENT) == Bundling().group_of(EVENT._replace(segment="de"))


def test_the_name_of_a_group_is_short_however_long_its_values_are() -> None:
    by = Bundling(group_by=("segment",))
    assert len(by.group_of(EVENT._replace(segment="x" * 800))) == len(by.group_of(EVENT))
