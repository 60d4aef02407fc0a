"""Records of the topics that the page reads, made from the examples of the schemas."""

import json
from itertools import count
from typing import Any

from flow.records import NOW, Record

from schemas import examples

_OFFSETS = count()
ALERT, CASE, INCIDENT = (b"nps.alert.v1", b"nps.case.v1", b"nps.incident.v1")


def record(body: dict[str, Any], at: int = NOW, **changes: Any) -> Record:
    """Return a record with an event. `changes`: of the record."""
    usual: dict[str, Any] = {"value": json.dumps(body).encode(), "timestamp": at, "offset": next(_OFFSETS)}
    return Record(**(usual | changes))


def decision(at: int = NOW, partition: int = 0, **changes: Any) -> Record:
    """Return a decision: the example but for the fields given, written at a time in ms."""
    number = {"decision_id": f"d-{next(_OFFSETS)}"}
    return record(examples.DECISION | number | changes, at, partition=partition)


def delivery(at: int = NOW, **changes: Any) -> Record:
    """Return a line of the delivery log."""
    return record(examples.DELIVERY | changes, at)


def dead_letter(at: int = NOW, **changes: Any) -> Record:
    """Return a dead letter."""
    return record(examples.DEAD_LETTER | changes, at)


def recovery(at: int = NOW, **changes: Any) -> Record:
    """Return a recovery."""
    return record(examples.RECOVERY | changes, at)


def alert(at: int = NOW, **changes: Any) -> Record:
    """Return a step of an alert."""
    return record(examples.ALERT | changes, at, headers=[("ce_type", ALERT)])


def case_step(at: int = NOW, **changes: Any) -> Record:
    """Return a step of a case."""
    return record(examples.CASE | changes, at, headers=[("ce_type", CASE)])


def incident(at: int = NOW, **changes: Any) -> Record:
    """Return a step of an incident."""
    return record(examples.INCIDENT | changes, at, headers=[("ce_type", INCIDENT)])


def erasure(customer: str) -> Record:
    """Return what erases a customer on a topic of events."""
    return Record(None, customer.encode(), next(_OFFSETS))
