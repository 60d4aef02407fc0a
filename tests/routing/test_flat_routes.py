"""Flat routes do what they did before there was a tree: the older rule stands here, and is asked as well."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import pytest
from flow.records import NOW
from hypothesis import given
from hypothesis import strategies as st
from notify.mailboxes import EMAIL, KEY, kept, mails, planned, record_of
from pydantic import ValidationError

from schemas.alert import Alert, Severity
from schemas.incident import Incident, IncidentKind
from worker.lineage import canonical_path
from worker.notify import mailbox
from worker.routing.flat import FlatRoute, flat_routing, not_with_receivers
from worker.routing.matching import Kind
from worker.routing.routable import Routable, routable

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

DEFAULT = FlatRoute(name="default", to=["support@example.org"])
_RANK = {Severity.WARNING: 0, Severity.ERROR: 1, Severity.CRITICAL: 2}


def older(notice: Alert | Incident, routes: Sequence[FlatRoute]) -> list[str]:
    """Return the names of the routes that took a notice in version 0.2.0, by its code."""
    taken = []
    for route in routes:
        asked_for = not route.kinds or notice.kind in route.kinds
        under = not route.segment or f"{canonical_path(notice.segment)}/".startswith(f"{route.segment}/")
        if asked_for and under and _RANK[notice.severity] >= _RANK[route.min_severity]:
            taken.append(route.name)
            if not route.then_continue:
                break
    return taken


def names(event: Routable, routes: Sequence[FlatRoute]) -> list[str]:
    reached, _ = flat_routing(routes, "email").decide(event)
    assert [one.route for one in reached] == [one.receiver.name for one in reached]
    return [one.receiver.name for one in reached]


def matches(route: FlatRoute, notice: Alert | Incident) -> bool:
    return names(routable(notice), [route]) == [route.name]


_SEGMENTS = st.sampled_from(["", "fr", "fr/shop-3", "fr/shop-30", "fr/shop-3/desk", "de", "/survey/q", "fr/ shop-3"])
_KINDS = st.lists(st.sampled_from(get_args(Kind)), max_size=2)
_ROUTES = st.lists(
    st.builds(
        FlatRoute,
        name=st.sampled_from("abcdefgh"),
        segment=_SEGMENTS,
        kinds=_KINDS,
        min_severity=st.sampled_from(Severity),
        to=st.just(["a@example.org"]),
        then_continue=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda route: route.name,
)


@given(
    routes=_ROUTES,
    segment=_SEGMENTS,
    severity=st.sampled_from(Severity),
    kind=st.sampled_from(get_args(Kind)),
    has_default=st.booleans(),
)
def test_a_notice_has_the_plans_of_the_version_before(
    make_alert: MakeAlert,
    make_incident: MakeIncident,
    routes: list[FlatRoute],
    segment: str,
    severity: Severity,
    kind: Kind,
    *,
    has_default: bool,
) -> None:
    routes = [*routes, DEFAULT] if has_default else routes
    make = make_alert if kind == "detractor" else make_incident
    notice = make(segment=segment, severity=severity, kind=kind)
    expected = older(notice, routes)

    assert expected == names(routable(notice), routes)
    decided = planned(record_of(notice), routes=tuple(routes))
    box = KEY if kind == "detractor" else b"\x01" + KEY
    assert [(name, "", 0, "pending") for name in expected] == [
        (mail.route, mail.receiver, mail.due, mail.status) for mail in mails(decided, box)
    ]


def test_the_end_goes_where_the_beginning_went_whatever_the_flat_routes_say_of_the_new_severity(
    make_alert: MakeAlert,
) -> None:
    boss = FlatRoute(name="boss", min_severity=Severity.CRITICAL, to=["boss@example.org"])
    asked: dict[str, Any] = {"routes": (boss, DEFAULT), "actions": ("opened", "withdrawn")}
    box = mailbox.decode(kept(planned(record_of(make_alert(severity=Severity.CRITICAL)), **asked))[KEY])
    EMAIL.succeed(box.mails[0], NOW)
    end = make_alert(action="withdrawn", reason="moved", severity=Severity.WARNING)
    decided = planned(record_of(end, "e-2"), rows={KEY: mailbox.encode(box)}, **asked)

    assert [(mail.route, mail.action) for mail in mails(decided)] == [("boss", "opened"), ("boss", "withdrawn")]


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
        ("/survey/q", "/survey/q", True),
        ("/survey/q", "/survey/q2", False),
    ],
)
def test_a_route_matches_its_segment_and_what_lies_under_it(
    make_alert: MakeAlert, prefix: str, segment: str, *, expected: bool
) -> None:
    route = FlatRoute(name="r", segment=prefix, to=["a@example.org"])

    assert expected == matches(route, make_alert(segment=segment))


def test_a_kind_added_later_is_matched_by_routes_that_name_none(make_incident: MakeIncident) -> None:
    later = make_incident(kind="too_good_to_be_true")

    assert matches(FlatRoute(name="r", to=["a@example.org"]), later)
    assert not matches(FlatRoute(name="r", kinds=[*get_args(Kind)], to=["a@example.org"]), later)


def test_a_route_can_name_every_kind_there_is(make_alert: MakeAlert) -> None:
    assert {make_alert().kind, *IncidentKind} == {*get_args(Kind)}


@pytest.mark.parametrize("kind", ["detractors", "", "incident"])
def test_a_kind_that_there_is_not_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError):
        FlatRoute.model_validate({"name": "r", "kinds": [kind], "to": ["a@example.org"]})


def test_a_route_needs_a_receiver() -> None:
    with pytest.raises(ValidationError):
        FlatRoute(name="r", to=[])


def test_in_place_of_each_flat_route_the_text_of_the_tree_is_given_without_an_address() -> None:
    lyon = FlatRoute(
        name="desk of Lyon",
        segment="fr/lyon",
        kinds=["detractor"],
        min_severity=Severity.ERROR,
        to=["a@x.org"],
    )
    on = FlatRoute(name="b", to=["b@x.org"], then_continue=True)

    lines = not_with_receivers([lyon], has_to=False, keys=[])
    where = (
        '[receivers."desk of Lyon"] email = […] and [[route.routes]] name = "desk of Lyon", segment = "fr/lyon", '
        'kinds = ["detractor"], min_severity = "error", receivers = ["desk of Lyon"]'
    )
    assert lines == [f"email.routes.0: is not used together with [receivers]; write in its place: {where}"]
    [line] = not_with_receivers([], has_to=True, keys=[])
    assert line.endswith('[receivers.support] email = […] and [route] receivers = ["support"]')
    [first, last] = not_with_receivers([on], has_to=True, keys=[])
    assert 'then_continue = true, receivers = ["b"]' in first
    assert last.endswith('receivers = ["support"], after all other routes')
