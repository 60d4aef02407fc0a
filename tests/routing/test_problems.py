"""Names that do not exist, and routes, receivers and calendars in vain."""

from pathlib import Path

import pytest

from worker.errors import SettingsError
from worker.routing.bundling import Bundling
from worker.settings import load

BASE = """
[receivers.care]
email = ["care@example.org"]
[receivers.lyon]
email = ["lyon@example.org"]
"""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wrong(text: str, base: str = BASE) -> list[str]:
    """Return what is wrong with settings, or else what is in vain in them."""
    Path("worker.toml").write_text(base + text)
    try:
        return load().vain_receivers()
    except SettingsError as error:
        return error.problems


def route(name: str, *lines: str) -> str:
    return "\n".join(["[[route.routes]]", f'name = "{name}"', *lines, ""])


ROOT = '[route]\nreceivers = ["care"]\n'
LYON = 'receivers = ["lyon"]'


@pytest.mark.parametrize("text", ['[route]\nservice_level = "fast"', route("a", 'segment = "fr"')])
def test_routes_without_any_receiver_are_refused(text: str) -> None:
    levels = "[service_levels.fast]\nacknowledge_within_minutes = 5\n"
    assert wrong(levels + text, base="")[0].startswith("route: there are no receivers, so nobody would get a mail")


def test_a_tree_that_reaches_everybody_has_no_problems() -> None:
    assert wrong(ROOT + route("lyon", 'segment = "fr/lyon"', LYON)) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('[route]\nreceivers = ["cares"]', ["route.receivers.0: 'cares' is not a receiver; did you mean care?"]),
        ('[route]\nreceivers = ["care", "x"]', ["route.receivers.1: 'x' is not a receiver; these exist: care, lyon"]),
        (
            ROOT + route("a", 'receivers = ["lyn"]') + '[[route.routes.routes]]\nname = "b"\nsegment = "fr"',
            ["route.routes.0.receivers.0: 'lyn' is not a receiver; did you mean lyon?"],
        ),
        (
            '[receivers.boss]\nemail = ["b@x.org"]\ncalendar = "ofice"\n'
            '[calendars.office]\ntime_zone = "Europe/Paris"\nhours = ["mon 09:00-12:00"]\n' + ROOT,
            ["receivers.boss.calendar: 'ofice' is not a calendar; did you mean office?"],
        ),
        (
            (
                '[receivers.a]\nemail = ["a@x.org"]\nowners = ["Jean", "Ann"]\n'
                '[receivers.b]\nemail = ["b@x.org"]\nowners = ["ann "]\n'
            ),
            ["receivers.b.owners.0: receivers.a stands for this owner already"],
        ),
        ("[receivers.boss]\nlanguage = 'fr'", ['receivers.boss: needs a channel: email = ["…"]']),
        (
            "[receivers.boss]\nemail = ['b@x.org']\nquiet_except = []",
            ["receivers.boss: quiet_except needs a calendar"],
        ),
        (
            '[calendars.office]\ntime_zone = "Europe/Paris"\nhours = ["mon 09:00-12:00"]\nholidays = "FR-ZZ"',
            ["calendars.office.holidays: is not a part of 'FR' whose holidays are known: these are 57, "],
        ),
        (
            "[receivers.boss]\nmail = ['b@x.org']",
            ["receivers.boss.mail: is not a setting; did you mean receivers.boss.email?"],
        ),
        (
            ROOT + route("a", 'segmnt = "fr"'),
            ["route.routes.0.segmnt: is not a setting; did you mean route.routes.0.segment?"],
        ),
        ("[receivers.boss]\nemail = 'b@x.org'", ['receivers.boss.email: must be a list, such as ["care@example.com"]']),
        (
            "[calendars.x]\ntime_zone = 'UTC'\nhours = 'mon'",
            ['calendars.x.hours: must be a list, such as ["mon-fri 09:00-17:00"]'],
        ),
        ("[[route]]\nname = 'x'", ["route: "]),
    ],
)
def test_what_the_worker_cannot_start_with_is_named_by_its_key(text: str, lines: list[str]) -> None:
    found = wrong(text)

    assert len(found) >= len(lines)
    assert [line[: len(expected)] for line, expected in zip(found, lines, strict=False)] == lines


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ["receivers.care", "receivers.lyon"]),
        (ROOT, ["receivers.lyon"]),
        (ROOT + route("all", LYON), ["receivers.care"]),
        (ROOT + route("all", LYON) + route("late", 'receivers = ["care"]'), ["route.routes.1", "receivers.care"]),
        (ROOT + route("all", LYON, "then_continue = true") + route("late", 'receivers = ["care"]'), []),
        (
            ROOT + route("fr", 'segment = "fr"', LYON) + route("lyon", 'segment = "fr/lyon"', 'tiers = ["vip"]'),
            ["route.routes.1"],
        ),
        (ROOT + route("lyon", 'segment = "fr/lyon"', LYON) + route("fr", 'segment = "fr"'), []),
        (
            ROOT + route("fr", 'segment = "fr"', LYON) + '[[route.routes.routes]]\nname = "uk"\nsegment = "uk"\n',
            ["route.routes.0.routes.0.segment"],
        ),
        (
            ROOT
            + route("fr", 'segment = "fr"', 'receivers = ["care"]')
            + '[[route.routes.routes]]\nname = "all of it"\nsegment = "fr"\nreceivers = ["lyon"]\n',
            [],
        ),
        (ROOT + route("lyon", 'segment = "fr"', LYON, "to_owner = true"), ["route.routes.0.to_owner"]),
        (
            '[receivers.jean]\nemail = ["j@x.org"]\nowners = ["Jean"]\n' + ROOT + route("lyon", 'segment = "fr"', LYON),
            ["receivers.jean", "receivers.jean.owners"],
        ),
        (
            '[receivers.jean]\nemail = ["j@x.org"]\nowners = ["Jean"]\n'
            + ROOT
            + route("lyon", 'segment = "fr"', LYON, "to_owner = true"),
            [],
        ),
        (
            '[calendars.office]\ntime_zone = "Europe/Paris"\nhours = ["mon 09:00-12:00"]\n'
            + ROOT
            + route("lyon", 'segment = "fr"', LYON),
            ["calendars.office"],
        ),
    ],
)
def test_what_has_no_effect_is_named(text: str, keys: list[str]) -> None:
    assert [line.partition(":")[0] for line in wrong(text)] == keys


def test_of_flat_routes_those_that_are_never_tried_are_named_and_the_default_is_not() -> None:
    flat = '[[email.routes]]\nname = "all"\nto = ["a@x.org"]\n[[email.routes]]\nname = "b"\nto = ["b@x.org"]\n'

    assert [line.partition(":")[0] for line in wrong(flat, "")] == ["email.routes.1"]
    assert wrong("", "") == []


def test_flat_routes_and_receivers_in_one_file_are_refused_with_the_text_to_write() -> None:
    found = wrong('[email]\nto = ["a@x.org"]\n[[email.routes]]\nname = "b"\nsegment = "fr"\nto = ["b@x.org"]\n' + ROOT)

    assert [line.partition(":")[0] for line in found] == ["email.routes.0", "email.to"]
    assert '[[route.routes]] name = "b", segment = "fr", receivers = ["b"]' in found[0]
    assert not any("x.org" in line for line in found)


def test_a_calendar_of_a_webhook_alone_is_in_vain() -> None:
    base = """
[webhook.endpoints.crm]
url = "https://crm.example.org/hook"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
[calendars.office]
time_zone = "Europe/Paris"
hours = ["mon-fri 08:30-17:30"]
[receivers.crm]
webhook = "crm"
calendar = "office"
"""
    only = (
        "receivers.crm.calendar: the receiver has only a webhook, which gets events at any hour, so it changes nothing"
    )

    assert wrong('[route]\nreceivers = ["crm"]\n', base) == [only]
    assert wrong('email = ["care@example.org"]\n[route]\nreceivers = ["crm"]\n', base) == []


def test_the_caps_of_email_are_those_of_email_to_and_of_each_flat_route() -> None:
    Path("worker.toml").write_text(
        '[email]\nto = ["a@example.org"]\nmails_per_hour = 10\n'
        '[[email.routes]]\nname = "lyon"\nsegment = "fr/lyon"\nto = ["b@example.org"]\n'
    )
    receivers = load().planner("email").routing.receivers
    assert {name: one.bundling for name, one in receivers.items()} == {"lyon": Bundling(10), "default": Bundling(10)}
    Path("worker.toml").write_text('[email]\nto = ["a@example.org"]\n')
    assert [one.bundling for one in load().planner("email").routing.receivers.values()] == [None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("critical_per_hour = 1", "email: critical_per_hour needs mails_per_hour, group_by or group_wait_seconds"),
        (
            'mails_per_hour = 10\n[receivers.care]\nemail = ["c@example.org"]\n[route]\nreceivers = ["care"]',
            (
                "email.mails_per_hour: is not used together with [receivers]; write mails_per_hour in "
                "[receivers.NAME] in its place"
            ),
        ),
    ],
)
def test_caps_of_email_that_have_no_effect_are_errors(text: str, said: str) -> None:
    Path("worker.toml").write_text(f"[email]\n{text}\n")
    with pytest.raises(SettingsError) as error:
        load()
    assert said in str(error.value)


ROOM = '[chat.endpoints.care]\nurl = "https://chat.example.org/"\n'


def test_without_receivers_each_endpoint_has_the_caps_of_its_channel() -> None:
    Path("worker.toml").write_text(f"[chat]\nnotices_per_hour = 10\ngroup_interval_seconds = 60\n{ROOM}")
    settings = load()
    [room] = settings.planner("chat").routing.receivers.values()
    assert (room.name, room.bundling) == ("care", Bundling(10, group_interval=60_000))
    assert [one.bundling for one in settings.planner("email").routing.receivers.values()] == [None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"[chat]\ncritical_per_hour = 1\n{ROOM}",
            "chat: critical_per_hour needs notices_per_hour, group_by or group_wait_seconds",
        ),
        (
            f'[chat]\ngroup_by = ["segment"]\n{ROOM}[receivers.care]\nchat = "care"\n[route]\nreceivers = ["care"]',
            "chat.group_by: is not used together with [receivers]; write group_by in [receivers.NAME] in its place",
        ),
        (
            f'{ROOM}[receivers.care]\nchat = "care"\nmails_per_hour = 3\n[route]\nreceivers = ["care"]',
            "mails_per_hour is about mails, and needs email; write notices_per_hour in its place",
        ),
    ],
)
def test_caps_of_posts_that_have_no_effect_are_errors(text: str, said: str) -> None:
    Path("worker.toml").write_text(text)
    with pytest.raises(SettingsError) as error:
        load()
    assert said in str(error.value)


@pytest.mark.parametrize(("boss", "is_in_vain"), [("notices_per_hour = 5", False), ("notices_per_hour = 6", True)])
def test_a_room_whose_receivers_have_different_caps_has_none_which_check_config_says(
    boss: str, is_in_vain: bool
) -> None:
    Path("worker.toml").write_text(
        f'{ROOM}[receivers.care]\nchat = "care"\nnotices_per_hour = 5\n'
        f'[receivers.boss]\nchat = "care"\n{boss}\n[route]\nreceivers = ["care", "boss"]\n'
    )
    settings = load()
    room = settings.planner("chat").routing.receivers["care"]
    assert room.bundling == (None if is_in_vain else Bundling(5))
    line = (
        "receivers.care.chat: the receivers care, boss name the same endpoint, care, and have different caps or "
        "groups, so it gets each notice by itself"
    )
    assert settings.vain_receivers() == ([line] if is_in_vain else [])
