"""What routes do with one alert or incident, whom it reaches and when: as values that become JSON or text."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from worker.routing.calendar import Skipped, skipped
from worker.routing.places import FOR_PEOPLE, by_place
from worker.routing.receiver import EMAIL, Receiver
from worker.routing.routable import Routable
from worker.routing.routing import Nobody, Routing
from worker.routing.tree import Outcome, Visit, visit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INDENT = "  "
_OUTCOMES = {
    Outcome.TAKES: "takes it",
    Outcome.HANDS_DOWN: "leaves it to a route below",
    Outcome.DIFFERS: "does not match",
    Outcome.NOT_TRIED: "is not tried, since a route before has taken it",
}
_NOBODY = {
    Nobody.NO_ROUTE: "no route takes it, and [route] has no receivers",
    Nobody.NO_RECEIVERS: "the route that takes it has an empty list of receivers",
    Nobody.OWNER_UNKNOWN: "no receiver stands for the customer's account owner, and its route has no receivers",
}


class Delivery(NamedTuple):
    """What one receiver gets, and when."""

    receiver: Receiver
    route: str
    #: When the receiver's quiet hours end, in ms, if the notice waits for that on a channel; otherwise None.
    held_until: int | None
    #: The channels on which it waits.
    held_on: frozenset[str]
    #: The days until then that would be worked, and are not.
    skipped: list[Skipped]


class Explanation(NamedTuple):
    """What becomes of one alert or incident."""

    event: Routable
    #: The moment for which it is judged, in ms.
    at: int
    visit: Visit
    deliveries: list[Delivery]
    nobody: Nobody | None

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            "event": {"kind": self.event.kind, "severity": self.event.severity, "segment": self.event.segment},
            "at": _utc(self.at).isoformat(),
            "route": _visit_json(self.visit),
            "reached": [_delivery_json(delivery) for delivery in self.deliveries],
            "nobody": self.nobody,
        }

    def lines(self) -> list[str]:
        """Return it as lines of text. They do not quote the comment."""
        event = self.event
        return [
            f"{event.kind}, {event.severity}, {event.segment or 'the root segment'}",
            *_visit_lines(self.visit, ""),
            *(line for delivery in self.deliveries for line in _delivery_lines(delivery)),
            *([] if self.nobody is None else [f"nobody gets it: {_NOBODY[self.nobody]}"]),
        ]


def explain(event: Routable, routing: Routing, at: int) -> Explanation:
    """Return what becomes of an alert or an incident at a moment, in ms."""
    reached, nobody = routing.decide(event)
    deliveries = [_delivery(receiver, route, event, routing, at) for receiver, route in reached]
    return Explanation(event, at, visit(event, routing.root), deliveries, nobody)


def _delivery(receiver: Receiver, route: str, event: Routable, routing: Routing, at: int) -> Delivery:
    held = {
        channel: until
        for channel, targets in receiver.targets.items()
        for target in targets
        if (until := _held_until(receiver, channel, target, event, routing, at)) is not None
    }
    until = max(held.values(), default=None)
    days = [] if until is None or receiver.calendar is None else skipped(receiver.calendar, at, until)
    return Delivery(receiver, route, until, frozenset(held), days)


def _held_until(
    receiver: Receiver, channel: str, target: str, event: Routable, routing: Routing, at: int
) -> int | None:
    """Return when the quiet hours end for which a receiver's target on a channel waits; None if it does not wait."""
    if channel != EMAIL:  # several receivers may name the same endpoint
        receiver = by_place(routing, channel, with_hours=channel in FOR_PEOPLE).receivers[target]
    return receiver.held_until(event.severity, at)


def _visit_json(visited: Visit) -> dict[str, Any]:
    return {
        "name": visited.node.name,
        "key": visited.node.key,
        "outcome": visited.outcome,
        "checks": [
            {"matcher": check.key, "setting": check.wanted, "event": check.found, "fits": check.fits}
            for check in visited.checks
        ],
        "routes": [_visit_json(below) for below in visited.below],
    }


def _delivery_json(delivery: Delivery) -> dict[str, Any]:
    until = delivery.held_until
    return {
        "receiver": delivery.receiver.name,
        "route": delivery.route,
        "targets": {channel: [*targets] for channel, targets in delivery.receiver.targets.items() if targets},
        "perhaps_in_digest": _is_bundled(delivery.receiver),
        "deferred_until": None if until is None else _utc(until).isoformat(),
        "deferred_on": sorted(delivery.held_on),
        "skipped_days": [{"day": day.isoformat(), "why": why} for day, why in delivery.skipped],
    }


def _visit_lines(visited: Visit, indent: str) -> Iterator[str]:
    yield f"{indent}route {visited.node.name}: {_OUTCOMES[visited.outcome]}"
    for check in visited.checks:
        found = "absent" if check.found is None else check.found
        wanted = str(check.wanted)
        yield f"{indent}{_INDENT}{'+' if check.fits else '-'} {check.key} {wanted}: it is {found or 'empty'}"
    for below in visited.below:
        yield from _visit_lines(below, indent + _INDENT)


def _delivery_lines(delivery: Delivery) -> Iterator[str]:
    receiver, until = delivery.receiver, delivery.held_until
    yield f"receiver {receiver.name}, by the route {delivery.route}: {_places(receiver, receiver.targets.keys())}"
    if _is_bundled(receiver):
        yield f"{_INDENT}perhaps in a digest, by the caps and groups of the receiver"
    if until is None or receiver.calendar is None:
        yield f"{_INDENT}now"
        return
    if at_once := {channel for channel, targets in receiver.targets.items() if targets} - delivery.held_on:
        yield f"{_INDENT}now: {_places(receiver, at_once)}"
    for day, why in delivery.skipped:
        yield f"{_INDENT}{day:%a %Y-%m-%d} is skipped: {why}"
    yield f"{_INDENT}deferred until {_utc(until).astimezone(receiver.calendar.zone):%a %Y-%m-%d %H:%M %Z}: quiet hours"


def _is_bundled(receiver: Receiver) -> bool:
    """Say whether a receiver has caps or groups on a channel that it uses."""
    posts = any(targets for channel, targets in receiver.targets.items() if channel != EMAIL)
    mails = bool(receiver.targets.get(EMAIL))
    return (mails and receiver.bundling is not None) or (posts and receiver.bundling_of_posts is not None)


def _places(receiver: Receiver, channels: Collection[str]) -> str:
    return ", ".join(
        target if channel == EMAIL else f"{channel} {target}"
        for channel, targets in receiver.targets.items()
        if channel in channels
        for target in targets
    )


def _utc(moment: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=moment)
