from collections.abc import Callable
from typing import get_args

import pytest
from pydantic import ValidationError

from schemas.alert import Alert, Severity
from schemas.incident import Incident, IncidentKind
from worker.notify.routing import Kind, Route, routes_for

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

DEFAULT = Route(name="default", to=["support@example.org"])


@pytest.mark.parametrize(
    ("prefix", "segment", "expected"),
    [
        ("", "", True),
        ("", "fr/shop-3", True),
        ("fr", "fr", True),
        ("fr", "fr/shop-3/delivery", True),
        ("fr/", "fr/shop-3", True),
        ("fr/shop-3", "fr/shop-3", True),
        ("fr/shop-3", "fr/shop-30", False),
        ("fr/shop-3", "fr", False),
        ("fr", "", False),
        ("shop-3", "fr/shop-3", False),
        ("fr/Montre\u0301al ", "fr/Montréal", True),
        ("fr/Mon\u200btréal", "fr/Montréal/shop", True),
        ("fr/Montréal", "fr/Montre\u0301al ", True),  # as the previous version has written it
        ("fr/montréal", "fr/Montréal", False),
        ("survey/q", "/survey/q", False),
    ],
)
def test_a_route_matches_its_segment_and_what_lies_under_it(
    make_alert: MakeAlert, prefix: str, segment: str, *, expected: bool
) -> None:
    route = Route(name="r", segment=prefix, to=["a@example.org"])

    assert expected == route.matches(make_alert(segment=segment))


@pytest.mark.parametrize(
    ("least", "severity", "expected"),
    [
        (Severity.WARNING, Severity.WARNING, True),
        (Severity.ERROR, Severity.WARNING, False),
        (Severity.ERROR, Severity.ERROR, True),
        (Severity.ERROR, Severity.CRITICAL, True),
        (Severity.CRITICAL, Severity.ERROR, False),
    ],
)
def test_a_route_matches_from_its_severity_up(
    make_alert: MakeAlert, least: Severity, severity: Severity, *, expected: bool
) -> None:
    route = Route(name="r", min_severity=least, to=["a@example.org"])

    assert expected == route.matches(make_alert(severity=severity))


def test_an_incident_is_matched_by_segment_and_severity_as_an_alert_is(make_incident: MakeIncident) -> None:
    shop = Route(name="shop", segment="fr/shop-3", min_severity=Severity.ERROR, to=["shop@example.org"])

    assert shop.matches(make_incident(severity=Severity.CRITICAL))
    assert not shop.matches(make_incident(severity=Severity.WARNING))
    assert not shop.matches(make_incident(segment="fr/shop-30"))
    assert not shop.matches(make_incident(segment=""))


@pytest.mark.parametrize(
    ("kinds", "alert", "drop", "silence"),
    [
        ([], True, True, True),
        (["detractor"], True, False, False),
        (["segment_drop"], False, True, False),
        (["no_responses"], False, False, True),
        (["segment_drop", "no_responses"], False, True, True),
        (["detractor", "segment_drop", "no_responses"], True, True, True),
    ],
)
def test_a_route_matches_its_kinds_or_all_if_it_names_none(
    make_alert: MakeAlert, make_incident: MakeIncident, kinds: list[Kind], *, alert: bool, drop: bool, silence: bool
) -> None:
    route = Route(name="r", kinds=kinds, to=["a@example.org"])

    assert alert == route.matches(make_alert())
    assert drop == route.matches(make_incident(kind="segment_drop"))
    assert silence == route.matches(make_incident(kind="no_responses"))


def test_a_kind_added_later_is_matched_by_routes_that_name_none(make_incident: MakeIncident) -> None:
    later = make_incident(kind="too_good_to_be_true")

    assert Route(name="r", to=["a@example.org"]).matches(later)
    assert not Route(name="r", kinds=[*get_args(Kind)], to=["a@example.org"]).matches(later)


def test_a_route_can_name_every_kind_there_is(make_alert: MakeAlert) -> None:
    assert {make_alert().kind, *IncidentKind} == {*get_args(Kind)}


@pytest.mark.parametrize("kind", ["detractors", "", "incident"])
def test_a_kind_that_there_is_not_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError):
        Route.model_validate({"name": "r", "kinds": [kind], "to": ["a@example.org"]})


def test_the_first_route_that_matches_is_taken(make_alert: MakeAlert) -> None:
    shop = Route(name="shop", segment="fr/shop-3", to=["shop@example.org"])
    elsewhere = Route(name="elsewhere", segment="de", to=["de@example.org"])

    assert [shop] == routes_for(make_alert(), [elsewhere, shop, DEFAULT])


def test_a_route_that_continues_lets_the_next_match_too(make_alert: MakeAlert) -> None:
    boss = Route(name="boss", min_severity=Severity.CRITICAL, to=["boss@example.org"], then_continue=True)
    late = Route(name="late", to=["late@example.org"])

    assert [boss, DEFAULT] == routes_for(make_alert(), [boss, DEFAULT, late])


def test_no_route_may_match(make_alert: MakeAlert) -> None:
    assert routes_for(make_alert(), [Route(name="de", segment="de", to=["de@example.org"])]) == []


def test_a_route_needs_a_receiver() -> None:
    with pytest.raises(ValidationError):
        Route(name="r", to=[])
