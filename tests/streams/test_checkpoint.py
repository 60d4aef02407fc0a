"""Checkpoints: when they begin, and that no fault loses or changes anything that waits for one."""

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import faust
import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from streams import changelog
from streams.changelog import Crash, Kafka
from streams.consumer import Consumer

from worker.errors import StateNotDurable
from worker.flow.batch import Decided, Output, Record
from worker.kafka import journal, reading
from worker.kafka.rows import HEAD_KEY, PartitionState
from worker.settings import KafkaSettings
from worker.streams.checkpoint import Checkpoint, Checkpoints
from worker.streams.lane import Lane
from worker.streams.ordered import OrderedConsumer
from worker.streams.sending import Acknowledged
from worker.streams.store import Unsaved
from worker.streams.table import DurableTable
from worker.streams.turns import Turns

TP_0, TP_1 = TP("responses", 0), TP("responses", 1)
#: A time after which no checkpoint of these tests begins by itself, in seconds.
NEVER = 3_600.0
#: The topic whose records wait for checkpoints.
LATER = "later"


async def test_what_is_planned_begins_together_after_the_shortest_time() -> None:
    begun: list[TP] = []
    checkpoints = Checkpoints(lambda _: None)

    async def write(tp: TP) -> None:
        begun.append(tp)
        if len(begun) == 1:
            asyncio.get_running_loop().call_soon(in_the_next_turn.set)

    in_the_next_turn = asyncio.Event()
    checkpoints.plan(TP_0, Checkpoint(NEVER), partial(write, TP_0))
    checkpoints.plan(TP_1, Checkpoint(0.0), partial(write, TP_1))
    await in_the_next_turn.wait()
    assert begun == [TP_0, TP_1]


async def test_only_the_last_plan_of_a_partition_counts_and_nothing_stays_planned() -> None:
    begun: list[int] = []
    checkpoints = Checkpoints(lambda _: None)

    async def write(number: int) -> None:
        begun.append(number)

    for number in range(3):
        checkpoints.plan(TP_0, Checkpoint(NEVER), partial(write, number))
    await checkpoints.write_all()
    await checkpoints.write_all()
    assert (begun, checkpoints._timer, checkpoints._writing) == ([2], None, set())


@pytest.mark.parametrize("goes_along", [False, True])
async def test_while_batches_come_one_after_the_other_checkpoints_are_rarer(*, goes_along: bool) -> None:
    begun: list[TP] = []
    checkpoints, loop = Checkpoints(lambda _: None), asyncio.get_running_loop()

    async def write(tp: TP) -> None:
        begun.append(tp)

    checkpoints.plan(TP_0, Checkpoint(NEVER), partial(write, TP_0))
    if goes_along:
        checkpoints._goes_along_from -= NEVER
        checkpoints.go_along()
    else:
        await checkpoints.write_all()
    began = loop.time()
    checkpoints.plan(TP_0, Checkpoint(0.2, NEVER), partial(write, TP_0))
    assert checkpoints._timer is not None
    assert checkpoints._timer.when() == pytest.approx(began + NEVER, abs=60)
    assert checkpoints._goes_along_from == pytest.approx(began + NEVER / 2, abs=60)
    checkpoints._began -= 2 * NEVER
    checkpoints.plan(TP_1, Checkpoint(60.0, NEVER), partial(write, TP_1))
    assert checkpoints._timer.when() == pytest.approx(began + 60, abs=30), "after a rest it is as soon as ever"


async def test_who_wants_all_of_it_written_waits_for_what_has_begun_and_hears_of_a_failure() -> None:
    ended: list[asyncio.Task[None]] = []
    checkpoints, acknowledged, asked = Checkpoints(ended.append), asyncio.Event(), asyncio.Event()

    async def write() -> None:
        asked.set()
        await acknowledged.wait()

    async def fail() -> None:
        raise StateNotDurable("no acknowledgement")

    checkpoints.plan(TP_0, Checkpoint(0.0), write)
    await asked.wait()
    checkpoints.plan(TP_1, Checkpoint(NEVER), fail)
    writing = asyncio.create_task(checkpoints.write_all())
    await asyncio.sleep(0)
    assert not writing.done()
    acknowledged.set()
    with pytest.raises(StateNotDurable, match="no acknowledgement"):
        await writing
    assert [task.exception() is None for task in ended] in ([True, False], [False, True])


async def test_a_checkpoint_goes_along_with_outputs_once_half_of_its_time_has_passed() -> None:
    begun: list[TP] = []
    checkpoints, busy = Checkpoints(lambda _: None), {TP_1}

    async def write(tp: TP) -> None:
        begun.append(tp)

    async def after_outputs() -> list[TP]:
        checkpoints.go_along()
        await asyncio.sleep(0)
        return begun

    assert await after_outputs() == []
    checkpoints.plan(TP_0, Checkpoint(NEVER), partial(write, TP_0))
    checkpoints.plan(TP_1, Checkpoint(NEVER), partial(write, TP_1), partial(busy.__contains__, TP_1))
    assert await after_outputs() == [], "it waits for others first"
    checkpoints._goes_along_from -= NEVER / 2
    assert await after_outputs() == [TP_0], "the other one would wait for the end of a batch"
    assert checkpoints._timer is not None
    busy.clear()
    assert await after_outputs() == [TP_0, TP_1]
    assert checkpoints._timer is None, "while nothing waits, no timer runs"


class World:
    """A log without end, what was published because of it, and the changelog: what outlives workers.

    `left`, of `kafka`: after how many more produce batches the worker is gone.
    """

    def __init__(self, seed: int) -> None:
        self.kafka = Kafka()
        self.outputs: list[bytes] = []
        #: The offsets whose outputs may wait for a checkpoint, in the order in which they were published.
        self.counted: list[int] = []
        self.committed = 0
        self.generation = 0
        self._seed = seed

    def record(self, tp: TP, offset: int) -> Any:
        """Return a record: a customer's answer, or the customer's erasure."""
        rng = random.Random(f"{self._seed}-{offset}")
        value = None if rng.random() < 0.2 else b"%d" % rng.randrange(10)
        return SimpleNamespace(
            topic=tp.topic, partition=tp.partition, offset=offset, timestamp=rng.randrange(1_000), timestamp_type=0,
            headers=[], key=rng.choice([b"a", b"b", b"c"]), value=value, checksum=None, serialized_key_size=0,
            serialized_value_size=0,
        )  # fmt: skip

    async def send(self, batches: Any) -> Any:
        """Append to the changelog, or to the outputs, which are one produce batch."""
        batches = list(batches)
        if any(topic.endswith("-changelog") for topic, *_ in batches):
            return await self.kafka.send(batches)
        for topic, _, records in batches:
            if self.kafka.left is not None:
                if not self.kafka.left:
                    raise Crash
                self.kafka.left -= 1
            self.outputs += [value for _, value, *_ in records]
            if topic == LATER:
                self.counted += [int(value.split()[1]) for _, value, *_ in records]
        await asyncio.sleep(0)
        return {(topic, number): [Acknowledged(0, len(records))] for topic, number, records in batches}

    def durable(self) -> PartitionState:
        """Return the state of a worker that reads the changelog now."""
        state = PartitionState()
        for offset, record in enumerate(self.kafka.log):
            state.apply(offset, *record)
        return state

    def check_outputs(self) -> None:
        """Whatever the durable state says is decided has all of its outputs, and they can be counted in their order."""
        durable = self.durable()
        assert self.expected(durable.head.mark + 1)[1] <= set(self.outputs)
        highest, counted = -1, []
        for offset in self.counted:  # as a receiver does that remembers the highest offset of each source
            if offset > highest:
                highest = offset
                counted.append(offset)
        assert set(counted) == set(self.counted)

    def expected(self, end: int) -> tuple[dict[bytes, bytes], set[bytes], int]:
        """Return the rows, the outputs and the latest time if the records before `end` are decided without a fault."""
        state = PartitionState()
        decided = decide([self.record(TP_0, offset) for offset in range(end)], 0, state)
        rows = {key: row for key, row in decided.rows.items() if row is not None}
        return rows, {output.value or b"" for output in decided.outputs}, decided.latest_time


def decide(records: Sequence[Record], _: int, state: PartitionState) -> Decided:
    """Decide as the road of a response does: a row has its offset, and the outputs depend on the row before."""
    rows: dict[bytes, bytes | None] = {}
    outputs, latest_time = list[Output](), state.head.latest_time
    for record in records:
        latest_time, key = max(latest_time, record.timestamp), record.key or b""
        row = rows[key] if key in rows else state.rows.get(key)
        mark, answers = (-1, b"") if row is None else (mark_of(row), row[4:])
        if record.offset <= mark:
            continue
        rows[key] = None if record.value is None else b"%04d%b%b" % (record.offset, answers[-3:], record.value)
        outputs.append(Output("out", key, b"%d: %b, then %b" % (record.offset, answers, record.value or b"erased")))
        outputs.append(Output(LATER, key, b"later %d %b" % (record.offset, record.value or b"erased")))
    return Decided(outputs, rows, {}, latest_time=latest_time)


def mark_of(row: bytes) -> int:
    """Return the offset up to which a row is decided."""
    return int(row[:4])


class Worker:
    """A worker with the one partition of a world."""

    def __init__(self, world: World, most_bytes: int, *, atomic: bool) -> None:
        self._world = world
        self.checkpoints = Checkpoints(lambda _: None)
        self.consumer = Consumer()
        self.consumer.way_in.record = world.record
        self.consumer._thread.heartbeat_at = float("inf")
        self.consumer._observer = cast(
            Any,
            SimpleNamespace(
                stands_at=self._stands_at,
                on_settled=lambda _: None,
                on_state_ahead=self._fail,
                check_logs=self._compare_nothing,
                on_batch=self.consumer.handed.append,
            ),
        )
        app = cast(Any, faust.App("t", store="memory://", autodiscover=False))
        app._consumer = self.consumer
        sender: Any = world
        self.table = DurableTable(app, name="rows", kafka=KafkaSettings(), sender=sender, atomic=atomic)
        self.lane = Lane(
            consumer=lambda: self.consumer,
            kafka=KafkaSettings(),
            sender=sender,
            table=self.table,
            decide=decide,
            topic_name=str,
            checkpoints=self.checkpoints,
            turns=Turns(),
            checkpoint=Checkpoint(NEVER, most_bytes=most_bytes, outputs=frozenset({LATER})),
        )

    def _stands_at(self, _: TP) -> int:
        return self.table.state_of(0).head.stands_at

    async def _fail(self, *_: Any) -> None:
        raise AssertionError("a committed offset is ahead of its state")

    async def _compare_nothing(self, *_: Any) -> dict[Any, int]:
        return {}

    async def take_over(self) -> "Worker":
        """Get the partition in the next generation, and go on from the committed offset."""
        self._world.generation += 1
        self.consumer.app.consumer_generation_id = self.consumer._thread.generation = self._world.generation
        self.consumer.committed = {TP_0: self._world.committed}
        assert await self.table.recover({0}, self._world.generation, self.table.app.rebalancing_count)
        await self.consumer.perform_seek()
        return self

    async def work(self, records: int) -> None:
        """Process the next batch."""
        self.consumer.way_in.chunk = records
        self.consumer.handed.clear()
        await self.consumer._hand_out()
        for message in self.consumer.handed:
            await self.lane.run(message)

    async def commit(self) -> None:
        """Commit what may be committed."""
        offset = self.consumer._new_offset(TP_0)
        assert offset is not None
        assert offset <= self._world.durable().head.stands_at
        self._world.committed = offset

    @property
    def is_behind(self) -> bool:
        """Whether a row is ahead of the next offset, as it may be after a crash."""
        state = self.table.state_of(0)
        return self.consumer._next[TP_0] <= max([state.head.mark, *map(mark_of, state.rows.values())])

    def check(self) -> None:
        """Compare the state in memory with what it should be. After a crash, some rows may be ahead of the head row."""
        state = self.table.state_of(0)
        end = max(self.consumer._next[TP_0], state.head.stands_at)
        rows, _, latest_time = self._world.expected(end)
        for key, row in state.rows.items():
            if mark_of(row) >= end:
                rows[key] = self._world.expected(mark_of(row) + 1)[0][key]
        assert (rows, latest_time) == (state.rows, state.head.latest_time)


async def _both(worker: Worker, value: int) -> None:
    """Process a batch, and write a checkpoint at the same time; either may begin first."""
    work, write = worker.work(1 + value % 3), worker.checkpoints.write_all()
    done = await asyncio.gather(*((work, write) if value % 2 else (write, work)), return_exceptions=True)
    for error in done:
        if error is not None:
            raise error


async def _step(world: World, worker: Worker, other: Worker, step: str, value: int) -> Worker:
    """Do what a step says. Return the worker that has the partition afterwards."""
    if step == "work":
        await worker.work(1 + value % 3)
    elif step == "checkpoint":
        await worker.checkpoints.write_all()
    elif step == "both":
        await _both(worker, value)
    elif step == "commit":
        await worker.commit()
    elif step == "crash soon":
        world.kafka.left = value % 5
    elif step == "crash in a checkpoint":
        world.kafka.left = value % 4
        await worker.checkpoints.write_all()
    elif step == "rebalance":
        await worker.take_over()
    elif step == "orderly rebalance":
        await worker.checkpoints.write_all()
        await worker.commit()
        await worker.take_over()
    else:
        assert step == "hand over"
        await other.take_over()
        await other.work(2)
        # This worker does not know yet that it has lost the partition.
        await worker.work(1)
        await worker.checkpoints.write_all()
        await worker.work(1 + value % 3)
        return other
    return worker


async def play(world: World, steps: Sequence[tuple[str, int]], most_bytes: int, *, atomic: bool) -> None:
    """Play the steps, and then go on without a fault. Nothing may be missing then."""
    make: Callable[[], Worker] = partial(Worker, world, most_bytes, atomic=atomic)
    worker, other = await make().take_over(), make()
    for step, value in steps:
        try:
            now = await _step(world, worker, other, step, value)
            worker, other = (worker, other) if now is worker else (now, worker)
        except Crash:
            world.kafka.left = None
            worker, other = await make().take_over(), make()
        worker.check()
        world.check_outputs()
    world.kafka.left = None
    while worker.is_behind:
        await worker.work(2)
    await worker.work(2)
    await worker.checkpoints.write_all()
    await worker.commit()
    worker.check()
    end, durable = world.committed, world.durable()
    rows, outputs, latest_time = world.expected(end)
    assert (rows, end - 1, latest_time) == (durable.rows, durable.head.mark, durable.head.latest_time)
    world.check_outputs()
    assert outputs <= set(world.outputs)
    assert set(world.outputs) <= world.expected(end + 100)[1], "a repeat is equal to the first"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "work",
                "work",
                "work",
                "checkpoint",
                "both",
                "commit",
                "crash soon",
                "crash in a checkpoint",
                "rebalance",
                "orderly rebalance",
                "hand over",
            ]
        ),
        st.integers(0, 100),
    ),
    max_size=25,
)


def played(seed: int, steps: Sequence[tuple[str, int]], most_bytes: int = 10**6, *, atomic: bool = False) -> None:
    world = World(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "reader", world.kafka.reader)
        if atomic:
            patch.setattr(journal, "LARGEST", 0)  # every write is one in pieces
        else:
            patch.setattr(changelog, "PRODUCE_BYTES", 60)  # the head row, or two other rows
        asyncio.run(play(world, steps, most_bytes, atomic=atomic))


@given(st.integers(0, 10**6), STEPS, st.sampled_from([0, 250, 10**6]), st.booleans())
def test_whatever_fails_the_state_and_the_outputs_are_those_without_faults(
    seed: int, steps: list[tuple[str, int]], most_bytes: int, atomic: bool
) -> None:
    played(seed, steps, most_bytes, atomic=atomic)


async def _head_first(self: DurableTable, partition: int, records: list[Any]) -> None:
    await _append(self, partition, sorted(records, key=lambda record: record[0] != HEAD_KEY))


def _not_taken_back(self: Unsaved) -> dict[bytes, bytes | None]:
    return {key: self._state.rows.get(key) for key in self._durable_rows}


def _kept(*_: Any) -> None:
    """Keep the next offset."""


async def _unordered(self: Lane, partition: int) -> None:
    if (unsaved := self.table.unsaved(partition)) is not None:
        unsaved.outputs.reverse()
    await _send_unsaved(self, partition)


async def _rows_first(self: Lane, batch: Any) -> None:
    """Write the rows without the outputs that wait, and send these afterwards."""
    unsaved = self.table.unsaved(0)
    outputs = [] if unsaved is None else list(unsaved.outputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lane, "_send_unsaved", _none_sent)
        await _write_checkpoint(self, batch)
    await self._send(outputs, 0)


async def _none_sent(*_: Any) -> None:
    """Send nothing."""


async def _as_if_sent(self: Lane, partition: int) -> None:
    """Send what waits, and forget also what a batch has left meanwhile."""
    unsaved = self.table.unsaved(partition)
    await _send_unsaved(self, partition)
    if unsaved is not None:
        unsaved.outputs.clear()


_send_unsaved: Any = Lane._send_unsaved
_write_checkpoint: Any = Lane.write_checkpoint
_append: Any = DurableTable._append
#: Wrong versions: what is replaced, by what, and steps that show it.
WRONG: dict[str, tuple[Any, str, Any, list[tuple[str, int]]]] = {
    "changes are not taken back": (
        *(Unsaved, "take_back", _not_taken_back),
        [("work", 2), ("work", 2), ("rebalance", 0)],
    ),
    "the next offset is committed": (
        *(OrderedConsumer, "_new_offset", lambda self, tp: self._next.get(tp)),
        [("work", 2), ("commit", 0)],
    ),
    "the head row comes first": (
        *(DurableTable, "_append", _head_first),
        [*[("work", 2)] * 3, ("crash in a checkpoint", 2)],
    ),
    "outputs that wait are not in order": (
        *(Lane, "_send_unsaved", _unordered),
        [("work", 2), ("work", 2), ("checkpoint", 0)],
    ),
    "outputs that come while others are sent are forgotten": (
        *(Lane, "_send_unsaved", _as_if_sent),
        [("work", 2), ("both", 2), ("checkpoint", 0)],
    ),
    "outputs that wait are sent after the rows": (
        *(Lane, "write_checkpoint", _rows_first),
        [("work", 2), ("work", 2), ("crash in a checkpoint", 1)],
    ),
    "the next offset is kept after a checkpoint that has failed": (
        *(OrderedConsumer, "undecided", _kept),
        [("work", 2), ("work", 2), ("hand over", 2)],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_version_is_found(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    owner, name, replacement, steps = WRONG[wrong]
    played(1, steps)
    monkeypatch.setattr(owner, name, replacement)
    with pytest.raises(AssertionError):
        played(1, steps)
