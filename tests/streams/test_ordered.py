"""The consumer between two seeks: whatever is fetched and not handed out is fetched again."""

import asyncio
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from worker.streams import fetching, ordered
from worker.streams.ordered import Fetched, OrderedConsumer

RESPONSES = TP("responses", 0)
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
        self._thread: Any = SimpleNamespace(generation=1, assignment=lambda: set(self.committed))
        self._due, self._cursor, self._in_flight, self._delays = {}, {}, {}, {}
        self._read_offset: Any = {}
        self._committed_offset: Any = {}
        self._buffered_partitions = set()
        self._to_rewind = set()
        self._epoch, self._sought_generation, self._n_acked = 0, -1, 0
        self.flow_active = True
        self.place: dict[TP, int] = {}
        self.committed: dict[TP, int] = {}
        self.chunk = 3
        self.earliest: dict[TP, int] = {}
        self.lost: list[tuple[TP, int]] = []
        self.observer: Any = SimpleNamespace(
            stands_at=lambda tp: self.committed[tp],
            on_settled=lambda _: None,
            on_state_ahead=self.note,
            check_logs=self.compare,
        )
        self._observer = self.observer
        self.meanwhile: Callable[[], None] = lambda: None
        self._suspects, self._checking = set(), None
        self.others: list[Mapping[TP, int]] = []
        self.begins: dict[TP, int] = {}
        self.seeking: Callable[[], Any] = lambda: asyncio.sleep(0)

    def _is_changelog_tp(self, tp: TP) -> bool:
        return tp.topic == "changelog"

    def highwater(self, tp: TP) -> int:
        return 100 + tp.partition

    async def seek_to_committed(self) -> Mapping[TP, int]:
        assert self.committed, "aiokafka's has it so"
        self.place |= self.committed
        await self.seeking()
        return dict(self.committed)

    async def note(self, tp: TP, committed: int, generation: int) -> None:
        assert generation == 1
        self.lost.append((tp, committed))

    async def compare(self, starts: Mapping[TP, int], generation: int) -> Mapping[TP, int]:
        assert generation == 1
        self.others.append(dict(starts))
        await asyncio.sleep(0)
        return {tp: self.begins[tp] for tp in starts if tp in self.begins}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return {tp: self.earliest.get(tp, 0) for tp in partitions}

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


async def test_who_has_no_partition_any_more_stands_by(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    settled: list[list[TP]] = []
    consumer.observer.on_settled = lambda tps: settled.append(list(tps))
    consumer.committed = {}
    await consumer.perform_seek()
    assert (consumer.due("responses"), settled) == ({}, [[]])


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


@pytest.mark.parametrize(
    ("committed", "stands_at", "earliest", "lost"),
    [
        (10, 10, 0, False),
        (10, 12, 0, False),  # the state is durable before the offset is committed
        (10, 9, 0, True),
        (10, 0, 0, True),
        (10, 0, 10, False),  # read from the beginning on, as an operator has asked for
        (10, 0, 9, True),
        (0, 0, 0, False),
    ],
)
async def test_a_committed_offset_ahead_of_its_state_is_found(
    consumer: Consumer, committed: int, stands_at: int, earliest: int, *, lost: bool
) -> None:
    consumer.committed, consumer.earliest = {RESPONSES: committed}, {RESPONSES: earliest}
    consumer.observer.stands_at = lambda _: stands_at
    await consumer.perform_seek()
    assert consumer.lost == ([(RESPONSES, committed)] if lost else [])


async def test_what_log_deleted_unread_is_passed_by_at_a_take_over(consumer: Consumer) -> None:
    consumer.committed, consumer.begins = {RESPONSES: 10}, {RESPONSES: 14}
    await consumer.perform_seek()
    (message,) = await poll(consumer)

    assert consumer.others == [{RESPONSES: 10}]
    assert [found.offset for found in consumer.admit(message.value)] == [14, 15, 16]


async def test_nothing_of_a_suspect_is_handed_out_before_its_log_was_compared(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    consumer.suspect(RESPONSES)
    assert await poll(consumer) == []
    assert consumer._checking is not None
    await consumer._checking
    (message,) = await poll(consumer)
    assert consumer.others == [{RESPONSES: 10}, {RESPONSES: 10}]
    assert [found.offset for found in consumer.admit(message.value)] == [10, 11, 12]


async def test_records_below_the_place_that_was_reached_make_a_suspect(consumer: Consumer) -> None:
    """As when aiokafka goes to a topic's beginning by itself, because it ends before the place it was read up to."""
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    await poll(consumer)
    consumer.place[RESPONSES] = 0
    assert await poll(consumer) == []
    assert consumer._suspects == {RESPONSES}


async def test_a_comparison_that_fails_is_not_kept_quiet(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()

    async def broken(*_: Any) -> Mapping[TP, int]:
        raise OSError

    failures: list[BaseException] = []
    consumer.observer.check_logs, consumer.observer.on_failure = broken, failures.append
    consumer.suspect(RESPONSES)
    await poll(consumer)
    assert consumer._checking is not None
    await asyncio.wait([consumer._checking])
    await asyncio.sleep(0)
    assert isinstance(failures[0], OSError)


class Asked:
    """What aiokafka is asked for: partitions, and how long to wait for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, consumer: Consumer) -> None:
        self.now = 100.0
        self._consumer = consumer
        self._found: tuple[set[TP], float] = (set(), 0.0)

        async def getmany(_: Consumer, tps: set[TP], timeout: float) -> Any:
            self._found = tps, timeout
            return {}

        async def wait_for_ack(timeout: float) -> None:
            self._found = set(), timeout

        monkeypatch.setattr(driver.Consumer, "_getmany", getmany)
        monkeypatch.setattr(consumer, "_wait_for_ack", wait_for_ack)
        monkeypatch.setattr(ordered, "monotonic", lambda: self.now)

    async def of(self, *tps: TP) -> tuple[set[TP], float]:
        await self._consumer._getmany(set(tps), 5.0)
        return self._found


TALLIES = TP("tallies", 0)


async def test_a_delayed_partition_is_not_asked_for_until_then(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, consumer)
    consumer.delay(TALLIES, 1.0, 4.0)

    assert await asked.of(RESPONSES, TALLIES) == ({RESPONSES}, 1.0)
    assert await asked.of(TALLIES) == (set(), 1.0)
    asked.now += 1.0
    assert await asked.of(RESPONSES, TALLIES) == ({RESPONSES, TALLIES}, 5.0)


async def test_the_delay_is_longer_while_another_partition_is_busy(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (message,) = await poll(consumer)
    asked = Asked(monkeypatch, consumer)
    consumer.delay(TALLIES, 1.0, 4.0)
    asked.now += 2.0

    assert await asked.of(RESPONSES, TALLIES) == (set(), 2.0)
    message.acked = True
    assert await asked.of(RESPONSES, TALLIES) == ({RESPONSES, TALLIES}, 5.0)


async def test_a_partition_is_not_delayed_after_a_new_assignment(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, consumer)
    consumer.delay(TALLIES, 1.0, 4.0)
    await consumer.perform_seek()

    assert await asked.of(TALLIES) == ({TALLIES}, 5.0)


class Fetcher:
    """aiokafka's, as far as it says what to ask brokers for next."""

    def __init__(self) -> None:
        self._in_flight: set[int] = set()
        self._pending_tasks: set[str] = set()
        self._records: dict[TP, str] = {}
        self._fetch_max_wait_ms = 0
        self._client = SimpleNamespace(send=self.send)
        self.response: Any = None

    async def send(self, _node: int, _request: Any) -> Any:
        return self.response

    def _get_actions_per_node(self, assignment: str) -> tuple[Any, ...]:
        return f"requests of {assignment}", "resets", 0.2, False, []


@pytest.mark.parametrize(("in_flight", "tasks", "timeout"), [(set(), set(), 0.2), ({1}, {"a"}, 0.2), ({1}, set(), 0)])
def test_a_fetch_that_has_just_ended_is_looked_after_at_once(
    in_flight: set[int], tasks: set[str], timeout: float
) -> None:
    fetcher = Fetcher()
    fetching.prepare(fetcher, lambda _: None)
    fetcher._in_flight, fetcher._pending_tasks = in_flight, tasks

    assert fetcher._get_actions_per_node("x") == ("requests of x", "resets", timeout, False, [])


def test_a_fetch_that_asks_for_some_partitions_only_does_not_wait_long() -> None:
    fetcher = Fetcher()
    fetching.prepare(fetcher, lambda _: None)
    waits = []
    for fetcher._records in ({}, {RESPONSES: "not taken yet"}, {}):
        fetcher._get_actions_per_node("x")
        waits.append(fetcher._fetch_max_wait_ms)

    assert waits == [200, 20, 200]


async def test_what_a_broker_answers_of_a_log_that_may_be_another_one_is_heard() -> None:
    fetcher, suspects = Fetcher(), list[TP]()
    fetching.prepare(fetcher, suspects.append)
    # 0: fine, 1: offset out of range, 3: no such topic, 6: another leader, 29: not allowed
    fetcher.response = SimpleNamespace(
        topics=[("responses", [(n, n, 100, 100, 0, None, b"") for n in (0, 1, 3, 6, 29)])]
    )
    await fetcher._client.send(0, FetchRequest(0, 0, 0, 0, 0, []))
    assert suspects == [TP("responses", n) for n in (1, 3, 6)]
    await fetcher._client.send(0, "another request")
    assert len(suspects) == 3
