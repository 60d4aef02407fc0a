"""The receivers of a waiting mail by the current settings, which may have changed since it was planned. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.erasure import Erasure
from worker.notify.mailbox import Mail
from worker.notify.notice import Sent
from worker.notify.routing import Route, routes_for


class Address(NamedTuple):
    """A route, and those of its receivers that have not got the mail yet."""

    route: Route
    receivers: list[str]


class NobodyLeft(Exception):
    """A mail has no receiver any more. `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def addressed(mail: Mail, notice: Sent, mails: Iterable[Mail], routes: Sequence[Route]) -> Address:
    """Return the route and the receivers of a mail. `mails`: all mails of its mailbox.

    If its route was removed or renamed, the mail goes to the first matching route that has no mail about the same step.
    Every route matches an erasure.
    Raise NobodyLeft if every matching route has one, or if all receivers that have not got the mail were removed.
    """
    by_name = {route.name: route for route in routes}
    route = by_name.get(mail.route)
    if route is not None:
        return Address(route, _remaining(mail, route) or _nobody("receivers_removed"))
    others = {other.route for other in mails if other is not mail and _is_same_step(other, mail)}
    matching = routes if isinstance(notice, Erasure) else routes_for(notice, routes)
    route = next((route for route in matching if route.name not in others), None)
    if route is None:
        raise NobodyLeft("route_removed")
    return Address(route, _remaining(mail, route) or list(route.to))


def _remaining(mail: Mail, route: Route) -> list[str]:
    """Return the receivers of the next attempt that the route still has, without repeats."""
    left = route.to if mail.left is None else mail.left
    receivers = {route.identity(receiver) for receiver in route.to}
    first: dict[str, str] = {}
    for receiver in left:
        if route.identity(receiver) in receivers:
            first.setdefault(route.identity(receiver), receiver)
    return list(first.values())


def _is_same_step(other: Mail, mail: Mail) -> bool:
    return (other.alert_id, other.planned, other.action) == (mail.alert_id, mail.planned, mail.action)


def _nobody(reason: str) -> list[str]:
    raise NobodyLeft(reason)
