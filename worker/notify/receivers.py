"""The receivers of a waiting mail by the current settings, which may have changed since it was planned. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.case import CaseStep
from schemas.erasure import Erasure
from worker.notify.digest import Content, Digest
from worker.notify.mailbox import Mail
from worker.notify.planning import Planner
from worker.routing.receiver import Receiver
from worker.routing.routing import Reached


class Address(NamedTuple):
    """A receiver, and the name of the route by which a mail goes there."""

    receiver: Receiver
    route: str
    #: Those of the receiver's addresses that have not got the mail yet.
    targets: list[str]


class NobodyLeft(Exception):
    """A mail has no receiver any more. `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def addressed(mail: Mail, notice: Content, mails: Iterable[Mail], planner: Planner) -> Address:
    """Return the receiver and the addresses of a mail. `mails`: all mails of its mailbox.

    If its receiver was removed or renamed, the mail goes to the first receiver that the routes name now and that has no
    mail about the same step. An erasure is for every receiver. Raise NobodyLeft if each of them has one, or if all
    addresses that have not got the mail were removed. A digest is for its own receiver only.
    """
    receiver = planner.routing.receivers.get(mail.addressee)
    if receiver is not None:
        targets = _remaining(mail, receiver, planner)
        if not targets:
            raise NobodyLeft("receivers_removed")
        return Address(receiver, mail.route, targets)
    others = {other.addressee for other in mails if other is not mail and _is_same_step(other, mail)} | {*mail.others}
    for receiver, route in _reached_now(notice, planner):
        if receiver.name not in others:
            return Address(receiver, route, _remaining(mail, receiver, planner) or [*planner.targets(receiver)])
    raise NobodyLeft("route_removed")


def _reached_now(notice: Content, planner: Planner) -> list[Reached]:
    if isinstance(notice, Digest):
        return []
    if isinstance(notice, Erasure):
        known = planner.routing.receivers
        return [Reached(receiver, name) for name, receiver in known.items() if planner.targets(receiver)]
    if isinstance(notice, CaseStep):
        return []  # its receivers follow from the alert, or from the service level as it was
    return planner.reached(notice).reached


def _remaining(mail: Mail, receiver: Receiver, planner: Planner) -> list[str]:
    """Return the addresses of the next attempt that the receiver still has, without repeats."""
    targets: Sequence[str] = planner.targets(receiver)
    left = targets if mail.left is None else mail.left
    known = {planner.identity(target) for target in targets}
    first: dict[str, str] = {}
    for target in left:
        if planner.identity(target) in known:
            first.setdefault(planner.identity(target), target)
    return list(first.values())


def _is_same_step(other: Mail, mail: Mail) -> bool:
    return (other.alert_id, other.planned, other.action) == (mail.alert_id, mail.planned, mail.action)
