"""A lane: it restates what another worker may have written to its view, and delays batches by its pace."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from worker.errors import StateNotDurable
from worker.flow.batch import Decided, Output, Record
from worker.kafka import journal, reading
from worker.kafka.rows import Head, PartitionState
from worker.settings import KafkaSettings
from worker.streams import lane as module
from worker.streams.checkpoint import Checkpoint, Checkpoints
from worker.streams.fetching import FETCH_BYTES
from worker.streams.lane import Lane, Pace, View
from worker.streams.observer import Spent
from worker.streams.ordered import Fetched
from worker.streams.sending import Acknowledged
from worker.streams.store import size_of
from worker.streams.table import Usage
from worker.streams.turns import Turns


class Topic:
    """Partition 0 of the view's topic: the keys of its records."""

    def __init__(self, *keys: str) -> None:
        self.keys = [key.encode() for key in keys]
        self.restated: list[tuple[bytes, bytes | None]] = []

    @asynccontextmanager
    async def reader(self, _: KafkaSettings) -> AsyncIterator["Topic"]:
        yield self

    async def ends(self, _: str, numbers: Collection[int]) -> dict[int, int]:
        return {number: len(self.keys) for number in numbers}

    async def read(self, _: str, spans: Mapping[int, reading.Span]) -> AsyncGenerator[list[Any], None]:
        for number, (first, end) in spans.items():
            yield [SimpleNamespace(partition=number, key=key) for key in self.keys[first:end]]

    async def send(self, batches: Any) -> dict[tuple[str, int], list[Acknowledged]]:
        found = {}
        for topic, number, records in batches:
            found[topic, number] = [Acknowledged(len(self.keys), len(records))]
            self.keys += [key for key, *_ in records]
            self.restated += [(key, value) for key, value, *_ in records]
        return found


def lane(topic: Topic, partition: PartitionState) -> Lane:
    table: Any = SimpleNamespace(state_of=lambda _: partition)
    sender: Any = topic
    unused: Any = None
    return Lane(
        consumer=unused,
        kafka=KafkaSettings(),
        sender=sender,
        table=table,
        decide=unused,
        topic_name=lambda name: f"nps.{name}",
        checkpoints=unused,
        turns=Turns(),
        view=View("scores", lambda key, row: Output("scores", key, row and b"score of " + row)),
    )


def owned(view_end: int, **rows: str) -> PartitionState:
    partition = PartitionState()
    partition.rows = {key.encode(): row.encode() for key, row in rows.items()}
    partition.head = Head(7, {1: 2}, view_end)
    return partition


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    found = Topic("a", "b", "a", "c", "a")
    monkeypatch.setattr(reading, "reader", found.reader)
    return found


async def test_what_lies_beyond_the_end_of_the_view_is_restated_once_a_key(topic: Topic) -> None:
    partition = owned(2, a="1", b="2", c="3")
    await lane(topic, partition).restate_view({0})

    assert [(b"a", b"score of 1"), (b"c", b"score of 3")] == topic.restated
    assert Head(7, {1: 2}, 7) == partition.head


async def test_a_key_without_a_row_is_restated_as_a_null(topic: Topic) -> None:
    """A zombie may write the scores of a segment that has been forgotten."""
    partition = owned(2, a="1")
    await lane(topic, partition).restate_view({0})

    assert [(b"a", b"score of 1"), (b"c", None)] == topic.restated


async def test_where_nobody_else_wrote_nothing_is_restated(topic: Topic) -> None:
    partition = owned(5, a="1")
    await lane(topic, partition).restate_view({0})

    assert [] == topic.restated
    assert Head(7, {1: 2}, 5) == partition.head


async def test_a_second_take_over_has_nothing_to_do(topic: Topic) -> None:
    partition = owned(2, a="1", b="2", c="3")
    await lane(topic, partition).restate_view({0})
    topic.restated.clear()
    await lane(topic, partition).restate_view({0})

    assert [] == topic.restated


class Consumer:
    """The calls of a lane to the consumer; keeps how long it delays a partition."""

    def __init__(self) -> None:
        self.delays: list[tuple[float, float]] = []

    def admit(self, batch: Fetched) -> list[Any]:
        return batch.records

    def delay(self, _: TP, seconds: float, busy_seconds: float) -> None:
        self.delays.append((seconds, round(busy_seconds, 3)))

    def holds(self, _: int) -> bool:
        return False  # enough is known once the batch is decided

    def release(self, _: Any) -> None:
        pass


async def delays(monkeypatch: pytest.MonkeyPatch, spent: float, *sizes: int, more: bool = False) -> Any:
    """Run a batch whose decision takes `spent` seconds; return how long its partition is delayed."""
    now, consumer = [100.0], Consumer()
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    monkeypatch.setattr(module, "uniform", lambda least, most: (least + most) / 2)

    def decide(*_: Any) -> Decided:
        now[0] += spent
        return Decided([], {}, {})

    table = SimpleNamespace(state_of=lambda _: PartitionState(), lock=lambda _: asyncio.Lock(), usage=Usage())
    anything: Any = table
    fake: Any = consumer
    busy_lane = Lane(
        consumer=lambda: fake,
        kafka=KafkaSettings(batch_records=3),
        sender=anything,
        table=anything,
        decide=decide,
        topic_name=str,
        checkpoints=anything,
        turns=Turns(),
        pace=Pace(1.0, 0.02, 10.0),
    )
    records: Any = [SimpleNamespace(offset=n, value=b"x" * size) for n, size in enumerate(sizes)]
    message: Any = SimpleNamespace(value=Fetched(TP("tallies", 0), 0, records, 1, 1, more))
    await busy_lane.run(message)
    return consumer.delays


@pytest.mark.parametrize(("spent", "busy"), [(0.0, 1.0), (0.02, 1.0), (0.1, 5.0), (3.0, 10.0)])
async def test_a_partition_is_delayed_so_that_deciding_takes_its_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, spent: float, busy: float
) -> None:
    assert await delays(monkeypatch, spent, 10) == [(1.0, busy)]


@pytest.mark.parametrize(
    ("sizes", "more", "expected"),
    [
        ((10, 10), True, 1),
        ((10, 10, 10), False, 1),
        ((10, 10, 10), True, 0),
        ((FETCH_BYTES,), True, 0),
        ((FETCH_BYTES,), False, 1),
    ],
)
async def test_it_is_not_delayed_while_more_waits_than_a_batch_can_take(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], *, more: bool, expected: int
) -> None:
    assert len(await delays(monkeypatch, 0.0, *sizes, more=more)) == expected


async def carried(monkeypatch: pytest.MonkeyPatch, decided: Decided, seen: list[Any]) -> None:
    """Run a batch for which this is decided; `seen` gets what is written, and that the batch is done."""
    partition = PartitionState()
    partition.head = Head(latest_time=7)

    class Whole(Consumer):
        def holds(self, _: int) -> bool:
            return True

        def decided(self, _: Fetched) -> None:
            seen.append("decided")

        def done(self, _: Fetched) -> None:
            seen.append("done")

    async def write(_: int, rows: Any, head: Head, __: Any) -> bool:
        seen.append((rows, head.mark, head.latest_time))
        partition.head = head
        return True

    async def send(_: Any) -> dict[Any, Any]:
        return {}

    async def holds(*_: Any) -> bool:
        return "lost" not in seen

    monkeypatch.setattr(module, "lease_holds", holds)
    fake: Any = Whole()
    table: Any = SimpleNamespace(
        state_of=lambda _: partition, lock=lambda _: asyncio.Lock(), write=write, usage=Usage()
    )
    sender: Any = SimpleNamespace(send=send)
    busy_lane = Lane(
        lambda: fake, KafkaSettings(), sender, table, lambda *_: decided, str, Checkpoints(lambda _: None), Turns()
    )
    records: Any = [SimpleNamespace(offset=5, value=b"", timestamp=0)]
    message: Any = SimpleNamespace(value=Fetched(TP("tallies", 0), 0, records, 1, 1, False))
    await busy_lane.run(message)


async def test_each_part_of_a_batch_is_written_before_the_next_is_decided_and_the_last_moves_the_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a crash between two parts the batch is read again from its beginning."""
    seen: list[Any] = []

    def rest() -> Decided:
        seen.append("rest")
        return Decided([], {b"b": b"2"}, {}, latest_time=8)

    await carried(monkeypatch, Decided([], {b"a": b"1"}, {}, rest=rest), seen)

    assert seen == [({b"a": b"1"}, -1, 7), "rest", ({b"b": b"2"}, 5, 8), "decided", "done"]


@pytest.mark.parametrize("lost", [False, True])
async def test_a_slice_that_causes_nothing_is_not_written_and_others_have_their_turn_after_it(
    monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    """A judgement of many segments is such slices; a partition that was lost meanwhile ends it."""
    seen: list[Any] = []

    def another(n: int) -> Decided:
        seen.append(n)
        asyncio.get_running_loop().call_soon(seen.append, "lost" if lost and n == 1 else f"turn {n}")
        return Decided([], {b"a": b"1"}, {}) if n == 2 else Decided([], {}, {}, rest=lambda: another(n + 1))

    await carried(monkeypatch, Decided([], {}, {}, rest=lambda: another(0)), seen)

    expected = (
        [0, "turn 0", 1, "lost", 2] if lost else [0, "turn 0", 1, "turn 1", 2, ({b"a": b"1"}, 5, 7), "decided", "done"]
    )
    assert seen == expected


async def test_a_worker_whose_state_was_lost_takes_nothing_back(topic: Topic) -> None:
    """It will stop and ask for a rebuild; until then receivers keep the scores that there are."""
    await lane(topic, PartitionState()).restate_view({0})

    assert [] == topic.restated


class Waiting:
    """A lane whose rows of up to 200 bytes may wait, with what it does to its table, its consumer and its checkpoints.

    `result`: what a write returns, or raises.
    """

    def __init__(self, result: bool | StateNotDurable = True) -> None:
        self.seen: list[Any] = []
        self.held = True
        self.usage = Usage()
        #: The topics of batches and their numbers of records; the topics of checkpoints, and None.
        self.noted: list[tuple[str, int | None]] = []
        self.spent: list[Spent] = []
        self._result = result
        self._unsaved: dict[bytes, bytes | None] = {}
        unsent = list[Output]()
        self._unsent_now = SimpleNamespace(outputs=unsent, note_sent=lambda count: unsent.__delitem__(slice(count)))
        self._state = PartitionState()
        self.on_send: Callable[[], object] = bool
        #: Whether outputs that have waited are being sent; and whether they are acknowledged.
        self.is_sending, self.acknowledged = asyncio.Event(), asyncio.Event()
        self.acknowledged.set()
        consumer: Any = SimpleNamespace(
            admit=lambda batch: batch.records,
            holds=lambda _: self.held,
            heartbeat_age=lambda: 0.0,
            decided=lambda batch: self.seen.append(f"decided {batch.start}"),
            done=lambda batch: self.seen.append(f"done {batch.start}"),
            undecided=lambda batch: self.seen.append(f"undecided {batch.start}"),
            release=lambda _: None,
        )
        lock, sending_lock = asyncio.Lock(), asyncio.Lock()
        table: Any = SimpleNamespace(
            state_of=lambda _: self._state,
            lock=lambda _: lock,
            change=self._change,
            has_unsaved=lambda _: bool(self._unsaved),
            unsaved_size=lambda _: journal.total_size(self._unsaved) + sum(map(size_of, self._unsent_now.outputs)),
            unsaved=lambda _: self._unsent_now,
            sending_lock=lambda _: sending_lock,
            write=self._write,
            usage=self.usage,
        )
        sender: Any = SimpleNamespace(send=self._send)
        self.planned: list[Any] = []
        self.outputs = [Output("alerts", None, b"an alert")]
        plan: Any = SimpleNamespace(
            plan=lambda *planned: self.planned.append(planned), go_along=lambda: self.seen.append("go along")
        )
        self.lane = Lane(
            lambda: consumer, KafkaSettings(), sender, table, self._decide, str, plan, Turns(),
            Checkpoint(0.2, most_bytes=200, outputs=frozenset({"later"})), observer=self,
        )  # fmt: skip

    def on_sent(self, topic: str, records: Any) -> None:
        raise NotImplementedError  # the shell calls it

    def on_batch(self, topic: str, records: Sequence[Record], spent: Spent) -> None:
        self.noted.append((topic, len(records)))
        self.spent.append(spent)

    def on_checkpoint(self, topic: str, seconds: float) -> None:
        self.noted.append((topic, None))
        assert seconds > 0

    async def run(self, start: int, size: int, *topics: str) -> None:
        """Run a batch that changes a row of its own, of this size, and has outputs to these topics."""
        records: Any = [SimpleNamespace(offset=start, value=b"x" * size, timestamp=0)]
        self._topics = topics
        message: Any = SimpleNamespace(value=Fetched(TP("responses", 0), start, records, 1, 1))
        await self.lane.run(message)

    def _decide(self, records: list[Any], *_: Any) -> Decided:
        outputs = [Output(topic, b"%d" % record.offset, b"v") for record in records for topic in self._topics]
        return Decided(outputs, {b"%d" % record.offset: record.value for record in records}, {})

    async def _send(self, batches: Any) -> dict[Any, Any]:
        sent = [(topic, int(key)) for topic, _, records in batches for key, *_ in records]
        if sent:
            self.on_send()
            if sent[0][0] == "later":
                self.is_sending.set()
                await self.acknowledged.wait()
            self.seen.append(("sent", *sent))
        return {}

    def _change(self, _: int, rows: Mapping[bytes, bytes | None], head: Head, outputs: list[Output]) -> None:
        self._unsaved.update(rows)
        self._unsent_now.outputs.extend(outputs)
        self._state.head = head
        self.seen.append("changed")

    async def _write(self, _: int, rows: Mapping[bytes, bytes | None], head: Head, __: Any) -> bool:
        self.seen.append(("write", len(self._unsaved), len(rows), head.mark))
        self._unsaved.clear()
        if isinstance(self._result, StateNotDurable):
            raise self._result
        return self._result


async def test_rows_that_may_wait_are_changed_in_memory_and_the_offsets_are_done_with_the_checkpoint() -> None:
    waiting = Waiting()
    await waiting.run(5, 10)
    await waiting.run(6, 10, "alerts")
    assert waiting.seen == ["changed", "decided 5", "go along", ("sent", ("alerts", 6)), "changed", "decided 6"]
    assert [(tp, each.seconds) for tp, each, *_ in waiting.planned] == [(TP("responses", 0), 0.2)] * 2

    waiting.seen.clear()
    *_, write, _ = waiting.planned[-1]
    await write()
    await write()
    assert waiting.seen == [("write", 2, 0, 6), "done 6"], "what is written already is not written again"


async def test_outputs_that_may_wait_are_sent_before_the_rows_of_the_checkpoint() -> None:
    waiting = Waiting()
    await waiting.run(5, 10, "later", "alerts")
    await waiting.run(6, 10, "later")
    assert waiting.seen == ["go along", ("sent", ("alerts", 5)), "changed", "decided 5", "changed", "decided 6"]

    waiting.seen.clear()
    *_, write, _ = waiting.planned[-1]
    await write()
    assert waiting.seen == [("sent", ("later", 5), ("later", 6)), ("write", 2, 0, 6), "done 6"]


async def test_if_rows_are_written_at_once_all_outputs_are_sent_before_those_that_wait_first() -> None:
    waiting = Waiting()
    await waiting.run(5, 10, "later")
    waiting.seen.clear()
    await waiting.run(6, 500, "later", "alerts")
    assert waiting.seen == [
        *("go along", ("sent", ("later", 5)), ("sent", ("later", 6), ("alerts", 6))),
        *(("write", 1, 1, 6), "decided 6", "done 6"),
    ]


async def test_a_batch_is_decided_while_a_checkpoint_sends_outputs_and_its_own_follow_before_the_rows() -> None:
    """An alert does not wait for the outputs of a checkpoint."""
    waiting = Waiting()
    await waiting.run(5, 10, "later")
    waiting.seen.clear()
    waiting.acknowledged.clear()
    *_, write, _ = waiting.planned[-1]
    writing = asyncio.create_task(write())
    await waiting.is_sending.wait()
    waiting.on_send = waiting.acknowledged.set
    await waiting.run(6, 10, "alerts", "later")
    await writing
    assert waiting.seen == [
        *("go along", ("sent", ("alerts", 6)), "changed", "decided 6"),
        *(("sent", ("later", 5)), ("sent", ("later", 6)), ("write", 2, 0, 6), "done 5"),
    ]


async def test_a_checkpoint_of_a_partition_that_is_lost_while_its_outputs_are_sent_is_not_written() -> None:
    waiting = Waiting()
    await waiting.run(5, 10, "later")
    waiting.seen.clear()
    waiting.on_send = lambda: setattr(waiting, "held", False)
    *_, write, _ = waiting.planned[-1]
    await write()
    assert waiting.seen == [("sent", ("later", 5))]


async def test_outputs_count_for_what_may_wait() -> None:
    waiting = Waiting()
    for start in range(100, 140):
        await waiting.run(start, 1, *["later"] * 5)
    assert any(step[0] == "write" for step in waiting.seen), "two hundred outputs have more than 200 bytes"


async def test_checkpoints_of_other_partitions_go_along_with_outputs_and_its_own_is_busy() -> None:
    waiting, busy = Waiting(), list[bool]()
    await waiting.run(5, 10)
    *_, is_busy = waiting.planned[-1]
    waiting.on_send = lambda: busy.append(is_busy())
    await waiting.run(6, 10, "alerts")
    assert (busy, is_busy()) == ([True], False)


async def test_rows_that_are_too_many_are_written_at_once_with_those_that_wait() -> None:
    waiting = Waiting()
    await waiting.run(5, 50)
    waiting.seen.clear()
    await waiting.run(6, 50)
    assert waiting.seen == ["go along", ("write", 1, 1, 6), "decided 6", "done 6"]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("result", [False, StateNotDurable("no acknowledgement")])
async def test_after_a_checkpoint_that_has_failed_its_batches_are_not_decided_any_more(
    *, result: bool | StateNotDurable, at_once: bool
) -> None:
    waiting = Waiting(result)
    await waiting.run(5, 10)
    waiting.seen.clear()
    *_, write, _ = waiting.planned[-1]
    with pytest.raises(StateNotDurable) if result else nullcontext():
        await (waiting.run(6, 1_000) if at_once else write())
    assert waiting.seen[-1] == f"undecided {6 if at_once else 5}"


async def test_an_observer_learns_of_batches_that_are_decided_and_of_checkpoints_and_how_long_they_took() -> None:
    waiting = Waiting()
    await waiting.run(5, 10, "alerts")
    *_, write, _ = waiting.planned[-1]
    await write()
    assert waiting.noted == [("responses", 1), ("responses", None)]
    assert all(time > 0 for spent in waiting.spent for time in (spent.deciding, spent.sending, spent.waiting))


async def test_a_batch_whose_partition_is_lost_is_no_batch_but_a_refusal() -> None:
    waiting = Waiting()
    waiting.held = False
    await waiting.run(5, 10, "alerts")
    assert (waiting.noted, waiting.usage.refusals) == ([], 1)


async def test_a_checkpoint_of_a_partition_that_was_lost_is_not_written() -> None:
    waiting = Waiting()
    await waiting.run(5, 10)
    waiting.seen.clear()
    waiting.held = False
    *_, write, _ = waiting.planned[-1]
    await write()
    assert waiting.seen == []


async def test_a_lane_with_a_pace_decides_only_when_no_batch_of_another_lane_is_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An alert does not wait until the tallies are counted."""
    seen: list[str] = []
    sending, may_end = asyncio.Event(), asyncio.Event()

    async def holds(*_: Any) -> bool:
        return True

    async def send(_: Any) -> dict[Any, Any]:
        sending.set()
        await may_end.wait()
        return {}

    async def write(*_: Any) -> bool:
        return True

    monkeypatch.setattr(module, "lease_holds", holds)
    consumer: Any = SimpleNamespace(
        admit=lambda batch: batch.records,
        delay=lambda *_: None,
        decided=lambda _: None,
        done=lambda _: None,
        holds=lambda _: True,
        release=lambda _: None,
    )
    partition = PartitionState()
    sender: Any = SimpleNamespace(send=send)
    turns = Turns(longest=inf, between=0.0)

    def lane_of(name: str, pace: Pace | None) -> Lane:
        def decide(*_: Any) -> Decided:
            seen.append(name)
            return Decided([], {}, {})

        lock = asyncio.Lock()
        table: Any = SimpleNamespace(state_of=lambda _: partition, lock=lambda _: lock, write=write)
        checkpoints = Checkpoints(lambda _: None)
        return Lane(lambda: consumer, KafkaSettings(), sender, table, decide, str, checkpoints, turns, pace=pace)

    records: Any = [SimpleNamespace(offset=0, value=b"", timestamp=0)]
    message: Any = SimpleNamespace(value=Fetched(TP("topic", 0), 0, records, 1, 1))
    responses = asyncio.create_task(lane_of("responses", None).run(message))
    await sending.wait()
    tallies = asyncio.create_task(lane_of("tallies", Pace(1.0, 0.02, 10.0)).run(message))
    for _ in range(20):
        await asyncio.sleep(0)
    assert seen == ["responses"]
    may_end.set()
    await asyncio.gather(responses, tallies)
    assert seen == ["responses", "tallies"]
