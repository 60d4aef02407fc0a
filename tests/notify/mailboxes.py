"""What the tests of the mailbox begin with: records, plans, and what is in their rows."""

import json
from typing import Any

from flow.records import NOW, Record

from schemas.alert import Alert
from schemas.delivery import Delivery, DeliveryStatus
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.notify import mailbox, planning
from worker.notify.deliveries import Deliveries
from worker.notify.mailbox import Mail
from worker.notify.notice import Notice
from worker.notify.planning import Planner
from worker.routing.flat import FlatRoute, flat_routing

KEY = b"c-42"
EMAIL = Deliveries("email")
DEFAULT = FlatRoute(name="default", to=["support@example.org"])
BOSS = FlatRoute(name="boss", to=["boss@example.org", "deputy@example.org"], then_continue=True)


def record_of(alert: Notice, event_id: str = "e-1", key: bytes | None = KEY, timestamp: int = NOW) -> Record:
    """Return a step of an alert or an incident as the notifier reads it."""
    kind = events.ALERT if isinstance(alert, Alert) else events.INCIDENT
    headers = [("ce_id", event_id.encode()), ("ce_type", kind.type)]
    return Record(alert.model_dump_json().encode(), key, timestamp=timestamp, headers=headers, topic="nps.alerts")


def planned(
    *records: Record,
    rows: dict[bytes, bytes] | None = None,
    routes: tuple[FlatRoute, ...] = (DEFAULT,),
    actions: tuple[str, ...] = ("opened", "resolved"),
    updates: tuple[str, ...] = (),
) -> Decided:
    return planning.plan(records, planner(*routes, actions=actions, updates=updates), (rows or {}).get)


def planner(
    *routes: FlatRoute, actions: tuple[str, ...] = ("opened", "resolved"), updates: tuple[str, ...] = ()
) -> Planner:
    """Return how mails are planned for flat routes, the last of which may be one that takes everything."""
    routing = flat_routing(routes, EMAIL.channel)
    return Planner(EMAIL.channel, routing, (*actions, *updates), IntakePolicy(), str.casefold)


def kept(decided: Decided) -> dict[bytes, bytes]:
    return {key: row for key, row in decided.rows.items() if row is not None}


def mails(decided: Decided, key: bytes = KEY) -> list[Mail]:
    return mailbox.decode(kept(decided)[key]).mails


def pending_notices(decided: Decided) -> dict[bytes, bytes | None]:
    """Return the rows that hold alerts, or erase them."""
    return {key: row for key, row in decided.rows.items() if b"\x00" in key}


def id_of(event_id: str, route: str = "default") -> str:
    return make_id("delivery", EMAIL.channel, event_id, route)


def line(output: Output) -> dict[str, Any]:
    """Return a line of the delivery log, read and checked by its contract."""
    assert output.topic == events.DELIVERIES
    Delivery.model_validate_json(output.value or b"", strict=True)
    found: dict[str, Any] = json.loads(output.value or b"")
    return found


def lines(decided: Decided) -> list[tuple[str, str]]:
    return [(found["status"], found["reason"]) for found in map(line, decided.outputs)]


def pending(**changes: Any) -> Mail:
    usual: dict[str, Any] = {
        "delivery_id": "d-1",
        "alert_id": "a-1",
        "route": "default",
        "status": DeliveryStatus.PENDING,
        "attempts": 0,
        "planned": NOW,
        "due": NOW,
    }
    return Mail(**(usual | changes))


def settled(number: int) -> Mail:
    return pending(delivery_id=f"d-{number}", status=DeliveryStatus.SENT, attempts=1)
