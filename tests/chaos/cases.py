"""Cases, recounted: from their own topic without a fault, and from what receivers get, by none of the worker's code."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, cast

from aiokafka import ConsumerRecord
from msgspec import msgpack

from worker.flow.batch import Record
from worker.flow.cases import road
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.service import ServiceLevels
from worker.flow.policy import CasePolicy, IntakePolicy

#: The actions that may follow each state. Of an alert that is opened or withdrawn, receivers get no step of the case.
_MAY_FOLLOW = {
    "open": {"acknowledged", "assigned", "noted", "resolved", "reopened", "reminded", "escalated"},
    "acknowledged": {"assigned", "noted", "resolved", "reopened", "reminded"},
    "resolved": {"noted", "reopened"},
    "withdrawn": {"noted", "reopened"},
}


def replayed(
    records: Iterable["ConsumerRecord[bytes, bytes]"], commands: str, service: ServiceLevels
) -> dict[bytes, bytes]:
    """Return the rows that come of the topic of the cases: a record at a time, and never cut off.

    `commands`: the full name of the topic of the commands; `service`: the service levels of the settings.
    """
    rows: dict[bytes, bytes] = {}
    arrived: dict[int, Mapping[int, int]] = defaultdict(dict)
    latest: dict[int, int] = defaultdict(int)
    due: dict[int, DueIndex] = defaultdict(DueIndex)
    for record in records:
        part = record.partition
        batch = road.Batch(
            [cast(Record, record)], commands, arrived[part], latest[part], service=service, due=due[part]
        )
        decided = road.decide(batch, CasePolicy(), IntakePolicy(), rows.get)
        _apply(rows, decided.rows)
        due[part].update(decided.rows)
        while decided.rest is not None:
            decided = decided.rest()
            _apply(rows, decided.rows)
            due[part].update(decided.rows)
        arrived[part], latest[part] = decided.rerouted, decided.latest_time
    return rows


def _apply(rows: dict[bytes, bytes], changes: Mapping[bytes, bytes | None]) -> None:
    for key, row in changes.items():
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row


def responses(rows: Mapping[bytes, bytes], erased: Iterable[str]) -> "Counter[str]":
    """Return the ids of the responses that have a case, without those of customers who were erased."""
    left_out = {customer.encode() for customer in erased}
    kept = [msgpack.decode(row)[0] for customer, row in rows.items() if customer not in left_out]
    return Counter(case[4] for cases in kept for case in cases)


def illegal(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each step of a case that must not be there. Each step is given once."""
    by_case: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for step in steps:
        by_case[step["customer_id"], step["alert_id"]].append(step)
    wrong = []
    for of_case in by_case.values():
        for earlier, later in pairwise(sorted(of_case, key=lambda step: step["step"])):
            if earlier["step"] == later["step"]:
                wrong.append(f"two steps have the number {later['step']}: {earlier['action']}, {later['action']}")
            elif later["opening"] == earlier["opening"] and later["action"] not in _MAY_FOLLOW[earlier["state"]]:
                wrong.append(f"{later['action']} follows {earlier['action']}, step {later['step']}")
            elif later["opening"] < earlier["opening"]:
                wrong.append(f"step {later['step']} is of an earlier opening")
    return wrong
