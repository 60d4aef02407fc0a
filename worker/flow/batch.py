"""What all roads share: the records that come in, what a batch of them causes, and rows while it is decided."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from schemas.cloudevents import Headers

T = TypeVar("T")

#: Returns a row of the partition in hand by its key; None if there is none.
Read = Callable[[bytes], bytes | None]


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


class Place(NamedTuple):
    """Where a record lies, or first lay, on the responses topic."""

    partition: int
    offset: int


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record to send: the topic without its prefix, and the Kafka timestamp in ms (None: the time of sending).

    `partition`: None for that of the batch which causes it, since what is about a customer stays together.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = []  # aiokafka takes lists only
    timestamp: int | None = None
    partition: int | None = None


class Decided(NamedTuple):
    """What a batch causes: outputs first, then the rows that stand for them (None erases a row).

    `sent_on`: as in worker.flow.responses.road.Batch, after it; and so `latest_time`. `rest`: decides the next part of
    the batch, once these rows are written; None: there is no further part. `surplus`: segments that were not counted,
    because there are too many. `on_short_scale`: surveys whose answers are found for the first time to look as if they
    were given on another scale.
    """

    outputs: list[Output]
    rows: dict[bytes, bytes | None]
    sent_on: Mapping[int, int]
    rest: Callable[[], "Decided"] | None = None
    surplus: int = 0
    latest_time: int = 0
    on_short_scale: Sequence[str] = ()


class Overlay(Generic[T]):
    """The rows of one partition while a batch is decided: decoded as they are first read, with all changes on top."""

    def __init__(self, read: Read, decode: Callable[[bytes], T], encode: Callable[[T], bytes]) -> None:
        self._read = read
        self._decode = decode
        self._encode = encode
        self._open: dict[bytes, T | None] = {}

    def get(self, key: bytes) -> T | None:
        """Return a row, whose changes are kept; None if there is none, or if it was erased in this batch."""
        if key in self._open:
            return self._open[key]
        row = self._read(key)
        found = self._open[key] = None if row is None else self._decode(row)
        return found

    def put(self, key: bytes, row: T) -> None:
        """Keep a row; later changes of it are kept as well."""
        self._open[key] = row

    def erase(self, key: bytes) -> None:
        """Erase a row, whether it is there or not."""
        self._open[key] = None

    def opened(self) -> list[tuple[bytes, T]]:
        """Return the rows that were read or put, without those that are erased."""
        return [(key, row) for key, row in self._open.items() if row is not None]

    def rows(self) -> dict[bytes, bytes | None]:
        """Return every row that was read, put or erased, encoded; None erases."""
        return {key: None if row is None else self._encode(row) for key, row in self._open.items()}
