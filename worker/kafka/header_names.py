"""Records whose headers have names that are no UTF-8, which Kafka allows and aiokafka cannot read.

To Kafka a header's name is bytes, and clients in C and Go write any. aiokafka's parser raises for one, and the consumer
would meet the same batch at each start. So a batch that it cannot read is read again, by its slower parser in Python,
with a number for each byte that is no UTF-8. Other batches take the usual way.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records

#: Of a batch: where its length stands, how much comes before what that counts, and where its version stands.
_LENGTH, _OVERHEAD, _MAGIC = slice(8, 12), 12, 16
#: The first version that has headers.
_WITH_HEADERS = 2


def accept_any() -> None:
    """Have all of aiokafka's consumers in this process read such records."""
    fetcher.MemoryRecords = Batches


class Batches:
    """What a fetch brings of one partition, batch by batch; aiokafka's MemoryRecords otherwise."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._batches = memory_records.MemoryRecords(data)
        self.has_next = self._batches.has_next
        self.size_in_bytes = self._batches.size_in_bytes

    def next_batch(self) -> Any:
        """Return the next batch; None if there is none, or not all of it."""
        batch = self._batches.next_batch()
        if batch is None:
            return None
        end = _OVERHEAD + int.from_bytes(self._data[_LENGTH])
        data, self._data = self._data[:end], self._data[end:]
        return _Batch(batch, data) if data[_MAGIC] >= _WITH_HEADERS else batch


class _Batch:
    """A batch, which reads itself again where it cannot be read."""

    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return _any_names(self._data)

    def __next__(self) -> Any:
        return next(self._batch)


def _any_names(data: memoryview) -> Iterator[Any]:
    batch = default_records._DefaultRecordBatchPy(data)
    batch._maybe_uncompress()
    batch._buffer = _Lenient(batch._buffer)
    return iter(batch)


class _Lenient(bytearray):
    """Bytes whose parts can be decoded, whatever they are."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Lenient(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        """Return the text, with what is no text shown as hexadecimal numbers."""
        return super().decode(encoding, errors)
