from collections.abc import Callable

import pytest
from pydantic import ValidationError

from schemas.alert import Alert, Severity
from worker.notify.routing import Route, routes_for

MakeAlert = Callable[..., Alert]

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


@pytest.mark.parametrize("to", [[], ["not an address"], ["a@example.org> AUTH=<x@y"]])
def test_a_route_needs_good_receivers(to: list[str]) -> None:
    with pytest.raises(ValidationError):
        Route(name="r", to=to)
