"""The tree of routes: which of them take an alert or an incident, and why the others do not. As Alertmanager's.

The children of a route are tried in their order. The first one that matches takes the event, and if it has
`then_continue`, the ones after it are tried too. A route takes an event itself if none of its children does.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field, field_validator

from worker.routing.matching import Check, Matchers
from worker.routing.routable import Routable
from worker.section import Section

#: The name of the root of the tree, in the delivery log.
ROOT = "default"


class Route(Matchers):
    """A route below the root. It takes what all its matchers fit, out of what its parent gets."""

    name: str = Field(min_length=1, max_length=100, description="The name of the route, which no other route has.")
    receivers: list[str] | None = Field(
        default=None,
        description="The names of the receivers. Without it, they are those of the parent. An empty list: nobody gets "
        "what this route takes, and the delivery log says so.",
    )
    to_owner: bool | None = Field(
        default=None,
        description="Whether the receiver that stands for the customer's account owner (`owners`) gets the notice in "
        "place of `receivers`, if there is such a receiver. Without it, the setting of the parent is used.",
    )
    then_continue: bool = Field(
        default=False, description="Whether the worker also tries the routes after this one, below the same parent."
    )
    service_level: str | None = Field(
        default=None,
        description="The name of the service level of the alerts that the route takes. Without it, it is that of the "
        "parent; an empty text: they have none.",
    )
    routes: list["Route"] = Field(
        default=[], description="The routes below this one. The first one that matches takes a notice."
    )


class RootRoute(Section):
    """The root of the tree. It takes what no route below it takes."""

    receivers: list[str] = Field(
        default=[], description="The names of the receivers of alerts and incidents that no route below takes."
    )
    to_owner: bool = Field(
        default=False,
        description="Whether the receiver that stands for the customer's account owner (`receivers.NAME.owners`) gets "
        "the notice in place of `receivers`, if there is such a receiver.",
    )
    service_level: str = Field(
        default="", description="The name of the service level of alerts. Empty: alerts have none."
    )
    routes: list[Route] = Field(
        default=[],
        description="The routes. The worker tries them in this order; the first one that matches takes a notice. Each "
        "route may have routes below it.",
    )

    @field_validator("routes")
    @classmethod
    def _names(cls, routes: list[Route]) -> list[Route]:
        names = [route.name for route in _all(routes)]
        if len(set(names)) != len(names) or ROOT in names:
            raise ValueError(
                f"route names must differ, and no route can be called '{ROOT}', which is the name of the root"
            )
        return routes


def _all(routes: Sequence[Route]) -> Iterator[Route]:
    for route in routes:
        yield route
        yield from _all(route.routes)


@dataclass(frozen=True)
class Node:
    """A route with what it inherits from its parents."""

    name: str
    #: Where the route is in the settings, such as route.routes.0.
    key: str
    matchers: Matchers
    #: The test of each matcher.
    tests: Sequence[Callable[[Routable], bool]]
    receivers: Sequence[str]
    to_owner: bool
    then_continue: bool
    children: Sequence["Node"]
    #: The name of the service level of the alerts that the route takes; empty if there is none.
    service_level: str = ""

    def matches(self, event: Routable) -> bool:
        """Say whether the route takes an alert or an incident, if its parent gets it."""
        return all(test(event) for test in self.tests)

    def all(self) -> Iterator["Node"]:
        """Yield this route and all below it, in the order of the settings."""
        yield self
        for child in self.children:
            yield from child.all()


def tree(root: RootRoute, key: str = "route") -> Node:
    """Return the tree of the settings. `key`: where the root is in them."""
    matchers = Matchers()
    top = Node(
        name=ROOT,
        key=key,
        matchers=matchers,
        tests=matchers.tests(),
        receivers=root.receivers,
        to_owner=root.to_owner,
        then_continue=False,
        children=[],
        service_level=root.service_level,
    )
    return replace(top, children=_children(root.routes, top))


def _children(routes: Sequence[Route], parent: Node) -> list[Node]:
    return [_node(route, f"{parent.key}.routes.{place}", parent) for place, route in enumerate(routes)]


def _node(route: Route, key: str, parent: Node) -> Node:
    node = Node(
        name=route.name,
        key=key,
        matchers=route,
        tests=route.tests(),
        receivers=parent.receivers if route.receivers is None else route.receivers,
        to_owner=parent.to_owner if route.to_owner is None else route.to_owner,
        then_continue=route.then_continue,
        children=[],
        service_level=parent.service_level if route.service_level is None else route.service_level,
    )
    return replace(node, children=_children(route.routes, node))


def takers(event: Routable, node: Node) -> list[Node]:
    """Return the routes that take an alert or an incident which `node` gets."""
    found: list[Node] = []
    for child in node.children:
        if child.matches(event):
            found += takers(event, child)
            if not child.then_continue:
                break
    return found or [node]


class Outcome(StrEnum):
    """What a route does with an alert or an incident."""

    TAKES = "takes"
    HANDS_DOWN = "hands_down"  # a route below it takes it
    DIFFERS = "differs"  # a matcher does not fit
    NOT_TRIED = "not_tried"  # a route before it has taken it


class Visit(NamedTuple):
    """What one route does with an alert or an incident, and why."""

    node: Node
    outcome: Outcome
    #: What each of its matchers says.
    checks: list[Check]
    #: What the routes below it do; empty if the route does not match.
    below: list["Visit"]


def visit(event: Routable, node: Node) -> Visit:
    """Return what each route does with an alert or an incident which `node` gets."""
    below: list[Visit] = []
    is_taken = ends = False
    for child in node.children:
        checks = child.matchers.checks(event)
        if ends:
            below.append(Visit(child, Outcome.NOT_TRIED, checks, []))
        elif not child.matches(event):
            below.append(Visit(child, Outcome.DIFFERS, checks, []))
        else:
            below.append(visit(event, child))
            is_taken, ends = True, not child.then_continue
    outcome = Outcome.HANDS_DOWN if is_taken else Outcome.TAKES
    return Visit(node, outcome, node.matchers.checks(event), below)
