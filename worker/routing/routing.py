"""The whole of it: which receivers get an alert or an incident, by which route; or why nobody does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from worker.routing.comment import plain
from worker.routing.receiver import Receiver
from worker.routing.routable import Routable
from worker.routing.service_level import RECEIVERS_KEPT, Terms, Work
from worker.routing.tree import Node, takers


class Nobody(StrEnum):
    """Why nobody gets an alert or an incident."""

    NO_ROUTE = "no_route"  # no route took it but the root, which has no receivers
    NO_RECEIVERS = "no_receivers"  # the route that took it has an empty list of receivers on purpose
    OWNER_UNKNOWN = "owner_unknown"  # it was for the account owner, for whom no receiver stands


class Reached(NamedTuple):
    """A receiver of an alert or an incident, and the name of the route that names it."""

    receiver: Receiver
    route: str


class Decision(NamedTuple):
    """Who gets an alert or an incident. `nobody` says why nobody does; it is None if somebody does."""

    reached: list[Reached]
    nobody: Nobody | None


@dataclass(frozen=True)
class Routing:
    """Who gets which alerts and incidents."""

    root: Node
    #: The receivers by their names, in the order of the settings.
    receivers: Mapping[str, Receiver]
    #: The name of the receiver that stands for an account owner. The owner is written as `plain` does.
    owners: Mapping[str, str]
    #: What the receivers of the settings are called in `receivers`, if they are called otherwise (places.py). One that
    #: is not here has no place there.
    places: Mapping[str, str] | None = None

    def called(self, name: str) -> Receiver | None:
        """Return the receiver that has a name in the settings; None if there is none."""
        return self.receivers.get(name if self.places is None else self.places.get(name, ""))

    def decide(self, event: Routable) -> Decision:
        """Return who gets an alert or an incident. A receiver gets it once, by the first route that names it."""
        routes = takers(event, self.root)
        found: dict[str, str] = {}
        for route in routes:
            for name in self._names(route, event):
                found.setdefault(name, route.name)
        reached = [Reached(self.receivers[name], route) for name, route in found.items()]
        return Decision(reached, None if reached else self._why_nobody(routes))

    def work(self, event: Routable, calendars: Mapping[str, str]) -> Work:
        """Return who gets an alert, and by what the work on it is measured.

        The service level is that of the first route that takes the alert and has one. The calendar is that of the first
        receiver that has one. `calendars`: the names of the calendars of those receivers that have one.
        """
        level = next((route.service_level for route in takers(event, self.root) if route.service_level), "")
        reached = [receiver.name for receiver, _ in self.decide(event).reached]
        calendar = next((calendars[name] for name in reached if name in calendars), "")
        return Work(Terms(level, calendar), reached[:RECEIVERS_KEPT])

    def owner(self, event: Routable) -> str | None:
        """Return the name of the receiver that stands for the customer's account owner; None if there is none."""
        return None if event.owner is None else self.owners.get(plain(event.owner))

    def _names(self, route: Node, event: Routable) -> Iterator[str]:
        owner = self.owner(event) if route.to_owner else None
        if owner is not None:
            yield owner
        else:
            yield from route.receivers

    def _why_nobody(self, routes: Sequence[Node]) -> Nobody:
        """Return why these routes, which took an event, reach nobody."""
        if any(route.to_owner for route in routes):
            return Nobody.OWNER_UNKNOWN
        return Nobody.NO_ROUTE if self.root in routes else Nobody.NO_RECEIVERS
