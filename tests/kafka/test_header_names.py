"""The name of a header may be any bytes, and no answer is lost because of it."""

from collections.abc import Iterable

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.memory_records import MemoryRecords
from streams.batches import GZIP, LZ4, NONE, SNAPPY, ZSTD, Raw, batch

from worker.kafka.header_names import Batches

ODD: list[Raw] = [
    (b"k-0", b"v-0", []),
    (b"k-1", b"v-1", [(b"n\xff\xfe", b"1"), ("é".encode(), None), (b"", b"\xff")]),
    (None, None, [(b"traceparent", b"x")]),
]
PLAIN: list[Raw] = [(b"k", b"v", [(b"ce_id", b"1")])]


def read(batches: Batches | MemoryRecords) -> list[tuple[int, bytes | None, bytes | None, tuple[object, ...]]]:
    place = TopicPartition("t", 0)
    records = PartitionRecords(place, batches, [], 0, None, None, True, READ_COMMITTED)
    return [(record.offset, record.key, record.value, record.headers) for record in records]


@pytest.mark.parametrize("codec", [NONE, GZIP, SNAPPY, LZ4, ZSTD])
def test_a_batch_with_odd_names_is_read_whole_and_in_order(codec: int) -> None:
    data = batch(ODD, codec)
    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(data))

    assert read(Batches(data)) == [
        (0, b"k-0", b"v-0", ()),
        (1, b"k-1", b"v-1", (("n\\xff\\xfe", b"1"), ("é", None), ("", b"\xff"))),
        (2, None, None, (("traceparent", b"x"),)),
    ]


def test_the_batches_around_it_are_read_as_ever() -> None:
    data = batch(PLAIN)
    odd = batch(ODD)

    assert read(Batches(data)) == read(MemoryRecords(data)) == [(0, b"k", b"v", (("ce_id", b"1"),))]
    assert [len(list(one)) for one in _each(Batches(data + odd + data + data[:20]))] == [1, 3, 1]


def _each(batches: Batches) -> list[Iterable[object]]:
    found: list[Iterable[object]] = []
    while (one := batches.next_batch()) is not None:
        found.append(one)
    return found


def test_nothing_is_nothing() -> None:
    assert (Batches(b"").has_next(), Batches(b"").size_in_bytes(), Batches(b"").next_batch()) == (False, 0, None)
