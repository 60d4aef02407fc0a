"""The messages on the topic of the receivers' plans, which brings all that changes a plan in one order. Pure.

Each channel has such a topic, and plans of its own, since its caps and its outages are its own.

A receiver's plan has one partition, that of its name. A record of the alerts that may matter to plans is forwarded once
to each partition that has some of them. The message names the record's place. Messages from one partition of alerts
arrive in the order of the offsets, so one that is not later than one that has arrived comes twice, because of a crash.

A tick says that time has passed for one receiver. Its time is the record's timestamp, which the broker sets.

A notice that a silence holds back comes with its content from the outbox, when its mail would have been sent; it may
come twice, and is recognised by its delivery id. A change of a silence comes if a plan holds something back because of
it. On a channel that reports erasures, the report comes in the same way as such a notice, after everything that the
outbox has sent about the customer.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from schemas.cloudevents import Headers
from worker.flow import events
from worker.flow.batch import MemoryRecord, Output, Record
from worker.flow.dead_letter import not_a_message
from worker.flow.record import header
from worker.flow.trace_context import context_headers, context_of
from worker.notify.mailbox import Mail

#: The key of a tick. Its value is the name of the receiver. No customer's id has a NUL.
TICK_KEY = b"\x00tick"
#: The largest number of names in `Forwarded.reached`: the first ones in the order of the routes. It bounds the size of
#: the rows that repeat them.
REACHED_KEPT = 16
#: The keys of a notice that a silence holds back, and of a change of a silence.
HELD_KEY, SILENCE_KEY = b"\x00held", b"\x00silence"


class PlaceOfPlan(NamedTuple):
    """A partition in which there are plans of receivers."""

    #: The topic of the plans, without the prefix.
    topic: str
    partition: int


class Spread(NamedTuple):
    """Where the plans of a channel's receivers are: how receivers are spread over the partitions of a topic."""

    #: The number of partitions.
    partitions: int
    #: Returns the partition of a receiver's name.
    owner: Callable[[bytes], int]
    #: The topic of the plans, without the prefix.
    topic: str = events.NOTICES

    def place_of(self, receiver: str) -> PlaceOfPlan:
        """Return the place of a receiver's plan."""
        return PlaceOfPlan(self.topic, self.owner(receiver.encode()))

    def all_places(self) -> list[PlaceOfPlan]:
        """Return all places of plans."""
        return [PlaceOfPlan(self.topic, partition) for partition in range(self.partitions)]


class To(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A receiver that shall get a notice, and the name of the route that names it."""

    receiver: str
    route: str


class Forwarded(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record of the alerts, and the receivers in one partition of the plans that shall get it.

    Without receivers, it only says what has become of an alert that they know.
    """

    partition: int
    #: The offset, as the core counts offsets.
    offset: int
    #: The record's key, which is that of its mailbox, except for an incident.
    key: bytes
    #: The record's value. None: the customer is erased.
    value: bytes | None
    #: The headers of the record by which it is read; empty if it has none.
    event_id: bytes
    event_type: bytes
    to: list[To] = []
    #: The names of the receivers that get the notice by this channel, with or without a plan; empty in messages of
    #: older versions, and without `to`.
    reached: list[str] = []
    #: The record's trace context (worker/flow/trace_context.py); None without one, and in messages of older versions.
    trace: bytes | None = None


class Held(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A mail that a silence holds back, or the report of an erasure, from the outbox of a receiver's channel."""

    #: The key of its mailbox.
    key: bytes
    mail: Mail
    #: Its pending notice.
    content: bytes
    silence_id: str
    #: The version of the silence, and when it is over, in ms. A version of 0 says that the silence is not over, but
    #: does not hold the notice back any more (silenced.NOT_HELD).
    version: int
    until: int


class SilenceChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A silence that a receiver's plan knows has become another one, or is over."""

    receiver: str
    silence_id: str
    #: As in Held.
    version: int
    until: int


_encode = msgspec.msgpack.Encoder().encode
_decode_held: Callable[[bytes], Held] = msgspec.msgpack.Decoder(Held).decode
_decode_change: Callable[[bytes], SilenceChange] = msgspec.msgpack.Decoder(SilenceChange).decode
_decode: Callable[[bytes], Forwarded] = msgspec.msgpack.Decoder(Forwarded).decode


def forward(record: Record, event_id: str, to: Sequence[To], place: PlaceOfPlan, reached: Sequence[str] = ()) -> Output:
    """Return the message about a record of the alerts for the plans of one partition."""
    event_type = header(record, "ce_type") or b""
    message = Forwarded(
        record.partition,
        record.offset,
        record.key or b"",
        record.value,
        event_id.encode(),
        event_type,
        [*to],
        [*reached[:REACHED_KEPT]] if to else [],
        context_of(record),
    )
    return Output(place.topic, record.key, _encode(message), partition=place.partition)


def read(record: Record) -> Forwarded:
    """Decode a record's message. Raise Rejected if another program has written the record."""
    try:
        return _decode(record.value or b"")
    except msgspec.DecodeError:
        raise not_a_message("forwarded notice") from None


def held(message: Held, place: PlaceOfPlan) -> Output:
    """Return the message about a notice that its outbox hands over. `place`: that of its receiver's plan."""
    return Output(place.topic, HELD_KEY, _encode(message), partition=place.partition)


def read_held(record: Record) -> Held:
    """Decode the message about a notice that a silence holds back. Raise Rejected if it is none."""
    try:
        return _decode_held(record.value or b"")
    except msgspec.DecodeError:
        raise not_a_message("held notice") from None


def change(message: SilenceChange) -> bytes:
    """Return the value of the message about a change of a silence."""
    return _encode(message)


def read_change(record: Record) -> SilenceChange:
    """Decode the message about a change of a silence. Raise Rejected if it is none."""
    try:
        return _decode_change(record.value or b"")
    except msgspec.DecodeError:
        raise not_a_message("change of a silence") from None


def original(message: Forwarded, record: Record) -> MemoryRecord:
    """Return the record that a message is about. `record`: the message's own."""
    known = [("ce_id", message.event_id), ("ce_type", message.event_type)]
    headers: Headers = [*((name, value) for name, value in known if value), *context_headers(message.trace)]
    return MemoryRecord(
        record.topic, message.partition, message.offset, record.timestamp, message.key, message.value, headers
    )
