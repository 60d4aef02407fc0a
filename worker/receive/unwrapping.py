"""What another program has wrapped around the deliveries that it put on a topic. Pure.

- Kafka Connect's JsonConverter writes `{"schema": …, "payload": …}` if `schemas.enable` is true, which is the default.
  https://kafka.apache.org/documentation/#connect_running
- Debezium writes what a row of a database was `before` and `after` a change, perhaps inside of such a `payload`.
  https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-events
- A value in Avro, Protobuf or JSON Schema of a schema registry begins with a zero byte and the id of its schema. No
  JSON begins so.
  https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

import json
from enum import StrEnum
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.responses.formats.outcome import Why, ignored, refused
from worker.flow.responses.formats.payload import as_object, read_object


class Unwrap(StrEnum):
    """What the deliveries on a topic are wrapped in."""

    NONE = "none"
    CONNECT = "connect"
    DEBEZIUM = "debezium"


#: How a value begins that was written with a schema registry.
_MAGIC = b"\x00"
#: The operations of Debezium after which a row has a state: created, updated, read by a snapshot.
_WITH_ROW = ("c", "u", "r")
#: Debezium's other operations: deleted, truncated, and a message that an application has written to the log.
_WITHOUT_ROW = ("d", "t", "m")


def unwrapped(value: bytes, wrapped_in: Unwrap) -> bytes:
    """Return the delivery in a record's value. Raise NoResponse if there is none, or if it cannot be read."""
    if value.startswith(_MAGIC):
        raise refused(
            Reason.NOT_OF_THIS_TOOL,
            "the value begins with a zero byte, as Avro and Protobuf of a schema registry do: let the connector write "
            "JSON (docs/sources.md)",
        )
    if wrapped_in is Unwrap.NONE:
        return value
    inside = _payload(read_object(value), wrapped_in)
    delivery = _row(inside) if wrapped_in is Unwrap.DEBEZIUM else inside
    if isinstance(delivery, str):  # the delivery as the tool has sent it
        return delivery.encode(errors="surrogatepass")
    try:
        return json.dumps(delivery).encode()
    except RecursionError:
        raise refused(Reason.TOO_DEEP, "the values are nested too deeply") from None


def _payload(whole: dict[str, Any], wrapped_in: Unwrap) -> Any:
    """Return what JsonConverter has wrapped; for Debezium, the value itself if nothing is wrapped."""
    if "payload" in whole and whole.keys() <= {"schema", "payload"}:
        if whole["payload"] is None:
            raise ignored(Why.EMPTY, "the payload is null")
        return whole["payload"]
    if wrapped_in is Unwrap.DEBEZIUM:
        return whole
    raise refused(
        Reason.NOT_OF_THIS_TOOL, "expected an object with schema and payload, as JsonConverter writes it (unwrap)"
    )


def _row(change: Any) -> Any:
    """Return the row after a change: an object, or the text of one, as of MongoDB."""
    change = as_object(change)
    operation, row = change.get("op"), change.get("after")
    if operation in _WITHOUT_ROW:
        raise ignored(Why.OTHER_EVENT, "a row was deleted, or the change is about no row")
    if operation not in _WITH_ROW or not isinstance(row, dict | str):
        raise refused(Reason.NOT_OF_THIS_TOOL, "expected a change with op and after, as Debezium writes it (unwrap)")
    return row
