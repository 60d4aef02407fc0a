"""What all roads share: the records of a batch, what the batch causes, and the rows while the batch is decided."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from schemas.cloudevents import Headers

T = TypeVar("T")

#: Returns the row with a key, of the partition that is being decided; None if there is none.
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


class MemoryRecord(NamedTuple):
    """A record that was made in memory, for instance of what another stage has sent. `timestamp` is in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Place(NamedTuple):
    """Where a record lies, or lay before it was rerouted, on its topic."""

    partition: int
    offset: int


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record to send."""

    #: The topic's name without its prefix.
    topic: str
    key: bytes | None
    value: bytes | None
    #: A list, since aiokafka accepts nothing else.
    headers: Headers = []
    #: The Kafka timestamp in ms; None for the time of sending.
    timestamp: int | None = None
    #: The partition to send to. None means the partition of the batch that causes the record, so that records about one
    #: customer stay together.
    partition: int | None = None


class Decided(NamedTuple):
    """What a batch causes, or one part of a batch."""

    #: The records to send; they have to be acknowledged before any row is written.
    outputs: list[Output]
    #: The rows to write, by key; None erases a row.
    rows: dict[bytes, bytes | None]
    #: `rerouted` of worker.flow.responses.road.Batch, as it is after this batch.
    rerouted: Mapping[int, int]
    #: Decides the next part of the batch, once the rows of this part are written; None if this is the last part.
    rest: Callable[[], "Decided"] | None = None
    #: How many segments and surveys were left out, because there are too many.
    segments_left_out: int = 0
    #: `latest_time` of worker.flow.responses.road.Batch, as it is after this batch.
    latest_time: int = 0
    #: The ids of surveys whose answers now look, for the first time, as if they were given on another scale.
    on_short_scale: Sequence[str] = ()


class Overlay(Generic[T]):
    """The rows of one partition while a batch is decided. A row is decoded when it is first read, and keeps changes."""

    def __init__(self, read: Read, decode: Callable[[bytes], T], encode: Callable[[T], bytes]) -> None:
        self._read = read
        self._decode = decode
        self._encode = encode
        self._open: dict[bytes, T | None] = {}

    def get(self, key: bytes) -> T | None:
        """Return a row; None if there is none, or if this batch has erased it. Changes of the row are kept."""
        if key in self._open:
            return self._open[key]
        row = self._read(key)
        found = self._open[key] = None if row is None else self._decode(row)
        return found

    def put(self, key: bytes, row: T) -> None:
        """Add or replace a row. Later changes of it are kept as well."""
        self._open[key] = row

    def erase(self, key: bytes) -> None:
        """Erase a row, if there is one."""
        self._open[key] = None

    def opened(self) -> list[tuple[bytes, T]]:
        """Return the keys and rows that were read or put, without those that were erased."""
        return [(key, row) for key, row in self._open.items() if row is not None]

    def rows(self) -> dict[bytes, bytes | None]:
        """Return every row that was read, put or erased, encoded; None stands for an erased row."""
        return {key: None if row is None else self._encode(row) for key, row in self._open.items()}
