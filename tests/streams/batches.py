"""Produce batches as clients in other languages write them, byte by byte."""

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

#: A record: key, value, and headers whose names are bytes.
Raw = tuple[bytes | None, bytes | None, list[tuple[bytes, bytes | None]]]
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)


class _Name(str):
    """A header's name, one character for each byte that is written."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return super().encode("latin-1")


def builder(records: list[Raw], codec: int = NONE) -> _DefaultRecordBatchBuilderPy:
    """Return what makes one batch of the second version of them."""
    made = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 1 << 30)
    for offset, (key, value, headers) in enumerate(records):
        made.append(offset, 1_000 + offset, key, value, [(_Name(raw.decode("latin-1")), text) for raw, text in headers])
    return made


def batch(records: list[Raw], codec: int = NONE) -> bytes:
    """Return the records as one batch."""
    return bytes(builder(records, codec).build())


async def send(producer: AIOKafkaProducer, topic: str, partition: int, records: list[Raw], codec: int = NONE) -> None:
    """Publish the records as one batch."""
    wrapped = producer.create_batch()
    wrapped._builder = builder(records, codec)
    wrapped._relative_offset = len(records)
    wrapped.close()
    await (await producer.send_batch(wrapped, topic, partition=partition))
