"""Flat routes: a list whose routes have the addresses of their receivers in themselves. They are older than the tree.

A flat route is a route below the root, and a receiver of the same name. Deliveries are planned for receivers, so their
ids, and the rows that wait, are the same as when they were planned for flat routes.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic import Field, field_validator

from schemas.alert import Severity
from worker.lineage import canonical_path
from worker.routing.bundling import Bundling
from worker.routing.matching import Kind
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import ROOT, RootRoute, Route, tree
from worker.section import Section


class FlatRoute(Section):
    """One route. It takes notices of a part of the tree, of some kinds and from a severity on, to its receivers."""

    name: str = Field(min_length=1, max_length=100, description="The name of the route, which no other route has.")
    segment: str = Field(
        default="",
        description="The route matches this segment, such as 'fr/shop-3', and all segments below it. Empty: every "
        "segment.",
    )
    kinds: list[Kind] = Field(
        default=[], description="The kinds of alerts and incidents that the route matches. Empty: every kind."
    )
    min_severity: Severity = Field(
        default=Severity.WARNING, description="The lowest severity that the route matches: warning, error or critical."
    )
    to: list[str] = Field(min_length=1, description="The receivers, who share one mail.")
    then_continue: bool = Field(default=False, description="Whether the worker also tries the routes after this one.")

    @field_validator("segment")
    @classmethod
    def _path(cls, segment: str) -> str:
        return canonical_path(segment)

    def as_route(self) -> Route:
        """Return the route of the tree that does the same."""
        return Route(
            name=self.name,
            segment=self.segment,
            kinds=self.kinds,
            min_severity=self.min_severity,
            receivers=[self.name],
            then_continue=self.then_continue,
        )


def flat_routing(routes: Sequence[FlatRoute], channel: str, bundling: Bundling | None = None) -> Routing:
    """Return the routing of flat routes in their order. A route that takes everything at the end is one like others.

    `channel`: the name of the channel that the receivers of the routes are places of; `bundling`: how the mails of each
    of them are bundled.
    """
    # The root's checks of names would refuse the route that the setting email.to stands for, as it is called 'default'.
    root = RootRoute.model_construct(receivers=[], to_owner=False, routes=[route.as_route() for route in routes])
    receivers = {route.name: Receiver(route.name, {channel: route.to}, bundling=bundling) for route in routes}
    top = tree(root, channel)
    children = [replace(child, key=f"{channel}.to") if child.name == ROOT else child for child in top.children]
    return Routing(replace(top, children=children), receivers, {})


def not_with_receivers(routes: Sequence[FlatRoute], *, has_to: bool, keys: Iterable[str]) -> list[str]:
    """Return a line for each flat route, and for each key that belongs to them: each says what to write in its place.

    `has_to`: whether email.to is set; `keys`: those of caps and groups that are set, such as "email.group_by". A line
    repeats no address.
    """
    lines = [
        f"email.routes.{place}: is not used together with [receivers]; write in its place: {_as_tree(route)}"
        for place, route in enumerate(routes)
    ]
    # If a route continues, email.to gets what it takes as well. The root would not.
    last = (
        '[[route.routes]] name = "others", receivers = ["support"], after all other routes'
        if any(route.then_continue for route in routes)
        else '[route] receivers = ["support"]'
    )
    where = f"[receivers.support] email = […] and {last}"
    end = f"email.to: is not used together with [receivers]; write in its place: {where}"
    caps = [
        f"{key}: is not used together with [receivers]; write {key.rpartition('.')[2]} in [receivers.NAME] in its place"
        for key in keys
    ]
    return [*lines, *([end] if has_to else []), *caps]


def _as_tree(route: FlatRoute) -> str:
    name = json.dumps(route.name, ensure_ascii=False)
    keys = [f"name = {name}"]
    for field in ("segment", "kinds", "min_severity", "then_continue"):
        value = getattr(route, field)
        if value != FlatRoute.model_fields[field].default:
            keys.append(f"{field} = {json.dumps(value, ensure_ascii=False)}")
    return f"[receivers.{name}] email = […] and [[route.routes]] {', '.join([*keys, f'receivers = [{name}]'])}"
