"""What arrives: a Kafka record, and where it came from."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

#: The header of a record that the worker itself sent on from a wrong partition: where it was first.
ORIGIN_HEADER = "nps-origin"


#: Digits of the largest offset.
_LONGEST_NUMBER = 19


class Place(NamedTuple):
    """Where a record lies, or first lay, on the responses topic."""

    partition: int
    offset: int


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
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


def header(record: Record, name: str) -> bytes | None:
    """Return a header's value; names are compared without case, as CloudEvents over Kafka allows."""
    for key, value in record.headers:
        if key.lower() == name:
            return value
    return None


def sent_on(record: Record, home: str) -> Place | None:
    """Return where a record was before the worker sent it on; None if it has not been.

    `home` names cluster and topic, so that a record which a mirror brought from another cluster is one like others.
    """
    for key, value in record.headers:
        if key == ORIGIN_HEADER and value is not None:
            named, _, numbers = value.decode(errors="replace").rpartition("@")
            partition, _, offset = numbers.partition(":")
            if named == home and _is_number(partition) and _is_number(offset):
                return Place(int(partition), int(offset))
    return None


def origin_header(record: Record, home: str) -> tuple[str, bytes | None]:
    """Return the header that says where a record lies now."""
    return ORIGIN_HEADER, f"{home}@{record.partition}:{record.offset}".encode()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
