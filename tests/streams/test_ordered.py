"""The consumer between two seeks: whatever is fetched and not handed out is fetched again."""

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from worker.streams.ordered import Fetched, OrderedConsumer

LOG, RESPONSES = TP("changelog", 0), TP("responses", 0)
Poll = Callable[[], Mapping[TP, list[Any]]]


def record(tp: TP, offset: int) -> Any:
    return SimpleNamespace(
        topic=tp.topic, partition=tp.partition, offset=offset, timestamp=0, timestamp_type=0, headers=[], key=b"k",
        value=b"v", checksum=None, serialized_key_size=0, serialized_value_size=0,
    )  # fmt: skip


class Consumer(OrderedConsumer):
    """The real one on a log in memory: fetching and seeking are what Kafka would do."""

    should_stop = False

    def __init__(self) -> None:
        self.app: Any = SimpleNamespace(
            consumer_generation_id=1, monitor=SimpleNamespace(track_tp_end_offset=lambda *_: None)
        )
        self._thread: Any = SimpleNamespace(generation=1)
        self._due, self._cursor, self._log_cursor, self._in_flight = {}, {}, {}, {}
        self._read_offset: Any = {}
        self._committed_offset: Any = {}
        self._buffered_partitions = set()
        self._lost = set()
        self._epoch, self._sought_in, self._n_acked = 0, -1, 0
        self.flow_active = True
        self.place: dict[TP, int] = {}
        self.committed: dict[TP, int] = {}
        self.chunk = 3
        self.meanwhile: Callable[[], None] = lambda: None
        self.seeking: Callable[[], Any] = lambda: asyncio.sleep(0)

    def _is_changelog_tp(self, tp: TP) -> bool:
        return tp.topic == LOG.topic

    def highwater(self, tp: TP) -> int:
        return 100 + tp.partition

    async def seek_to_committed(self) -> Mapping[TP, int]:
        self.place |= self.committed
        await self.seeking()
        return dict(self.committed)

    async def _wait_next_records(self, timeout: float) -> Any:
        del timeout
        fetched = {}
        for tp, start in self.place.items():
            fetched[tp] = [record(tp, start + n) for n in range(self.chunk)]
            self.place[tp] = start + self.chunk
        self.meanwhile()
        return fetched, set(self.place)


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    async def seek_wait(self: Consumer, partitions: Mapping[TP, int]) -> None:
        self.place |= partitions

    monkeypatch.setattr(driver.Consumer, "seek_wait", seek_wait)
    return Consumer()


async def poll(consumer: Consumer) -> list[Any]:
    return [message async for _, message in consumer.getmany(1.0)]


async def test_a_changelogs_records_of_an_overtaken_poll_are_read_again(consumer: Consumer) -> None:
    """A poll that began before a rebalance returns the first records of the recovery after it."""
    await consumer.seek_wait({LOG: 0})

    def rebalance() -> None:
        consumer.flow_active = False

    consumer.meanwhile = rebalance
    assert await poll(consumer) == []
    consumer.flow_active, consumer.meanwhile = True, lambda: None
    assert [message.offset for message in await poll(consumer)] == [0, 1, 2]
    assert [message.offset for message in await poll(consumer)] == [3, 4, 5]


async def test_a_rebalance_between_two_records_of_a_changelog_loses_none(consumer: Consumer) -> None:
    await consumer.seek_wait({LOG: 0})
    seen = []
    async for _, message in consumer.getmany(1.0):
        seen.append((message.offset, message.generation_id))
        consumer.app.consumer_generation_id = 2
    assert seen == [(0, 1)]
    assert [(message.offset, message.generation_id) for message in await poll(consumer)] == [(1, 2), (2, 2), (3, 2)]


async def test_a_poll_while_the_committed_offsets_are_sought_skips_nothing(consumer: Consumer) -> None:
    """One partition is sought, and fetched on, while the others' committed offsets are still asked for."""
    consumer.committed = {RESPONSES: 10}

    async def others() -> None:
        assert await poll(consumer) == []

    consumer.seeking = others
    await consumer.perform_seek()
    (message,) = await poll(consumer)
    assert [found.offset for found in consumer.admit(message.value)] == [10, 11, 12]
    consumer.done(message.value)
    assert consumer._new_offset(RESPONSES) == 13


async def test_a_batch_of_before_a_seek_is_not_admitted(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (old,) = await poll(consumer)
    await consumer.perform_seek()
    assert consumer.admit(old.value) == []
    consumer.done(old.value)
    assert consumer._new_offset(RESPONSES) == 10


async def test_a_batch_that_begins_behind_what_is_due_is_rewound(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    await poll(consumer)
    (ahead,) = await poll(consumer)
    assert consumer.admit(ahead.value) == []
    (again,) = await poll(consumer)
    assert [found.offset for found in consumer.admit(again.value)] == [10, 11, 12]


async def test_a_gap_in_the_offsets_is_no_hole(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    batch = Fetched(RESPONSES, 10, [record(RESPONSES, 14)], 1, consumer._epoch)
    assert [found.offset for found in consumer.admit(batch)] == [14]


async def test_an_offset_of_an_earlier_generation_is_not_committed(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    consumer._thread.generation = 2
    assert consumer._new_offset(RESPONSES) is None
