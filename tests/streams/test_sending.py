"""Sending: where records lie, that there is never a hole, and what makes the worker stop."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import StateNotDurable
from worker.streams import sending
from worker.streams.sending import Acknowledged, Sendable, Sender

SMALL = 400
Reply = Callable[["asyncio.Future[Any]", int], None]


def accept(future: "asyncio.Future[Any]", first: int) -> None:
    future.set_result(SimpleNamespace(offset=first))


def refuse(future: "asyncio.Future[Any]", _: int) -> None:
    future.set_exception(TopicAuthorizationFailedError("t"))


def say_nothing(*_: Any) -> None:
    pass


class Producer:
    """Takes batches; `reply` is given each one's future, and the offset of its first record."""

    def __init__(self, reply: Reply = accept) -> None:
        self.reply = reply
        self.logs: dict[tuple[str, int], int] = {}
        self.taken: list[tuple[str, int]] = []
        self.known = True
        self.busy = 0
        cluster = SimpleNamespace(partitions_for_topic=lambda _: {0} if self.known else None)
        self.client = SimpleNamespace(cluster=cluster)
        self._message_accumulator = SimpleNamespace(_batch_size=SMALL)
        self.sent: dict[tuple[str, int], list[bytes]] = {}

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(SMALL, 0, is_transactional=False, key_serializer=None, value_serializer=None)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        if self.busy:
            self.busy -= 1
            raise KafkaTimeoutError
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        place = topic, partition
        first = self.logs.get(place, 0)
        self.logs[place] = first + batch.record_count()
        self.taken.append(place)
        self.sent.setdefault(place, []).append(bytes(batch._build()))
        self.reply(future, first)
        return future


def sender(producer: Producer, patience: float = 60.0, compressed: tuple[str, ...] = ()) -> Sender:
    app: Any = SimpleNamespace(producer=SimpleNamespace(_ensure_producer=lambda: producer))
    return Sender(app, patience, compressed)


def records(count: int, size: int = 10) -> list[Sendable]:
    return [(b"k", b"x" * size, [], None)] * count


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sending, "_RETRY_SECONDS", 0.0)


async def test_it_says_where_the_records_lie() -> None:
    producer = Producer()
    at = sender(producer)
    await at.send([("a", 0, records(3)), ("b", 1, records(1))])
    found = await at.send([("a", 0, records(2)), ("b", 1, records(2))])

    assert {("a", 0): [Acknowledged(3, 2)], ("b", 1): [Acknowledged(1, 2)]} == found


async def test_nothing_to_send_is_nothing_sent() -> None:
    producer = Producer()

    assert {("a", 0): []} == await sender(producer).send([("a", 0, [])])
    assert {} == await sender(producer).send([])
    assert producer.taken == []


async def test_what_fits_no_batch_goes_as_several_each_after_the_one_before() -> None:
    """Were a later one there and an earlier one not, the head row would stand for rows that are lost."""
    futures: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
    producer = Producer(lambda future, _: futures.put_nowait(future))
    sending_all = asyncio.create_task(sender(producer).send([("a", 0, records(6, SMALL // 3))]))
    for number in range(3):
        future = await futures.get()
        assert len(producer.taken) == number + 1
        accept(future, 2 * number)

    assert {("a", 0): [Acknowledged(0, 2), Acknowledged(2, 2), Acknowledged(4, 2)]} == await sending_all


class Troubled(Producer):
    """A producer whose broker does not know the topic for the first `times` batches."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        if self._times:
            self._times -= 1
            raise UnknownTopicOrPartitionError
        return await super().send_batch(batch, topic, partition=partition)


async def test_a_topic_that_is_not_known_for_a_while_is_waited_for() -> None:
    producer = Troubled(3)

    assert {("a", 0): [Acknowledged(0, 1)]} == await sender(producer).send([("a", 0, records(1))])


async def test_a_topic_that_stays_unknown_is_an_outage_that_is_given_up() -> None:
    with pytest.raises(StateNotDurable, match=r"^a: no acknowledgement for 0 s"):
        await sender(Troubled(1_000_000), patience=0.0).send([("a", 0, records(1))])


async def test_a_refusal_is_called_by_its_topic_and_name() -> None:
    with pytest.raises(
        StateNotDurable, match=r"^a: Kafka did not acknowledge a record: TopicAuthorizationFailedError$"
    ):
        await sender(Producer(refuse)).send([("a", 0, records(1))])


async def test_a_topic_that_is_gone_is_called_that() -> None:
    producer = Producer(say_nothing)
    producer.known = False

    with pytest.raises(StateNotDurable, match=r"^a: the topic does not exist any more\. Start the worker again"):
        await sender(producer).send([("a", 0, records(1))])


async def test_a_broker_that_says_nothing_is_waited_for_and_the_log_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, said, futures = list[str](), asyncio.Event(), list[asyncio.Future[Any]]()

    def warn(text: str, *args: Any) -> None:
        lines.append(text % args)
        said.set()

    monkeypatch.setattr(sending.log, "warning", warn)
    producer = Producer(lambda future, _: futures.append(future))
    waiting = asyncio.create_task(sender(producer).send([("a", 0, records(1)), ("b", 0, records(1))]))
    await said.wait()
    for future in futures:
        accept(future, 0)
    await waiting

    assert lines[0] == "no acknowledgement for 0 s from a, b; the worker still waits"


async def test_a_broker_that_says_nothing_for_longer_than_patience_lasts_stops_the_worker() -> None:
    with pytest.raises(StateNotDurable, match=r"^a, b: no acknowledgement for -1 s \(kafka"):
        await sender(Producer(say_nothing), -1.0).send([("a", 0, records(1)), ("b", 0, records(1))])


async def test_an_answer_that_comes_late_is_an_answer() -> None:
    loop = asyncio.get_running_loop()

    def late(future: "asyncio.Future[Any]", first: int) -> None:
        loop.call_later(0.05, accept, future, first)

    producer = Producer(late)

    assert {("a", 0): [Acknowledged(0, 1)]} == await sender(producer).send([("a", 0, records(1))])


async def test_a_producer_that_is_busy_is_asked_again() -> None:
    producer = Producer()
    producer.busy = 3

    assert {("a", 0): [Acknowledged(0, 1)]} == await sender(producer).send([("a", 0, records(1))])


async def test_a_producer_that_stays_busy_ends_patience() -> None:
    producer = Producer()
    producer.busy = 10**9

    with pytest.raises(StateNotDurable, match=r"^a: no acknowledgement for -1 s \(kafka"):
        await sender(producer, -1.0).send([("a", 0, records(1))])


async def test_only_large_batches_to_topics_that_nobody_else_reads_are_compressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Receivers of other topics may have clients that do not know the codec; a small batch is not worth the time."""
    monkeypatch.setattr(sending, "_WORTH_COMPRESSING", 120)
    producer = Producer()
    at = sender(producer, compressed=("a", "c"))
    found = await at.send([("a", 0, records(12)), ("b", 0, records(12)), ("c", 0, records(11))])

    assert found == {("a", 0): [Acknowledged(0, 12)], ("b", 0): [Acknowledged(0, 12)], ("c", 0): [Acknowledged(0, 11)]}
    batches = {topic: MemoryRecords(sent).next_batch() for (topic, _), [sent] in producer.sent.items()}
    assert {topic: batch.compression_type for topic, batch in batches.items()} == {"a": 4, "b": 0, "c": 0}
    del batches["c"]
    for batch in batches.values():
        assert [record.value for record in batch] == [b"x" * 10] * 12
    assert len(producer.sent["a", 0][0]) < len(producer.sent["b", 0][0])


async def test_what_fits_no_batch_goes_as_several_compressed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_WORTH_COMPRESSING", 0)
    producer = Producer()
    found = await sender(producer, compressed=("a",)).send([("a", 0, records(6, SMALL // 3))])

    assert sum(batch.records for batch in found["a", 0]) == 6
    assert [batch.first for batch in found["a", 0]] == [0, 2, 4]


def numbered(name: str, count: int, size: int = 10) -> list[Sendable]:
    return [(b"k", b"%b%d" % (name.encode(), number) + b"x" * size, [], None) for number in range(count)]


def values(producer: Producer, place: tuple[str, int]) -> list[list[bytes]]:
    """Return the first two characters of each record's value, by produce batch."""
    found = []
    for data in producer.sent[place]:
        batches = MemoryRecords(data)
        while (batch := batches.next_batch()) is not None:
            found.append([record.value[:2] for record in batch])
    return found


async def test_what_is_sent_in_the_same_turn_to_the_same_place_shares_a_batch_and_everybody_hears_of_his_own() -> None:
    producer = Producer()
    at = sender(producer)
    first, second, third = await asyncio.gather(
        at.send([("a", 0, numbered("f", 2)), ("b", 0, numbered("f", 1))]),
        at.send([("a", 0, numbered("s", 1)), ("c", 0, numbered("s", 3))]),
        at.send([("a", 0, numbered("t", 2)), ("b", 0, [])]),
    )

    assert values(producer, ("a", 0)) == [[b"f0", b"f1", b"s0", b"t0", b"t1"]]
    assert first == {("a", 0): [Acknowledged(0, 2)], ("b", 0): [Acknowledged(0, 1)]}
    assert second == {("a", 0): [Acknowledged(2, 1)], ("c", 0): [Acknowledged(0, 3)]}
    assert third == {("a", 0): [Acknowledged(3, 2)], ("b", 0): []}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(1, SMALL // 2))
def test_records_that_fit_no_batch_together_keep_their_order_and_are_where_everybody_is_told(
    counts: list[int], size: int
) -> None:
    producer = Producer()

    async def send_all() -> list[dict[tuple[str, int], list[Acknowledged]]]:
        at = sender(producer)
        return await asyncio.gather(
            *(at.send([("a", 0, numbered(str(caller), count, size))]) for caller, count in enumerate(counts))
        )

    found = asyncio.run(send_all())
    log = [value for batch in values(producer, ("a", 0)) for value in batch] if any(counts) else []
    assert log == [b"%d%d" % (caller, number) for caller, count in enumerate(counts) for number in range(count)]
    for caller, (count, each) in enumerate(zip(counts, found, strict=True)):
        lie_at = [first + n for first, some in each["a", 0] for n in range(some)]
        assert [log[offset] for offset in lie_at] == [b"%d%d" % (caller, number) for number in range(count)]


async def test_an_error_reaches_everybody_whose_records_were_put_together() -> None:
    at = sender(Producer(refuse))
    found = await asyncio.gather(*(at.send([("a", 0, records(1))]) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [StateNotDurable] * 3
    with pytest.raises(StateNotDurable):  # and what is sent afterwards is sent by itself
        await at.send([("a", 0, records(1))])


@pytest.mark.parametrize("turns", [0, 1, 3])
async def test_records_of_others_are_sent_also_if_the_first_caller_is_cancelled(turns: int) -> None:
    futures: asyncio.Queue[asyncio.Future[Any]] = asyncio.Queue()
    producer = Producer(lambda future, _: futures.put_nowait(future))
    at = sender(producer)
    first, second = (asyncio.create_task(at.send([("a", 0, numbered(name, 1))])) for name in "fs")
    await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    accept(await futures.get(), 0)

    assert await second == {("a", 0): [Acknowledged(1, 1)]}
    assert not at._open


async def test_who_sends_alone_and_is_cancelled_leaves_nothing_open() -> None:
    at = sender(Producer())
    alone = asyncio.create_task(at.send([("a", 0, records(1))]))
    await asyncio.sleep(0)
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone

    assert not at._open
    assert await at.send([("a", 0, records(1))]) == {("a", 0): [Acknowledged(0, 1)]}
