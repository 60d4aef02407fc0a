"""What arrives: a Kafka record, and where it came from."""

from collections.abc import Sequence
from typing import Protocol

#: The two ways a response reaches its customer's partition. Each has offsets of its own, so each is a source of its
#: own.
DIRECT = 0
REROUTED = 1

#: The header that keeps a rerouted record's first place: b"partition:offset" on the responses topic.
ORIGIN_HEADER = "nps-origin"


class Record(Protocol):
    """A Kafka record; aiokafka's ConsumerRecord is one. `timestamp` is in ms since the epoch."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def header(record: Record, name: str) -> bytes | None:
    """Return a header's value; names are compared without case, as CloudEvents over Kafka allows."""
    for key, value in record.headers:
        if key.lower() == name:
            return value
    return None


def origin(record: Record, way: int) -> tuple[int, int]:
    """Return partition and offset of the record on the responses topic, before any rerouting."""
    if way == DIRECT:
        return record.partition, record.offset
    partition, _, offset = (header(record, ORIGIN_HEADER) or b"").partition(b":")
    return int(partition), int(offset)
