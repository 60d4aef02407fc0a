"""What is said about an event, as text and as JSON."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from schemas.alert import Severity
from worker.routing.bundling import Bundling
from worker.routing.calendar import calendar_of
from worker.routing.explaining import explain
from worker.routing.hours import CalendarSettings
from worker.routing.receiver import Receiver
from worker.routing.routable import Routable
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree

OFFICE = calendar_of(
    CalendarSettings(time_zone="Europe/Paris", hours=["mon-fri 08:30-17:30"], holidays="FR", days_off=["2026-05-15"])
)
ROUTING = Routing(
    tree(
        RootRoute.model_validate(
            {
                "receivers": ["care"],
                "routes": [
                    {"name": "uk", "segment": "uk", "receivers": []},
                    {"name": "lyon", "segment": "fr/lyon", "tiers": ["vip"], "receivers": ["lyon", "care"]},
                    {"name": "late", "comment_contains": ["x"]},
                ],
            }
        )
    ),
    {
        "care": Receiver("care", {"email": ["care@example.org", "boss@example.org"]}),
        "lyon": Receiver(
            "lyon", {"email": ["lyon@example.org"]}, zone=ZoneInfo("Europe/Paris"), calendar=OFFICE,
            quiet_except=frozenset({Severity.CRITICAL}),
        ),
    },
    {},
)  # fmt: skip
EVENT = Routable("detractor", "fr/lyon", Severity.ERROR, tier="vip", comment="hidden words")
#: The evening before Ascension Day.
AT = int(datetime(2026, 5, 13, 18, 0, tzinfo=UTC).timestamp()) * 1_000


def test_it_says_who_gets_it_when_and_what_other_routes_do() -> None:
    lines = explain(EVENT, ROUTING, AT).lines()

    assert lines == [
        "detractor, error, fr/lyon",
        "route default: leaves it to a route below",
        "  route uk: does not match",
        "    - segment uk: it is fr/lyon",
        "  route lyon: takes it",
        "    + segment fr/lyon: it is fr/lyon",
        "    + tiers ['vip']: it is vip",
        "  route late: is not tried, since a route before has taken it",
        "    - comment_contains ['x']: it is a comment of 12 characters",
        "receiver lyon, by the route lyon: lyon@example.org",
        "  Thu 2026-05-14 is skipped: Ascension Day",
        "  Fri 2026-05-15 is skipped: day off",
        "  deferred until Mon 2026-05-18 08:30 CEST: quiet hours",
        "receiver care, by the route lyon: care@example.org, boss@example.org",
        "  now",
    ]


def test_a_critical_notice_goes_at_once() -> None:
    [lyon, _] = explain(EVENT._replace(severity=Severity.CRITICAL), ROUTING, AT).deliveries

    assert (lyon.held_until, lyon.skipped) == (None, [])


def test_nobody_is_said_with_the_reason() -> None:
    explanation = explain(EVENT._replace(segment="uk"), ROUTING, AT)

    assert explanation.lines()[-1] == "nobody gets it: the route that takes it has an empty list of receivers"
    assert explanation.as_json()["nobody"] == "no_receivers"
    assert explain(Routable("segment_drop", "", Severity.ERROR), ROUTING, AT).lines()[0] == (
        "segment_drop, error, the root segment"
    )


def test_the_json_says_the_same() -> None:
    body = json.loads(json.dumps(explain(EVENT, ROUTING, AT).as_json()))

    assert body["at"] == "2026-05-13T18:00:00+00:00"
    assert body["reached"][0] == {
        "receiver": "lyon",
        "route": "lyon",
        "targets": {"email": ["lyon@example.org"]},
        "perhaps_in_digest": False,
        "deferred_until": "2026-05-18T06:30:00+00:00",
        "deferred_on": ["email"],
        "skipped_days": [
            {"day": "2026-05-14", "why": "Ascension Day"},
            {"day": "2026-05-15", "why": "day off"},
        ],
    }
    assert body["route"]["outcome"] == "hands_down"
    assert body["route"]["routes"][0]["checks"] == [
        {"matcher": "segment", "setting": "uk", "event": "fr/lyon", "fits": False}
    ]


def test_a_program_gets_it_at_any_hour_and_a_room_only_waits_if_all_who_name_it_do() -> None:
    lyon, care = ROUTING.receivers["lyon"], ROUTING.receivers["care"]
    own = replace(lyon, targets={"email": [], "webhook": ["crm"], "chat": ["lyon"]})
    shared = replace(lyon, targets={"email": ["lyon@example.org"], "webhook": [], "chat": ["all"]})
    always = replace(care, targets={"email": ["care@example.org"], "chat": ["all"]})

    def said(receiver: Receiver) -> list[str]:
        lines = explain(EVENT, replace(ROUTING, receivers={"lyon": receiver, "care": always}), AT).lines()
        begin = next(number for number, line in enumerate(lines) if line.startswith("receiver lyon"))
        return lines[begin:-2]  # without the two lines about the other receiver

    assert said(own) == [
        "receiver lyon, by the route lyon: webhook crm, chat lyon",
        "  now: webhook crm",
        "  Thu 2026-05-14 is skipped: Ascension Day",
        "  Fri 2026-05-15 is skipped: day off",
        "  deferred until Mon 2026-05-18 08:30 CEST: quiet hours",
    ]
    assert said(shared)[:2] == [
        "receiver lyon, by the route lyon: lyon@example.org, chat all",
        "  now: chat all",
    ]
    assert said(replace(lyon, bundling=Bundling(mails_per_hour=5), calendar=None))[1:] == [
        "  perhaps in a digest, by the caps and groups of the receiver",
        "  now",
    ]
    capped = replace(own, bundling_of_posts=Bundling(5), calendar=None)
    assert said(capped)[1:] == ["  perhaps in a digest, by the caps and groups of the receiver", "  now"]
    assert said(replace(capped, targets={"email": ["lyon@example.org"]}))[1:] == ["  now"]
    assert said(replace(lyon, targets={"webhook": ["crm"]})) == [
        "receiver lyon, by the route lyon: webhook crm",
        "  now",
    ]
