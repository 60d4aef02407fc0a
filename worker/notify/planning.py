"""The mails that a batch of alerts and incidents plans, changes and cancels, as rows and lines of the log. Pure.

What goes out is the newest that is known: a later step of the same alert replaces what an open mail says, and a
withdrawal, or an incident's end, cancels it.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from pydantic import ValidationError

from schemas.alert import Alert, AlertAction
from schemas.dead_letter import Reason
from schemas.delivery import DeliveryStatus
from schemas.incident import IncidentAction
from worker.errors import Rejected
from worker.flow.batch import Decided, Output, Overlay, Record
from worker.flow.dead_letter import stray
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.record import header
from worker.notify.mailbox import CHANNEL, Mail, Mailbox, box_key, decode, encode, letter_key, logged, settle
from worker.notify.notice import Notice, check_record, notice_in
from worker.notify.routing import Route, routes_for

#: Open mails kept per customer. So many unhappy answers of one customer, with the mail server away, are no customer's.
OPEN_KEPT = 2_000
#: The delivery log's reason for a mail beyond that.
TOO_MANY_WAITING = "too_many_waiting"
#: The steps that end an alert or an incident: they cancel its open mails, which would call somebody for nothing.
_ENDS = frozenset({AlertAction.WITHDRAWN, IncidentAction.RESOLVED})
#: Reasons of an update that is mailed whatever `email.actions` says: survey tools send the comment after the score, and
#: whether a customer may be called must not be known too late.
_ALWAYS_MAILED = frozenset({"comment_added", "comment_changed", "consent_changed"})
#: How many steps a mail remembers that were merged into it.
MERGED_KEPT = 4


class Planner(msgspec.Struct, frozen=True):
    """What planning rests on: the routes in order, the steps of an alert or an incident that are mailed."""

    routes: Sequence[Route]
    actions: Sequence[str]
    intake: IntakePolicy


class _Desk:
    """What lies on the desk while a batch of alerts is planned."""

    def __init__(self, planner: Planner, read: Callable[[bytes], bytes | None]) -> None:
        self.planner = planner
        self.outputs: list[Output] = []
        self.letters: dict[bytes, bytes | None] = {}
        self._boxes = Overlay(read, decode, encode)

    def box(self, key: bytes) -> Mailbox:
        """Return a mailbox; what happens to it is kept."""
        box = self._boxes.get(key)
        if box is None:
            box = Mailbox()
            self._boxes.put(key, box)
        return box

    def erase(self, key: bytes) -> None:
        """Forget a customer's mails, open ones included."""
        for mail in self.box(key).mails:
            self.letters[letter_key(key, mail.delivery_id)] = None
        self._boxes.erase(key)

    def decided(self) -> Decided:
        """Return outputs and rows: alerts before the mailboxes that list them, in case only some get written."""
        return Decided(self.outputs, {**self.letters, **self._boxes.rows()}, {})


def plan(records: Iterable[Record], planner: Planner, read: Callable[[bytes], bytes | None]) -> Decided:
    """Plan the mails of a batch of alerts and incidents. A null value erases a customer's mails, open ones included."""
    desk = _Desk(planner, read)
    for record in records:
        key = record.key or b""
        try:
            check_record(record)
            if record.value is None:
                desk.erase(key)
                continue
            told = notice_in(record.value, header(record, "ce_type"))
        except (Rejected, ValidationError) as error:
            none = Rejected(Reason.WRONG_TYPE, "value: is not an alert or incident of this version")
            desk.outputs.append(stray(record, error if isinstance(error, Rejected) else none, planner.intake))
            continue
        _step(told, record, box_key(told, key), desk)
    return desk.decided()


def _step(told: Notice, record: Record, key: bytes, desk: _Desk) -> None:
    """Take one step of an alert or an incident: mails to plan, mails to say it instead, mails that lost their point."""
    box, now = desk.box(key), record.timestamp
    event_id = (header(record, "ce_id") or told.alert_id.encode()).decode(errors="replace")
    earlier = _earlier(box, told, event_id)
    is_mailed = told.action in desk.planner.actions or _is_always_mailed(told)
    if told.action in _ENDS:
        _cancel(earlier, told, key, now, desk)
    elif isinstance(told, Alert) and told.action == AlertAction.UPDATED:
        _merge(earlier, told, record, event_id if is_mailed else None, desk)
    if is_mailed:
        _plan(told, record, event_id, earlier, desk)


def _cancel(earlier: Iterable[Mail], told: Notice, key: bytes, now: int, desk: _Desk) -> None:
    for mail in earlier:
        if mail.is_open:
            desk.outputs.append(settle(mail, DeliveryStatus.CANCELLED, told.action, now))
        desk.letters[letter_key(key, mail.delivery_id)] = None


def _merge(earlier: Iterable[Mail], told: Alert, record: Record, event_id: str | None, desk: _Desk) -> None:
    """Have open mails say what a later step says; `event_id`: the step's, if it would be mailed itself."""
    key = box_key(told, record.key or b"")
    for mail in earlier:
        if not mail.is_open or told.revision < mail.revision:
            continue
        mail.revision = told.revision
        desk.letters[letter_key(key, mail.delivery_id)] = record.value
        # Whoever may have got the mail as it was gets another one.
        if event_id is not None and mail.left is None and not mail.unsure:
            mail.merged = [*mail.merged, _delivery_id(event_id, mail.route)][-MERGED_KEPT:]
            if mail.action == AlertAction.UPDATED:
                mail.reason = told.reason


def _plan(told: Notice, record: Record, event_id: str, earlier: Sequence[Mail], desk: _Desk) -> None:
    key, now = box_key(told, record.key or b""), record.timestamp
    box = desk.box(key)
    for route in _routes(told, earlier, desk.planner):
        delivery_id = _delivery_id(event_id, route.name)
        if box.find(delivery_id) is not None or _is_no_news(told, route, earlier) or _is_merged(delivery_id, earlier):
            continue
        mail = Mail(delivery_id, told.alert_id, route.name, DeliveryStatus.PENDING, 0, now, 0)
        if isinstance(told, Alert):
            mail.action, mail.reason, mail.revision = told.action, told.reason, told.revision
        box.mails.append(mail)
        if sum(known.is_open for known in box.mails) > OPEN_KEPT:
            desk.outputs.append(settle(mail, DeliveryStatus.FAILED, TOO_MANY_WAITING, now))
            continue
        desk.letters[letter_key(key, delivery_id)] = record.value
        desk.outputs.append(logged(mail, "planned", now))


def _is_always_mailed(told: Notice) -> bool:
    return told.action == AlertAction.UPDATED and told.reason in _ALWAYS_MAILED


def _is_merged(delivery_id: str, earlier: Iterable[Mail]) -> bool:
    return any(delivery_id in mail.merged for mail in earlier)


def _routes(told: Notice, earlier: Iterable[Mail], planner: Planner) -> list[Route]:
    """Return the routes of a step: today's; of an update that is always mailed, those that have the alert already."""
    todays = routes_for(told, planner.routes)
    if not _is_always_mailed(told):
        return todays
    names = {mail.route for mail in earlier if mail.status is not DeliveryStatus.CANCELLED}
    if told.action in planner.actions:
        names |= {route.name for route in todays}
    return [route for route in planner.routes if route.name in names] or todays


def _delivery_id(event_id: str, route: str) -> str:
    return make_id("delivery", CHANNEL, event_id, route)


def _earlier(box: Mailbox, told: Notice, event_id: str) -> list[Mail]:
    """Return the mails about earlier steps of the same alert or incident; not those of this step, if it is a repeat."""
    return [
        mail
        for mail in box.mails
        if mail.alert_id == told.alert_id and mail.delivery_id != _delivery_id(event_id, mail.route)
    ]


def _is_no_news(told: Notice, route: Route, earlier: Iterable[Mail]) -> bool:
    """Say whether this is the end of something whose beginning the route's receivers were never told of."""
    statuses = {mail.status for mail in earlier if mail.route == route.name}
    return told.action in _ENDS and statuses == {DeliveryStatus.CANCELLED}
