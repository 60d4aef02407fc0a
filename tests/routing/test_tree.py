"""Which routes of a tree take an event, and whom it reaches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.alert import Severity
from worker.routing.comment import plain
from worker.routing.receiver import Receiver
from worker.routing.routable import Routable
from worker.routing.routing import Nobody, Routing
from worker.routing.tree import Outcome, RootRoute, Visit, takers, tree, visit

EVENT = Routable("detractor", "fr/lyon", Severity.CRITICAL, tier="vip", owner="Jean  MARTIN")
INCIDENT = Routable("segment_drop", "fr/lyon", Severity.CRITICAL)
TREE = {
    "receivers": ["care"],
    "routes": [
        {"name": "uk", "segment": "uk", "receivers": ["leeds"]},
        {
            "name": "fr",
            "segment": "fr",
            "receivers": ["paris"],
            "routes": [
                {"name": "vip", "tiers": ["vip"], "receivers": ["boss", "paris"], "then_continue": True},
                {"name": "lyon", "segment": "fr/lyon"},
                {"name": "late", "receivers": ["leeds"]},
            ],
        },
        {"name": "rest", "receivers": ["leeds"]},
    ],
}
NAMES = ["care", "leeds", "paris", "boss", "jean"]


def routing(root: dict[str, Any], **owners: str) -> Routing:
    receivers = {name: Receiver(name, {"email": [f"{name}@example.org"]}) for name in NAMES}
    return Routing(
        tree(RootRoute.model_validate(root)), receivers, {plain(owner): name for name, owner in owners.items()}
    )


def reached(root: dict[str, Any], event: Routable = EVENT, **owners: str) -> list[tuple[str, str]]:
    decision = routing(root, **owners).decide(event)
    assert (decision.nobody is None) is bool(decision.reached)
    return [(one.receiver.name, one.route) for one in decision.reached]


def test_the_first_child_that_matches_takes_an_event_and_inherits_the_receivers_of_its_parent() -> None:
    assert reached(TREE) == [("boss", "vip"), ("paris", "vip")]  # "lyon" names paris too, who gets it once
    assert reached(TREE, EVENT._replace(tier=None)) == [("paris", "lyon")]
    assert reached(TREE, EVENT._replace(tier=None, segment="fr")) == [("leeds", "late")]
    assert reached(TREE, EVENT._replace(segment="de")) == [("leeds", "rest")]


def test_the_root_takes_what_no_child_takes() -> None:
    root = {"receivers": ["care"], "routes": [{"name": "uk", "segment": "uk", "receivers": ["leeds"]}]}

    assert reached(root) == [("care", "default")]
    assert reached(root, EVENT._replace(segment="uk")) == [("leeds", "uk")]


def test_a_child_that_continues_takes_it_from_the_root_all_the_same() -> None:
    root = {"receivers": ["care"], "routes": [{"name": "boss", "receivers": ["boss"], "then_continue": True}]}

    assert reached(root) == [("boss", "boss")]


@pytest.mark.parametrize(
    ("root", "event", "nobody"),
    [
        ({}, EVENT, Nobody.NO_ROUTE),
        ({"routes": [{"name": "uk", "segment": "uk", "receivers": ["leeds"]}]}, EVENT, Nobody.NO_ROUTE),
        ({"receivers": ["care"], "routes": [{"name": "x", "receivers": []}]}, EVENT, Nobody.NO_RECEIVERS),
        ({"receivers": ["care"], "routes": [{"name": "x", "receivers": []}]}, INCIDENT, Nobody.NO_RECEIVERS),
        ({"to_owner": True}, EVENT, Nobody.OWNER_UNKNOWN),
        ({"to_owner": True}, EVENT._replace(owner=None), Nobody.OWNER_UNKNOWN),
        ({"to_owner": True}, INCIDENT, Nobody.OWNER_UNKNOWN),
    ],
)
def test_nobody_is_a_decision_with_a_reason(root: dict[str, Any], event: Routable, nobody: Nobody) -> None:
    assert routing(root).decide(event) == ([], nobody)


def test_the_account_owner_gets_it_in_place_of_the_receivers_if_a_receiver_stands_for_the_owner() -> None:
    root = {"receivers": ["care"], "to_owner": True}

    assert reached(root, jean="jean martin") == [("jean", "default")]
    assert reached(root, jean="Jeanne Martin") == [("care", "default")]
    assert reached(root, EVENT._replace(owner=None), jean="jean martin") == [("care", "default")]
    assert reached(root, INCIDENT, jean="jean martin") == [("care", "default")]


def test_whether_the_owner_gets_it_is_inherited_too() -> None:
    child: dict[str, Any] = {"name": "vip", "tiers": ["vip"]}
    root = {"receivers": ["care"], "to_owner": True, "routes": [child]}

    assert reached(root, jean="jean martin") == [("jean", "vip")]
    child["to_owner"] = False
    assert reached(root, jean="jean martin") == [("care", "vip")]


def test_why_each_route_takes_an_event_or_does_not() -> None:
    seen = visit(EVENT._replace(tier=None), routing(TREE).root)

    assert summary(seen) == (
        "default",
        Outcome.HANDS_DOWN,
        [
            ("uk", Outcome.DIFFERS, []),
            (
                "fr",
                Outcome.HANDS_DOWN,
                [("vip", Outcome.DIFFERS, []), ("lyon", Outcome.TAKES, []), ("late", Outcome.NOT_TRIED, [])],
            ),
            ("rest", Outcome.NOT_TRIED, []),
        ],
    )
    assert seen.below[0].checks == [("segment", "uk", "fr/lyon", False)]
    assert seen.below[1].below[1].node.key == "route.routes.1.routes.1"


def summary(seen: Visit) -> tuple[str, Outcome, list[Any]]:
    return seen.node.name, seen.outcome, [summary(below) for below in seen.below]


@pytest.mark.parametrize(
    "routes",
    [
        [{"name": "a"}, {"name": "a"}],
        [{"name": "a", "routes": [{"name": "b"}]}, {"name": "b"}],
        [{"name": "default"}],
        [{"name": ""}],
        [{}],
        [{"name": "a", "continue": True}],
    ],
)
def test_names_of_routes_must_differ_and_keys_must_be_known(routes: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        RootRoute.model_validate({"routes": routes})


def _named(routes: list[dict[str, Any]], prefix: str = "r") -> list[dict[str, Any]]:
    """Return the routes with names that differ."""
    return [
        route | {"name": f"{prefix}{place}", "routes": _named(route["routes"], f"{prefix}{place}-")}
        for place, route in enumerate(routes)
    ]


def _routes(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(
        st.fixed_dictionaries(
            {"routes": below},
            optional={
                "segment": st.sampled_from(["", "fr", "fr/lyon", "uk"]),
                "min_severity": st.sampled_from(["error", "critical"]),
                "receivers": st.lists(st.sampled_from(NAMES), max_size=2),
                "to_owner": st.booleans(),
                "then_continue": st.booleans(),
            },
        ),
        max_size=3,
    )


_TREES = st.builds(
    lambda routes, receivers: {"receivers": receivers, "routes": _named(routes)},
    _routes(_routes(_routes(st.just([])))),
    st.lists(st.sampled_from(NAMES), max_size=2),
)
_EVENTS = st.builds(
    Routable,
    kind=st.just("detractor"),
    segment=st.sampled_from(["", "fr", "fr/lyon", "uk", "de"]),
    severity=st.sampled_from(Severity),
    owner=st.sampled_from([None, "jean", "boss"]),
)


def taking(seen: Visit) -> list[str]:
    found = [name for below in seen.below for name in taking(below)]
    return [*found, *([seen.node.name] if seen.outcome is Outcome.TAKES else [])]


@given(_TREES, _EVENTS)
def test_what_is_explained_is_what_is_done_and_nobody_gets_it_twice(root: dict[str, Any], event: Routable) -> None:
    whole = routing(root, jean="jean")
    nodes = takers(event, whole.root)
    decision = whole.decide(event)
    names = [one.receiver.name for one in decision.reached]

    assert [node.name for node in nodes] == taking(visit(event, whole.root))
    assert nodes
    assert len(set(names)) == len(names)
    assert {one.route for one in decision.reached} <= {node.name for node in nodes}
    assert (decision.nobody is None) is bool(names)
    for node in nodes:
        jean = node.to_owner and event.owner == "jean"
        assert {"jean"} if jean else {*node.receivers} <= {*names}
