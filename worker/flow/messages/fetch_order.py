"""An order to fetch an answer: what the receiver writes if a delivery has only the ids of an answer.

The receiver can acknowledge such a delivery without waiting for the tool's API. Orders for the same answer have the
same key, so they are in one partition, in one order. The value is an object in JSON, and has nothing but ids. A reader
ignores members that it does not know, so a later version may add some.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.dead_letter import not_a_message


@dataclass(frozen=True)
class Get:
    """A request to the tool's API: GET of a path below its address, with these parameters.

    The path and the parameters have ids only. How the request proves its right to ask is the matter of who sends it.
    """

    path: str
    query: Mapping[str, str] = field(default_factory=dict)


class FetchOrder(NamedTuple):
    """What has to be fetched for one answer, or for one page of answers."""

    #: The name of the source in the settings.
    source: str
    #: The requests, by the names under which the tool's adapter wants their bodies. There is at least one.
    requests: Mapping[str, Get]
    #: What the delivery says and the fetched bodies do not.
    known: Mapping[str, str | int]
    #: How many attempts have failed.
    attempts: int = 0
    #: The time of the next attempt, in ms; 0 if it may be at once. Of two orders that are due, the earlier is first.
    not_before: int = 0


def key_of(order: FetchOrder) -> bytes:
    """Return the key of an order's record: the source, and the path of what is fetched."""
    return f"{order.source}:{next(iter(order.requests.values())).path}".encode()


def output(order: FetchOrder) -> Output:
    """Return the record with an order, without its partition: the key decides about it."""
    requests = {name: {"path": get.path, "query": get.query} for name, get in order.requests.items()}
    value = {**order._asdict(), "requests": requests}
    return Output(events.FETCHES, key_of(order), json.dumps(value).encode())


def read(record: Record) -> FetchOrder:
    """Decode a record's order. Raise Rejected if the record is not one that a worker writes."""
    try:
        value = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        raise not_a_message("order to fetch an answer") from None
    members = value if isinstance(value, dict) else {}
    requests, known = _requests(members.get("requests")), members.get("known")
    source, attempts, not_before = members.get("source"), members.get("attempts", 0), members.get("not_before", 0)
    if (
        isinstance(source, str)
        and requests
        and isinstance(known, dict)
        and all(isinstance(one, str | int) for one in known.values())
        and isinstance(attempts, int)
        and isinstance(not_before, int)
    ):
        return FetchOrder(source, requests, known, attempts, not_before)
    raise not_a_message("order to fetch an answer")


def _requests(given: Any) -> dict[str, Get]:
    """Return the requests of an order; none if one of them is not in the form that a worker writes."""
    if not isinstance(given, dict):
        return {}
    found = {name: _request(one) for name, one in given.items()}
    return {name: one for name, one in found.items() if one is not None} if None not in found.values() else {}


def _request(given: Any) -> Get | None:
    members = given if isinstance(given, dict) else {}
    path, query = members.get("path"), members.get("query")
    if not (isinstance(path, str) and path.startswith("/") and isinstance(query, dict)):
        return None
    return Get(path, query) if all(isinstance(one, str) for one in query.values()) else None
