"""The one principle: outputs, then state, then offset. `Lane.run` processes every batch of every agent in this order.

After a crash at any point, the batch is replayed from the old state, with the same decisions and the same ids:

- Before the outputs are acknowledged, some of them may be on their topics. All of them are sent again.
- After that, and before the rows are acknowledged, all outputs are sent again as well. Receivers recognise repeated
  outputs by their ids. The rows may wait for a checkpoint, which writes those of several batches (checkpoint.py), and
  outputs may wait with them. Then all of these batches are replayed.
- If some of the rows are on the changelog, the row of each customer or segment says up to which offset its records are
  decided, and only later records are decided again. (Of an atomic table either all rows of a write are there, or no
  row: journal.py.)
- If all rows are there, and the offset is not committed, the head row says that the batch is done, and nothing is done
  twice.
"""

import asyncio
import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, aclosing, nullcontext
from functools import partial
from random import uniform
from time import monotonic
from typing import NamedTuple, cast

import msgspec
from aiokafka import ConsumerRecord
from faust.types import Message

from worker.flow.batch import Decided, Output, Record
from worker.kafka import journal, reading
from worker.kafka.rows import Head, PartitionState
from worker.settings import KafkaSettings
from worker.streams import sending
from worker.streams.checkpoint import Checkpoint, Checkpoints
from worker.streams.fetching import FETCH_BYTES
from worker.streams.lease import lease_holds
from worker.streams.observer import ShellObserver, Spent, TableObserver
from worker.streams.ordered import Fetched, OrderedConsumer
from worker.streams.refusals import Refusals
from worker.streams.sending import Acknowledged, Sendable, Sender
from worker.streams.store import Rows, size_of
from worker.streams.table import DurableTable
from worker.streams.turns import Turns

#: A pause is longer or shorter than its pace says, by up to this share.
_JITTER = 0.25

#: Decides about records of a partition, given the number of the partition and its state.
Decide = Callable[[list[Record], int, PartitionState], Decided]


class View(NamedTuple):
    """A compacted topic that publishes the rows of a table. It has a partition for each partition of the table.

    The latest record of a key is the one that receivers read. If a zombie wrote it, it would stay until the row changes
    again. So the head row says where the view should end. When a worker takes a partition over, it publishes the
    current row of every key that has a record beyond that offset.
    """

    topic: str
    #: Returns the output for a key and its row; the row is None if there is no row with this key.
    output_of: Callable[[bytes, bytes | None], Output]


class Pace(NamedTuple):
    """How long a partition's next batch is delayed, so that a row which many records change is written once for them.

    There is no delay while more records wait than one batch can take.
    """

    #: The delay while no other partition has a batch in flight, in seconds. It is also the shortest one.
    seconds: float
    #: The largest share of the time that deciding may take while there is other work.
    share: float
    #: The longest delay while there is other work, in seconds.
    longest: float

    def while_busy(self, deciding_seconds: float) -> float:
        """Return the delay in seconds while there is other work, after a batch whose decision took this time."""
        return min(max(self.seconds, deciding_seconds / self.share), self.longest)


class Lane(NamedTuple):
    """How the batches of one topic are processed: what decides them, and which table holds their state.

    A table belongs to one lane. If two lanes wrote to it, their topics could be read in another order after a crash,
    and a batch would be decided a second time on different rows.
    """

    #: Returns the consumer, which Faust makes only after the agents are declared.
    consumer: Callable[[], OrderedConsumer]
    kafka: KafkaSettings
    sender: Sender
    table: DurableTable
    decide: Decide
    #: Returns the full name of an output's topic.
    topic_name: Callable[[str], str]
    #: Begins this lane's checkpoints, with those of other lanes.
    checkpoints: Checkpoints
    #: Orders the decisions of this lane and of others.
    turns: Turns
    #: How long rows may wait for a checkpoint; None if they are written with each batch.
    checkpoint: Checkpoint | None = None
    view: View | None = None
    pace: Pace | None = None
    refusals: Refusals = Refusals()
    observer: ShellObserver | None = None

    async def run(self, message: Message) -> None:
        """Process one batch: decide it, send its outputs, write its rows, and let its offset be committed.

        The last two may be left to a checkpoint. Raise StateNotDurable if the broker does not acknowledge.
        """
        batch: Fetched = message.value  # type: ignore[assignment]
        partition, consumer, spent = batch.tp.partition, self.consumer(), Spent()
        try:
            with self._in_flight():
                async with self.table.lock(partition):
                    await self._run(batch, partition, consumer, spent)
        finally:
            consumer.release(message)

    def _in_flight(self) -> AbstractContextManager[None]:
        return self.turns.urgent() if self.pace is None else nullcontext()

    async def _decide(self, work: Callable[[], Decided], spent: Spent, *, is_slice: bool = False) -> Decided:
        """Return what `work` decides. A lane with a pace waits for its turn."""
        async with nullcontext() if self.pace is None else self.turns.background(is_slice=is_slice):
            began = monotonic()
            decided = work()
            spent.deciding += monotonic() - began
            return decided

    async def _run(self, batch: Fetched, partition: int, consumer: OrderedConsumer, spent: Spent) -> None:
        due = consumer.admit(batch)
        if not due:
            return
        state = self.table.state_of(partition)
        head = state.head
        records = [record for record in _rebased(due, head.base) if record.offset > head.mark]
        decided = await self._decide(lambda: self.decide(records, partition, state), spent)
        self.refusals.note(decided.outputs)
        if self.pace is not None and not self._has_backlog(batch):
            # Without jitter, partitions whose batches came at the same time would keep doing so, and delay other work.
            factor = uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - nothing secret
            consumer.delay(batch.tp, self.pace.seconds, factor * self.pace.while_busy(spent.deciding))
        while await self._is_ours(batch, consumer):
            if decided.rest is not None and not decided.outputs and not decided.rows:
                # This slice of the work has no effect yet. Other tasks have their turn before the next slice.
                await asyncio.sleep(0)
                decided = await self._decide(decided.rest, spent, is_slice=True)
                continue
            waits = self._may_wait(decided, partition)
            outputs, waiting = self._parted(decided.outputs, waits=waits)
            with spent.while_sending():
                sent = await self._send_now(outputs, partition, rows_follow=not waits)
            if not await self._is_ours(batch, consumer):
                return
            head = state.head
            head = msgspec.structs.replace(
                # The mark moves only with the last part of a batch: after a crash the whole batch is read again.
                _head_after(head, due[-1]) if decided.rest is None else head,
                rerouted={**head.rerouted, **decided.rerouted},
                view_end=self._view_end(sent, partition, head),
                latest_time=max(head.latest_time, decided.latest_time),
            )
            if waits:
                self.table.change(partition, decided.rows, head, waiting)
                self._plan_checkpoint(batch)
            elif not await self._write(batch, decided.rows, head, consumer, spent):
                return
            if decided.rest is None:
                consumer.decided(batch)
                if not waits:
                    consumer.done(batch)
                self._note_batch(batch, due, spent)
                return
            decided = await self._decide(decided.rest, spent)

    def _note_batch(self, batch: Fetched, records: list[Record], spent: Spent) -> None:
        if self.observer is not None:
            self.observer.on_batch(batch.tp.topic, records, spent)

    def _may_wait(self, decided: Decided, partition: int) -> bool:
        """Say whether rows may be changed in memory, and wait for the partition's next checkpoint to be written."""
        if self.checkpoint is None:
            return False
        outputs = sum(size_of(output) for output in decided.outputs if output.topic in self.checkpoint.outputs)
        size = journal.total_size(decided.rows) + outputs + self.table.unsaved_size(partition)
        return size <= self.checkpoint.most_bytes

    def _parted(self, outputs: list[Output], *, waits: bool) -> tuple[list[Output], list[Output]]:
        """Return which outputs are sent now, and which are sent with the partition's next checkpoint."""
        if not waits or self.checkpoint is None:
            return outputs, []
        later = self.checkpoint.outputs
        return [each for each in outputs if each.topic not in later], [each for each in outputs if each.topic in later]

    async def _send_now(
        self, outputs: list[Output], partition: int, *, rows_follow: bool
    ) -> dict[sending.Place, list[Acknowledged]]:
        """Send outputs that do not wait. If rows follow at once, what earlier batches have left is sent before.

        Checkpoints of other partitions go along.
        """
        if outputs or rows_follow:
            self.checkpoints.go_along()
        if rows_follow:
            await self._send_unsaved(partition)
        return await self._send(outputs, partition)

    def _plan_checkpoint(self, batch: Fetched) -> None:
        assert self.checkpoint is not None
        write, is_busy = partial(self.write_checkpoint, batch), self.table.lock(batch.tp.partition).locked
        self.checkpoints.plan(batch.tp, self.checkpoint, write, is_busy)

    async def _send_unsaved(self, partition: int) -> None:
        """Send the outputs of a partition that wait. Each of them is sent once, and they stay in their order."""
        if self.checkpoint is None:
            return
        async with self.table.sending_lock(partition):
            unsaved = self.table.unsaved(partition)
            if unsaved is not None and unsaved.outputs:
                outputs = list(unsaved.outputs)
                await self._send(outputs, partition)
                # If the changes were taken back meanwhile, nobody has this object any more.
                unsaved.note_sent(len(outputs))

    async def write_checkpoint(self, batch: Fetched) -> None:
        """Send the outputs of a partition that wait, write its rows, and let the offsets of their batches be committed.

        `batch`: the last of these batches. Raise StateNotDurable if the broker does not acknowledge.

        Most outputs are sent before the lock is taken, so that a batch with an alert need not wait for them. Under the
        lock, those follow that such a batch has left.
        """
        partition, consumer, spent = batch.tp.partition, self.consumer(), Spent()
        if self.table.has_unsaved(partition):
            if not await self._is_ours(batch, consumer):
                return
            with spent.while_sending():
                await self._send_unsaved(partition)
        async with self.table.lock(partition):
            if not self.table.has_unsaved(partition) or not await self._is_ours(batch, consumer):
                return
            with spent.while_sending():
                await self._send_unsaved(partition)
            if not await self._is_ours(batch, consumer):
                return
            if not await self._write(batch, {}, self.table.state_of(partition).head, consumer, spent):
                return
            consumer.done(batch)
        if self.observer is not None:
            self.observer.on_checkpoint(batch.tp.topic, spent.sending)

    async def _write(self, batch: Fetched, rows: Rows, head: Head, consumer: OrderedConsumer, spent: Spent) -> bool:
        """Write rows, and those that wait for a checkpoint. Return False if the partition was lost meanwhile.

        In that case, and if an error is raised, the batches whose rows waited have to be decided again.
        """
        is_durable = False
        try:
            is_held = partial(consumer.holds, batch.generation)
            with spent.while_sending():
                is_durable = await self.table.write(batch.tp.partition, rows, head, is_held)
        finally:
            if not is_durable:
                consumer.undecided(batch)
        return is_durable

    async def restate_view(self, partitions: Collection[int]) -> None:
        """Publish the current rows of keys that another worker may have written to the view of these partitions.

        This worker has just taken the partitions over.
        """
        assert self.view is not None
        topic = self.topic_name(self.view.topic)
        async with reading.reader(self.kafka) as reader:
            ends = await reader.ends(topic, partitions)
            heads = {partition: self.table.state_of(partition).head for partition in partitions}
            spans = {partition: (head.view_end, ends[partition]) for partition, head in heads.items()}
            keys: dict[int, set[bytes]] = defaultdict(set)
            async with aclosing(reader.read(topic, spans)) as chunks:
                async for records in chunks:
                    for record in records:
                        keys[record.partition].add(record.key or b"")
        for partition, written in keys.items():
            state, head = self.table.state_of(partition), heads[partition]
            if head.mark < 0:
                # Nothing was ever decided here, or the changelog was lost. Then the view is all that is left.
                continue
            outputs = [self.view.output_of(key, state.rows.get(key)) for key in sorted(written)]
            sent = await self._send(outputs, partition)
            end = self._view_end(sent, partition, Head(view_end=ends[partition]))
            state.head = msgspec.structs.replace(head, view_end=end)

    def _view_end(self, sent: dict[sending.Place, list[Acknowledged]], partition: int, head: Head) -> int:
        acknowledged = sent.get((self.topic_name(self.view.topic), partition)) if self.view is not None else None
        return max(head.view_end, acknowledged[-1].first + acknowledged[-1].records) if acknowledged else head.view_end

    def _has_backlog(self, batch: Fetched) -> bool:
        """Say whether more records waited than a batch can take.

        A fetch brings whole produce batches, as many as fit. So a batch that holds more than half of a fetch's largest
        size counts as full.
        """
        size = sum(len(record.value or b"") for record in batch.records)
        return batch.more and (size > FETCH_BYTES / 2 or len(batch.records) >= self.kafka.batch_records)

    async def _is_ours(self, batch: Fetched, consumer: OrderedConsumer) -> bool:
        is_ours = await lease_holds(consumer, batch.generation, self.kafka.session_timeout_seconds)
        if not is_ours:
            self.table.usage.refusals += 1
        return is_ours

    async def _send(self, outputs: list[Output], partition: int) -> dict[sending.Place, list[Acknowledged]]:
        by_place: dict[tuple[str, int], list[Sendable]] = defaultdict(list)
        for output in outputs:
            place = output.topic, partition if output.partition is None else output.partition
            by_place[place].append((output.key, output.value, output.headers, output.timestamp))
        return await self.sender.send(
            (self.topic_name(topic), to, records) for (topic, to), records in by_place.items()
        )


class ViewRestater(TableObserver):
    """Lets a lane restate its view of the partitions that are taken over."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def restate(self, partitions: Collection[int]) -> None:
        """Let the lane restate its view of these partitions."""
        await self._lane.restate_view(partitions)


def _rebased(records: list[Record], base: int) -> list[Record]:
    """Return the records with the offsets of the rows, which go on if the topic is created again (Head.base)."""
    if not base:
        return records
    return [dataclasses.replace(cast(ConsumerRecord, record), offset=record.offset + base) for record in records]


def _head_after(head: Head, last: Record) -> Head:
    """Return the head row after a batch. `last` is the batch's last record."""
    mark = last.offset + head.base
    return head if mark <= head.mark else msgspec.structs.replace(head, mark=mark, marked_at=last.timestamp)
