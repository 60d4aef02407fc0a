"""Service levels as settings, which alerts have which, and names of them that are wrong or in vain."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from routing.test_problems import BASE, LYON, ROOT, route, wrong

from schemas.alert import Severity
from worker.flow.timestamps import to_ms
from worker.routing.routable import Routable
from worker.routing.service_level import ServiceLevel, Terms, Work
from worker.settings import load

VIP = """
[service_levels.vip]
acknowledge_within_minutes = 30
[[service_levels.vip.escalation]]
receivers = ["boss"]
[receivers.boss]
email = ["boss@example.org"]
"""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs acknowledge_within_minutes or resolve_within_hours"),
        ({"remind_before_minutes": 5}, "needs acknowledge_within_minutes or resolve_within_hours"),
        ({"resolve_within_hours": 1, "escalation": [{"receivers": ["a"]}]}, "never happen without"),
        ({"acknowledge_within_minutes": 30, "remind_before_minutes": 30}, "is not shorter"),
        ({"resolve_within_hours": 1, "remind_before_minutes": 60}, "is not shorter"),
        ({"acknowledge_within_minutes": 0}, "greater than 0"),
        ({"acknowledge_within_minutes": 1, "escalation": [{"receivers": []}]}, "at least 1 item"),
        ({"acknowledge_within_minutes": 1, "escalation": [{"receivers": ["a"]}] * 11}, "at most 10 items"),
    ],
)
def test_a_service_level_that_promises_nothing_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ServiceLevel(**settings)


def test_a_reminder_may_be_longer_than_the_shorter_of_the_two_times() -> None:
    level = ServiceLevel(acknowledge_within_minutes=30, resolve_within_hours=8, remind_before_minutes=60)

    assert level.remind_before_minutes == 60


def test_receivers_of_an_escalation_are_reached_although_no_route_names_them() -> None:
    assert wrong(ROOT + 'service_level = "vip"\n' + route("lyon", 'segment = "fr/lyon"', LYON) + VIP) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            ROOT + 'service_level = "vpi"\n' + route("lyon", 'segment = "fr/lyon"', LYON) + VIP,
            ["route.service_level: 'vpi' is not a service level; did you mean vip?"],
        ),
        (
            ROOT + route("lyon", 'segment = "fr/lyon"', LYON, 'service_level = "x"') + VIP,
            ["route.routes.0.service_level: 'x' is not a service level; these exist: vip"],
        ),
        (
            ROOT + route("lyon", 'segment = "fr/lyon"', LYON) + VIP,
            [
                "receivers.boss: no route reaches this receiver",
                "service_levels.vip: no alert has this service level",
            ],
        ),
        (
            ROOT
            + route("lyon", 'segment = "fr/lyon"', LYON, 'kinds = ["segment_drop"]', 'service_level = "vip"')
            + VIP,
            [
                "receivers.boss: no route reaches this receiver",
                "service_levels.vip: no alert has this service level",
            ],
        ),
        (
            ROOT
            + 'service_level = "vip"\n'
            + route("lyon", 'segment = "fr/lyon"', LYON)
            + VIP.replace('receivers = ["boss"]', 'receivers = ["bos"]'),
            ["service_levels.vip.escalation.0.receivers.0: 'bos' is not a receiver; did you mean boss?"],
        ),
    ],
)
def test_names_that_are_wrong_or_in_vain_are_said(text: str, lines: list[str]) -> None:
    assert wrong(text) == lines


LONG = """
[service_levels.slow]
resolve_within_hours = 2400
remind_before_minutes = 1440
[route]
receivers = ["boss"]
service_level = "slow"
[calendars.office]
time_zone = "Europe/Paris"
hours = ["mon-fri 08:00-16:00"]
"""
OFFICE = '[receivers.boss]\nemail = ["b@example.org"]\ncalendar = "office"\n'
AT_ANY_HOUR = OFFICE.replace('calendar = "office"', "")
FORGOTTEN = "service_levels.slow.resolve_within_hours: at least"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # 2,400 hours are 100 days, and 420 days if only 40 hours of a week are worked.
        (LONG + AT_ANY_HOUR + "[calendars]\n", ["calendars.office: no receiver has this calendar"]),
        (
            LONG + OFFICE,
            [
                (
                    f"{FORGOTTEN} 416 days pass before a step of the case, and by then the case is forgotten, since "
                    "cases.open_days is 365"
                )
            ],
        ),
        (LONG + OFFICE + "[cases]\nopen_days = 500\n", []),
        (
            LONG + OFFICE + "[cases]\nopen_days = 500\n[history]\ndays = 400\n",
            [
                (
                    f"{FORGOTTEN} 416 days pass before a step of the case, and by then nobody is known who could be "
                    "reminded, since history.days is 400"
                )
            ],
        ),
        # An earlier reminder keeps what is known of the case and its receivers.
        (
            LONG.replace("remind_before", "acknowledge_within_minutes = 72000\nremind_before")
            + OFFICE
            + "[history]\ndays = 209\n",
            [
                (
                    f"{FORGOTTEN} 210 days pass before a step of the case, and by then nobody is known who could be "
                    "reminded, since history.days is 209"
                )
            ],
        ),
        # Further working days may shorten it.
        (
            LONG
            + "working_days = ["
            + ", ".join(f'"2027-01-{day:02}"' for day in range(1, 32) if day % 7 not in {2, 3})
            + "]\n"
            + OFFICE,
            [],
        ),
    ],
)
def test_steps_that_come_when_the_case_or_the_receivers_are_forgotten_are_said(text: str, lines: list[str]) -> None:
    assert wrong(text, base="") == lines


def terms(text: str, segment: str = "fr", tier: str | None = None) -> Terms:
    Path("worker.toml").write_text(BASE + text)
    of = load().terms
    assert of is not None
    return of(Routable("detractor", segment, Severity.WARNING, tier=tier))


CALENDARS = """
[receivers.nights]
email = ["n@example.org"]
calendar = "night"
[receivers.crm]
webhook = "crm"
calendar = "day"
[webhook.endpoints.crm]
url = "https://crm.example.org/x"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
[calendars.night]
time_zone = "Europe/Paris"
hours = ["mon-sun 20:00-08:00"]
[calendars.day]
time_zone = "Europe/Paris"
hours = ["mon-sun 08:00-20:00"]
"""


def test_routes_below_have_the_service_level_of_the_one_above_or_their_own() -> None:
    tree = (
        "[service_levels.basic]\nresolve_within_hours = 8\n[service_levels.vip]\nresolve_within_hours = 1\n"
        '[route]\nreceivers = ["care"]\nservice_level = "basic"\n'
        + route("vip", 'tiers = ["vip"]', 'service_level = "vip"')
        + route("lyon", 'segment = "fr/lyon"', LYON)
        + route("warnings", 'segment = "none"', 'service_level = ""')
    )

    assert terms(tree, tier="vip") == Terms("vip")
    assert terms(tree, "fr/lyon") == Terms("basic")
    assert terms(tree, "other") == Terms("basic")
    assert terms(tree, "none") == Terms()


def test_with_several_routes_the_first_service_level_counts() -> None:
    tree = (
        "[service_levels.a]\nresolve_within_hours = 8\n[service_levels.b]\nresolve_within_hours = 1\n"
        '[route]\nreceivers = ["care"]\n'
        + route("none", "then_continue = true")
        + route("a", 'service_level = "a"', "then_continue = true")
        + route("b", 'service_level = "b"')
    )

    assert terms(tree) == Terms("a")


def test_the_calendar_is_that_of_the_first_receiver_whom_people_read() -> None:
    reached = '[route]\nreceivers = ["care", "crm", "nights"]\n'

    assert terms(CALENDARS + reached) == Terms("", "night")
    assert terms(CALENDARS + '[route]\nreceivers = ["care", "crm"]\n') == Terms()


def test_mails_are_planned_with_the_time_limit_that_the_case_gets() -> None:
    tree = (
        "[service_levels.both]\nacknowledge_within_minutes = 30\nresolve_within_hours = 1\n"
        "[service_levels.end]\nresolve_within_hours = 2\n"
        '[route]\nreceivers = ["nights"]\n'
        + route("a", 'segment = "a"', 'service_level = "both"')
        + route("b", 'segment = "b"', 'service_level = "end"')
    )
    Path("worker.toml").write_text(BASE + CALENDARS + tree)
    settings = load()
    limit, terms_of = settings.planner("email").time_limit, settings.terms
    assert limit is not None
    assert terms_of is not None
    noon = to_ms(datetime(2026, 8, 1, 10, 0, tzinfo=UTC))
    evening = to_ms(datetime(2026, 8, 1, 18, 0, tzinfo=UTC))  # at 20:00 in Paris the night begins
    found = {one: limit(Routable("detractor", one, Severity.WARNING), noon) for one in "abc"}
    assert found == {"a": evening + 30 * 60_000, "b": evening + 2 * 3_600_000, "c": None}
    for one in "ab":
        event = Routable("detractor", one, Severity.WARNING)
        due = settings.service.due(terms_of(event), noon)
        assert found[one] == (due.resolve if due.acknowledge is None else due.acknowledge)

    Path("worker.toml").write_text(BASE + CALENDARS + '[route]\nreceivers = ["nights"]\n')
    assert load().planner("email").time_limit is None


def test_without_service_levels_and_calendars_routes_are_not_asked() -> None:
    Path("worker.toml").write_text(BASE + ROOT)

    assert load().terms is None


def test_the_receivers_of_an_alert_are_those_that_its_routes_name_and_at_most_sixteen() -> None:
    Path("worker.toml").write_text(BASE + ROOT)
    by_tree = load().work(Routable("detractor", "fr", Severity.WARNING))
    many = [f"r-{number}" for number in range(20)]
    Path("worker.toml").write_text(
        "".join(f'[receivers.{name}]\nemail = ["{name}@example.org"]\n' for name in many)
        + f"[route]\nreceivers = {json.dumps(many)}\n"
    )
    of_many = load().work(Routable("detractor", "fr", Severity.WARNING))
    Path("worker.toml").write_text('[[email.routes]]\nname = "lyon"\nsegment = "fr/lyon"\nto = ["l@example.org"]\n')
    flat = load().work

    assert by_tree == Work(Terms(), ["care"])
    assert of_many.receivers == many[:16]
    assert flat(Routable("detractor", "fr/lyon", Severity.WARNING)).receivers == ["lyon"]
    assert flat(Routable("detractor", "de", Severity.WARNING)).receivers == ["default"]


def test_a_service_level_without_routes_has_no_effect_and_says_so_and_mails_go_where_they_went() -> None:
    text = "[service_levels.fast]\nresolve_within_hours = 8\n"

    assert wrong(text, base="") == ["service_levels.fast: no alert has this service level"]
    assert [
        reached.receiver.name
        for reached in load().routing.decide(Routable("detractor", "fr", Severity.WARNING)).reached
    ] == ["default"]
