"""The messages on the topic of the cases, which brings everything that changes a customer's cases in one order.

The records have the customer's id as their key. A tick (tick.py) has a key of its own, which no customer can have.

Steps of alerts and erasures come from the partition of the responses that has the same number. Each says which record
caused it: the record's offset, and a number that counts what this record has caused. They arrive in this order, and a
message that is not later than one that has arrived has come twice, because of a crash. Commands come from any partition
of their topic, and are recognised in the same way (worker/flow/cases/road.py).
"""

from collections.abc import Callable

import msgspec
from pydantic import TypeAdapter, ValidationError

from schemas.alert import Severity
from schemas.base import Identifier
from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.dead_letter import not_a_message

#: The key of a tick on this topic. No customer's id has a NUL.
TICK_KEY = b"\x00tick"


class AlertStep(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=1):
    """One step of an alert, without anything that the customer said or is called."""

    #: The offset of the response's record, as the core counts offsets.
    offset: int
    #: The number of this message among those that the record has caused, beginning with 0.
    index: int
    alert_id: str
    #: A word of schemas.alert.AlertAction.
    action: str
    severity: Severity
    score: int
    #: The path of the segment.
    segment: str
    survey_id: str
    response_id: str
    revision: int
    #: When the customer answered, in ms.
    given: int
    #: The Kafka time of the response, in ms.
    at: int
    #: By what the work on the alert is measured, as routes say at this step; empty if they say nothing, and in messages
    #: of older versions.
    service_level: str = ""
    calendar: str = ""
    #: The names of the receivers that the routes name at this step (Work); empty in messages of older versions.
    receivers: list[str] = []
    #: The language that the response names; empty if it names none, and in messages of older versions.
    language: str = ""


class Erasure(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=2):
    """The customer is erased. The fields have the meaning that they have in AlertStep."""

    offset: int
    index: int


class MovedCommand(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=3):
    """A valid command, and where its record lay on the topic of the commands."""

    partition: int
    #: The offset, as the core counts offsets.
    offset: int
    #: The record's Kafka time, in ms.
    timestamp: int
    #: The beginning of the record's key, which may not be the customer's id.
    key: bytes | None
    #: The record's value.
    value: bytes


class AnsweredAgain(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=4):
    """A customer who has an open alert in the history has given another answer."""

    #: As in AlertStep, like all fields of the same name.
    offset: int
    index: int
    response_id: str
    revision: int
    #: Whether the worker does not know an earlier revision.
    is_first: bool
    score: int
    segment: str
    given: int
    at: int


Message = AlertStep | Erasure | MovedCommand | AnsweredAgain

#: The largest size of a message, in bytes. Those that the worker writes are smaller.
_LARGEST = 100_000

_check_id: Callable[[str], str] = TypeAdapter(Identifier).validate_python
_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], Message] = msgspec.msgpack.Decoder(Message).decode


def output(customer: bytes, message: Message, partition: int | None = None) -> Output:
    """Return the record with a message. `partition`: as in Output."""
    return Output(events.CASES, customer, _encode(message), partition=partition)


def read(record: Record) -> Message:
    """Decode a record's message. Raise Rejected if another program has written the record."""
    value = record.value or b""
    try:
        _check_id((record.key or b"").decode())
        if len(value) > _LARGEST:
            raise not_a_message("case message")
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, ValidationError):
        raise not_a_message("case message") from None
