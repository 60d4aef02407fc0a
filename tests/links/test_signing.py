"""Links are made by whoever has a key, for one action, one alert and one time, and cannot be changed."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer
from notify.conftest import make_alert
from pydantic import SecretStr

from schemas.alert import Alert, AlertAction
from schemas.alert_command import CommandAction
from schemas.case import CaseState, CaseStep
from schemas.examples import CASE
from worker.flow.timestamps import DAY, LATEST, to_ms
from worker.links.signing import ACTIONS, Link, Links, Refusal

__all__ = ["make_alert"]

OLD, NEW, OTHER = (SecretStr(letter * 32) for letter in "onx")
NOW = to_ms(datetime(2026, 3, 2, 8, 14, tzinfo=UTC))
LINKS = Links((NEW,), 30, "https://nps.example.com/care")
LINK = Link(CommandAction.ACKNOWLEDGE, "ed460635-189f-52c8-ac33-f415c251d021", NOW, "Lyon")
#: What a token may be made of.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


@given(
    action=st.sampled_from(ACTIONS),
    alert_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=200),
    at=st.integers(0, LATEST - DAY),
    receiver=st.text(st.characters(codec="utf-8"), max_size=100),
    opening=st.none() | st.integers(1, 2**31 - 1),
)
def test_a_link_says_what_was_signed_in_characters_that_every_program_keeps(
    action: CommandAction, alert_id: str, at: int, receiver: str, opening: int | None
) -> None:
    link = Link(action, alert_id, at, receiver, opening)
    token = LINKS.token(link)

    assert LINKS.read(action, token, at) == link
    assert set(token) <= set(LETTERS)
    assert LINKS.url(link) == f"https://nps.example.com/care/{action.value}/{token}"


def test_equal_input_gives_equal_links_and_each_action_another_one() -> None:
    assert LINKS.token(LINK) == Links((NEW,), 30).token(LINK)
    assert len({LINKS.token(LINK._replace(action=action)) for action in ACTIONS}) == len(ACTIONS)


def test_no_byte_can_be_changed_added_or_left_out() -> None:
    token = LINKS.token(LINK)
    others = {
        *(token[:place] + letter + token[place + 1 :] for place in range(len(token)) for letter in LETTERS),
        *(token[:place] + letter + token[place:] for place in range(len(token) + 1) for letter in LETTERS + "=~ é\0"),
        *(token[:place] + token[place + 1 :] for place in range(len(token))),
        *(token[:length] for length in range(len(token))),
    } - {token}

    assert [other for other in others if LINKS.read(LINK.action, other, NOW) is not Refusal.INVALID] == []
    assert len(others) > 15_000


def test_a_link_of_one_action_is_none_of_another() -> None:
    assert LINKS.read(CommandAction.RESOLVE, LINKS.token(LINK), NOW) is Refusal.INVALID


def test_the_first_key_signs_and_all_keys_are_accepted_as_long_as_they_are_there() -> None:
    before, during, after = (Links(keys, 30) for keys in ((OLD,), (NEW, OLD), (NEW,)))
    old, new = before.token(LINK), during.token(LINK)

    assert new == after.token(LINK) != old
    assert during.read(LINK.action, old, NOW) == during.read(LINK.action, new, NOW) == LINK
    assert after.read(LINK.action, old, NOW) is Refusal.INVALID
    assert Links((OTHER,), 30).read(LINK.action, new, NOW) is Refusal.INVALID


@pytest.mark.parametrize(
    ("after", "is_link"),
    [(-DAY, True), (0, True), (30 * DAY, True), (30 * DAY + 1_000, False), (400 * DAY, False), (-DAY - 1_000, False)],
)
def test_a_link_can_be_used_for_some_days_and_the_clock_may_be_late(after: int, is_link: bool) -> None:
    for keys in ((NEW,), (NEW, OLD), (OLD, NEW)):
        read = Links(keys, 30).read(LINK.action, LINKS.token(LINK), NOW + after)
        assert read == (LINK if is_link else Refusal.EXPIRED)


@pytest.mark.parametrize("payload", [{}, [], ["a", 1], ["a", "1", "b"], [1, 1, "b"], "a", None, ["a", 1, "b", "c"]])
def test_what_another_version_has_signed_is_no_link(payload: object) -> None:
    serializer = LINKS._serializer(LINK.action, NOW)
    assert isinstance(serializer, URLSafeTimedSerializer)

    assert LINKS.read(LINK.action, str(serializer.dumps(payload)), NOW) is Refusal.INVALID


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é", "\ud800", "=.=.=", "A" * 1_000_000])
def test_what_is_no_token_is_no_link(token: str) -> None:
    assert LINKS.read(LINK.action, token, NOW) is Refusal.INVALID


def test_an_alert_has_a_link_for_each_action_and_none_once_it_is_withdrawn(make_alert: Callable[..., Alert]) -> None:
    alert = make_alert()
    urls = LINKS.of(alert, "Lyon")

    assert list(urls) == list(ACTIONS)
    for action, url in urls.items():
        token = url.removeprefix(f"https://nps.example.com/care/{action.value}/")
        at = to_ms(alert.occurred_at)
        assert LINKS.read(action, token, at) == Link(action, alert.alert_id, at, "Lyon")
    assert LINKS.of(make_alert(action=AlertAction.WITHDRAWN), "Lyon") == {}


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (CaseState.OPEN, list(ACTIONS)),
        (CaseState.ACKNOWLEDGED, [CommandAction.RESOLVE]),
        (CaseState.RESOLVED, []),
        (CaseState.WITHDRAWN, []),
    ],
)
def test_a_reminder_has_links_for_what_is_left_to_do_in_this_opening(
    state: CaseState, actions: list[CommandAction]
) -> None:
    step = CaseStep.model_validate(CASE | {"state": state, "opening": 3}, strict=False)
    urls = LINKS.of(step, "Lyon")
    at = to_ms(step.occurred_at)

    assert list(urls) == actions
    for action, url in urls.items():
        assert LINKS.read(action, url.rpartition("/")[2], at) == Link(action, step.alert_id, at, "Lyon", 3)


def test_no_key_is_shown() -> None:
    assert NEW.get_secret_value() not in repr(LINKS)
