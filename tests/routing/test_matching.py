"""What each matcher takes, and when one covers or excludes another."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.alert import Alert, Severity
from schemas.incident import Incident
from schemas.response import Customer
from worker.routing.matching import Kind, Matchers
from worker.routing.routable import Routable, routable

EVENT = Routable(
    kind="detractor",
    segment="fr/lyon/delivery",
    severity=Severity.ERROR,
    survey="after-delivery",
    tier="VIP",
    owner="Jean",
    language="pt-BR",
    follow_up_requested=True,
    comment="Trois  semaines de RETARD.\nJ’appelle mon avocat !",
)
INCIDENT = Routable(kind="segment_drop", segment="fr/lyon", severity=Severity.ERROR)


def fits(event: Routable, **matchers: Any) -> bool:
    return all(test(event) for test in Matchers(**matchers).tests())


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ({}, True),
        ({"segment": "fr/lyon"}, True),
        ({"segment": "fr/ly"}, False),
        ({"kinds": ["detractor", "segment_drop"]}, True),
        ({"kinds": ["segment_drop"]}, False),
        ({"min_severity": "error"}, True),
        ({"min_severity": "critical"}, False),
        ({"tiers": ["gold", "vip"]}, True),
        ({"tiers": ["gold"]}, False),
        ({"languages": ["pt"]}, True),
        ({"languages": ["PT_br"]}, True),
        ({"languages": ["pt-PT"]}, False),
        ({"languages": ["p"]}, False),
        ({"surveys": ["after-delivery"]}, True),
        ({"surveys": ["After-Delivery"]}, False),
        ({"follow_up_requested": True}, True),
        ({"follow_up_requested": False}, False),
        ({"comment_contains": ["refund", "semaines de retard"]}, True),
        ({"comment_contains": ["remboursement"]}, False),
        ({"comment_matches": r"\bavocat\b|tribunal"}, True),
        ({"comment_matches": r"^semaines"}, False),
        ({"segment": "fr", "tiers": ["vip"], "comment_matches": "AVOCAT"}, True),
        ({"segment": "fr", "tiers": ["gold"], "comment_matches": "AVOCAT"}, False),
    ],
)
def test_an_alert_is_matched(matchers: dict[str, Any], *, expected: bool) -> None:
    assert expected == fits(EVENT, **matchers)
    assert expected == all(check.fits for check in Matchers(**matchers).checks(EVENT))


@pytest.mark.parametrize(
    "matchers",
    [
        {"tiers": ["vip"]},
        {"languages": ["fr"]},
        {"surveys": ["after-delivery"]},
        {"follow_up_requested": True},
        {"follow_up_requested": False},
        {"comment_contains": ["a"]},
        {"comment_matches": ""},
    ],
)
def test_what_is_asked_of_a_customer_no_incident_has(matchers: dict[str, Any]) -> None:
    assert not fits(INCIDENT, **matchers)


def test_an_incident_about_a_survey_has_that_survey(make_incident: Callable[..., Incident]) -> None:
    event = routable(make_incident(segment="/survey/after-delivery"))

    assert fits(event, surveys=["after-delivery"])
    assert not fits(routable(make_incident(segment="fr")), surveys=["after-delivery"])


def test_the_path_of_a_survey_takes_the_incidents_about_it_and_no_alert(
    make_incident: Callable[..., Incident], make_alert: Callable[..., Alert]
) -> None:
    path = "/survey/after-delivery"

    assert fits(routable(make_incident(segment=path)), segment=path)
    assert not fits(routable(make_incident(segment="/survey/after-delivery-2")), segment=path)
    assert not fits(routable(make_incident(segment="survey/after-delivery")), segment=path)
    assert not fits(routable(make_alert(segment="fr", survey_id="after-delivery")), segment=path)


def test_an_alert_has_all_that_routes_look_at(make_alert: Callable[..., Alert]) -> None:
    alert = make_alert(
        segment="fr/Montre\u0301al", follow_up_requested=True, customer=Customer(tier="vip", owner="Jean")
    )

    assert routable(alert) == Routable(
        "detractor",
        "fr/Montréal",
        Severity.CRITICAL,
        survey="autumn",
        tier="vip",
        owner="Jean",
        language="fr",
        follow_up_requested=True,
        comment=alert.comment,
    )


def test_no_check_quotes_a_comment() -> None:
    checks = Matchers(comment_contains=["retard"], comment_matches="x").checks(EVENT)

    assert [(check.key, check.found, check.fits) for check in checks] == [
        ("comment_contains", "a comment of 49 characters", True),
        ("comment_matches", "a comment of 49 characters", False),
    ]


@pytest.mark.parametrize("text", [r"(?=a)", r"(a)\1", "(", "a{1000}{1000}", "x" * 1_001])
def test_an_expression_that_re2_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Matchers(comment_matches=text)


def test_an_expression_that_would_take_ages_elsewhere_is_matched_at_once() -> None:
    assert not fits(EVENT._replace(comment="a" * 100_000 + "!"), comment_matches="^(a+)+(a|aa)+$")


@pytest.mark.parametrize("matchers", [{"tiers": [" "]}, {"comment_contains": [""]}, {"kinds": ["detractors"]}])
def test_a_matcher_that_nothing_can_fit_is_refused(matchers: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Matchers(**matchers)


_TEXTS = st.lists(st.sampled_from(["a", "b", "A", "c"]), max_size=2)
_MATCHERS = st.builds(
    Matchers,
    segment=st.sampled_from(["", "a", "a/b", "a/bc", "b"]),
    kinds=st.lists(st.sampled_from(get_args(Kind)), max_size=2),
    min_severity=st.sampled_from(Severity),
    tiers=_TEXTS,
    languages=st.lists(st.sampled_from(["a", "a-b", "A_b", "b"]), max_size=2),
    surveys=_TEXTS,
    follow_up_requested=st.sampled_from([None, True, False]),
    comment_contains=_TEXTS,
    comment_matches=st.sampled_from([None, "a", "b"]),
)
_EVENTS = st.builds(
    Routable,
    kind=st.sampled_from(get_args(Kind)),
    segment=st.sampled_from(["", "a", "a/b", "a/b/c", "a/bc", "b"]),
    severity=st.sampled_from(Severity),
    survey=st.sampled_from([None, "a", "b", "A"]),
    tier=st.sampled_from([None, "a", "b"]),
    language=st.sampled_from([None, "a", "a-b", "a-b-c", "b"]),
    follow_up_requested=st.sampled_from([None, True, False]),
    comment=st.sampled_from([None, "", "a", "ab", "c"]),
)


@given(_MATCHERS, _MATCHERS, _EVENTS)
def test_what_covers_fits_more_and_what_excludes_fits_nothing_in_common(
    one: Matchers, other: Matchers, event: Routable
) -> None:
    one_fits, other_fits = (all(test(event) for test in matchers.tests()) for matchers in (one, other))

    assert one.covers(one)
    assert not one.covers(other) or one_fits or not other_fits
    assert one.excludes(other) is None or not (one_fits and other_fits)
    assert bool(one.excludes(other)) == bool(other.excludes(one))
