"""Records with header names that are not UTF-8: Kafka allows them, and aiokafka cannot read them.

To Kafka a header's name is any bytes, and clients in C and Go do not check it. aiokafka's parser raises an error for
such a name, and the consumer would meet the same batch again after each start. So a batch that this parser cannot read
is read by aiokafka's slower parser in Python, and each byte that is not UTF-8 is shown as a hexadecimal number.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records

#: The place of a batch's length field, the number of bytes that this length does not count, and the place of the
#: batch's version, in bytes.
_LENGTH, _OVERHEAD, _MAGIC = slice(8, 12), 12, 16
#: The first version of the format that has headers.
_WITH_HEADERS = 2


def accept_any() -> None:
    """Let all of aiokafka's consumers in this process read such records."""
    fetcher.MemoryRecords = Batches


class Batches:
    """The batches that a fetch brings from one partition. Apart from such records, it is aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._batches = memory_records.MemoryRecords(data)
        self.has_next = self._batches.has_next
        self.size_in_bytes = self._batches.size_in_bytes

    def next_batch(self) -> Any:
        """Return the next batch; None if there is no further batch, or only a part of it."""
        batch = self._batches.next_batch()
        if batch is None:
            return None
        end = _OVERHEAD + int.from_bytes(self._data[_LENGTH])
        data, self._data = self._data[:end], self._data[end:]
        return _Batch(batch, data) if data[_MAGIC] >= _WITH_HEADERS else batch


class _Batch:
    """A batch. If the usual parser cannot read it, the slower one does."""

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
    """Bytes of which any part can be decoded."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Lenient(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        """Return the text. Bytes that are not UTF-8 are shown as hexadecimal numbers."""
        return super().decode(encoding, errors)
