"""Receivers that have plans, with the outbox before them and a server behind them: no Kafka, no SMTP, no HTTP."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from flow.records import NOW, Record
from notify.conftest import _alert, _incident
from notify.mailboxes import EMAIL, line
from notify.test_mailbox_cases import step_of

from schemas.alert import Alert, AlertAction, Severity
from schemas.incident import Incident
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.policy import IntakePolicy
from worker.flow.timestamps import from_ms
from worker.notify import digest, mailbox, planning, receiver_plan, receiver_planning
from worker.notify.attempts import AttemptResult, write_down
from worker.notify.digest import Members
from worker.notify.forwarded import TICK_KEY, Spread
from worker.notify.mailbox import Mail
from worker.notify.notice import Shown
from worker.notify.planning import Planner
from worker.notify.receiver_plan import Plan
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import MailRef
from worker.rebuild.records import apply
from worker.routing.bundling import Bundling
from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import RootRoute, tree

MINUTE, HOUR = 60_000, 3_600_000
CAPPED = Bundling(mails_per_hour=4, critical_per_hour=2)
ONE = Spread(1, lambda _: 0)


def desk(bundling: Bundling | None = CAPPED, channel: str = "email", **more: Any) -> Receiver:
    return Receiver(
        "desk", {channel: ["desk@example.org" if channel == "email" else "desk"]}, bundling=bundling, **more
    )


def planner_of(
    *receivers: Receiver,
    actions: Sequence[str] = ("opened", "resolved", "withdrawn"),
    channel: str = EMAIL.channel,
    **more: Any,
) -> Planner:
    """Return how the notices of a channel are planned if every receiver gets everything."""
    root = tree(RootRoute(receivers=[receiver.name for receiver in receivers]))
    routing = Routing(root, {receiver.name: receiver for receiver in receivers}, {})
    return Planner(channel, routing, actions, IntakePolicy(), str.casefold, **more)


class Accepted(NamedTuple):
    """A mail that the server has accepted, and the alerts or incidents that it is about."""

    at: int
    message_id: str
    is_digest: bool
    about: list[str]
    #: What each of them said.
    actions: list[str]


def _key_of(incident: Incident) -> bytes:
    """Return the key of an incident's records: it stays that of the segment that it was opened about."""
    first = incident.segment if incident.first_segment is None else incident.first_segment
    return f"incident:{first}".encode()


class Desk:
    """One partition of alerts and one of plans. `now` is the time of both; nothing happens by itself."""

    def __init__(self, *receivers: Receiver, planner: Planner | None = None) -> None:
        self.planner = planner or planner_of(*(receivers or (desk(),)))
        self.now = NOW
        self.outbox: dict[bytes, bytes] = {}
        self.plans: dict[bytes, bytes] = {}
        self.arrived: Mapping[int, int] = {}
        self.members = Members()
        self.log: list[dict[str, Any]] = []
        #: The same lines as records.
        self.lines: list[Record] = []
        #: All records of the topic of the alerts.
        self.alerts: list[Record] = []
        self.inbox: list[Accepted] = []
        #: All records of the topic of the plans.
        self.notices: list[Record] = []
        self.spread = ONE
        #: How many notices of a digest the channel shows; None if all.
        self.shows: int | None = None

    # -- What comes in.

    def take(self, notice: Alert | Incident, event_id: str) -> None:
        kind = events.ALERT if isinstance(notice, Alert) else events.INCIDENT
        own = notice.customer_id.encode() if isinstance(notice, Alert) else _key_of(notice)
        headers = [("ce_id", event_id.encode()), ("ce_type", kind.type)]
        self._plan(Record(notice.model_dump_json().encode(), own, headers=headers))

    def alert(self, number: int, **changes: Any) -> Alert:
        """Take in an alert of a customer of its own; return it."""
        alert = alert_of(number, **changes)
        self.take(alert, f"e-{number}-{alert.action}-{alert.revision}")
        return alert

    def drop(self, segment: str = "fr", **changes: Any) -> Incident:
        """Take in an incident about a segment; return it."""
        incident = _incident(**({"alert_id": f"i-{segment}", "segment": segment, "severity": Severity.ERROR} | changes))
        self.take(incident, f"i-{segment}-{incident.action}")
        return incident

    def resolve(self, alert: Alert) -> None:
        """Take in that somebody has resolved the case of an alert."""
        record = step_of(alert, at=alert.occurred_at + timedelta(days=1))
        self._plan(record._replace(key=alert.customer_id.encode()))

    def say(self, record: Record) -> None:
        """Take in a step of a case."""
        self._plan(record)

    def erase(self, customer: str) -> None:
        self._plan(Record(None, customer.encode()))

    def _plan(self, record: Record) -> None:
        self.alerts.append(record._replace(offset=len(self.alerts), timestamp=self.now, topic="nps.alerts"))
        self._forwarded(planning.plan(self.alerts[-1:], self.planner, self.outbox.get, self.spread))

    def _forwarded(self, decided: Decided) -> None:
        apply(self.outbox, decided.rows)
        self._note(output for output in decided.outputs if output.topic == events.DELIVERIES)
        sent = [output for output in decided.outputs if output.topic == self.spread.topic]
        assert all(output.partition == 0 for output in sent)
        self.notice(*(Record(output.value, output.key) for output in sent))

    def notice(self, *records: Record) -> None:
        """Plan records of the topic of the plans, as one batch."""
        for record in records:
            placed = record._replace(offset=len(self.notices), timestamp=self.now, topic="nps.notices")
            self.notices.append(placed)
        self.plan_again(len(records))

    def plan_again(self, last: int) -> None:
        """Plan the last records of the topic of the plans, perhaps once more."""
        if not last:
            return
        batch = receiver_planning.Batch(self.notices[-last:], self.arrived, lambda name: self.members.of(0, name))
        decided = receiver_planning.plan(batch, self.planner, self.plans.get)
        self.arrived = decided.rerouted
        self._write(decided.rows)
        self._note(decided.outputs)

    # -- The passing of time.

    def wait(self, milliseconds: int) -> None:
        """Let time pass; each receiver gets its ticks."""
        end = self.now + milliseconds
        while (wake := min(self.wakes(), default=end)) < end:
            self.now = max(self.now, wake)
            self.tick()
            assert min(self.wakes(), default=end) > self.now, "a tick has not done what it was for"
        self.now = end
        self.tick()

    def wakes(self) -> list[int]:
        return [plan.wake for plan in self.all_plans().values() if plan.wake]

    def tick(self) -> None:
        for name, plan in self.all_plans().items():
            if plan.wake and plan.wake <= self.now:
                self.notice(Record(name.encode(), TICK_KEY))

    def all_plans(self) -> dict[str, Plan]:
        found = {receiver_plan.receiver_of(key): row for key, row in self.plans.items()}
        return {name: receiver_plan.decode(row) for name, row in found.items() if name is not None}

    # -- The mail server.

    def deliver(self, error: DeliveryError | None = None, gone: str | None = None) -> list[Accepted]:
        """Try every mail that is due, and return what was accepted, by the keys of the mailboxes.

        `gone`: why digests have no receiver any more.
        """
        before = len(self.inbox)
        for key in sorted(self.plans):
            for mail in self.waiting(key):
                self._try(key, mail, error, gone if mailbox.is_digest(key) else None)
        return self.inbox[before:]

    def waiting(self, key: bytes) -> list[Mail]:
        row = self.plans.get(key)
        box = [] if row is None or not mailbox.is_box(key) else mailbox.decode(row).mails
        return [mail for mail in box if mail.is_tried]

    def _try(self, key: bytes, mail: Mail, error: DeliveryError | None, gone: str | None) -> None:
        result = AttemptResult(error, mail.addressee, mail.route, mail.merged, gone, tried=mail)
        if mailbox.is_digest(key):
            found = digest.opened(mail.delivery_id, self.members.of(0, mail.delivery_id), self.plans.get)
            notices: Sequence[Shown] = [item.notice for item in found.items]
            result = result._replace(known=found.known, listed=found.listed, lost=found.lost, shown=self.shows)
        else:
            pending_notice = self.plans.get(mailbox.pending_notice_key(key, mail.delivery_id))
            if pending_notice is None:
                return
            notice = mailbox.notice(mail, key, pending_notice)
            assert isinstance(notice, Shown)
            notices = [notice]
        if error is None and gone is None and notices:
            about, actions = [one.alert_id for one in notices], [one.action for one in notices]
            is_digest = mailbox.is_digest(key)
            self.inbox.append(Accepted(self.now, mail.delivery_id, is_digest, about, actions))
        if not notices:
            result = result._replace(nobody_left="nothing_left")
        self.write_down(key, mail, result)

    def write_down(self, key: bytes, mail: Mail, result: AttemptResult) -> None:
        ref = MailRef(0, key, mail.delivery_id)
        written = write_down({ref: result}, self.plans.get, self.now, self.planner.deliveries, RetryPolicy())
        self._write(written.rows)
        self._note(written.lines)

    def _write(self, rows: Mapping[bytes, bytes | None]) -> None:
        apply(self.plans, rows)
        self.members.note_rows(0, rows)

    def _note(self, outputs: Iterable[Output]) -> None:
        found = [output for output in outputs if output.topic == events.DELIVERIES]
        self.log += map(line, found)
        self.lines += [Record(output.value, output.key, topic="nps.deliveries") for output in found]

    def lines_of(self, alert_id: str) -> list[tuple[str, str]]:
        return [(one["status"], one["reason"]) for one in self.log if one["alert_id"] == alert_id]

    def pending_notices(self) -> list[bytes]:
        return [key for key in self.plans if b"\x00" in key]


def alert_of(number: int, **changes: Any) -> Alert:
    own = {"alert_id": f"a-{number}", "customer_id": f"c-{number}", "response_id": f"r-{number}"}
    usual = {"severity": Severity.WARNING, "segment": "fr/lyon", "occurred_at": from_ms(NOW + number)}
    return _alert(**(own | usual | changes))


def withdrawn(alert: Alert) -> Alert:
    return alert.model_copy(update={"action": AlertAction.WITHDRAWN, "reason": "no_longer_detractor", "revision": 9})
