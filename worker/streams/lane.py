"""The one principle: outputs, then state, then offset. Every batch of every agent goes down `run`.

A crash anywhere replays the batch, from the old state, with the same decisions and the same ids:

- before the outputs are acknowledged: some of them may be on their topics; all are sent again;
- after that, before the rows are acknowledged: all outputs are sent again; receivers drop what they have by its id;
- when some of the rows are on the changelog: the row of a customer or segment says up to which offset it stands, and
  the rest is decided again (rows of an atomic table are all there, or none is: journal.py);
- when all rows are there and the offset is not committed: the head row says so, and nothing is done twice.
"""

import asyncio
import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import aclosing
from functools import partial
from random import uniform
from time import monotonic
from typing import NamedTuple, cast

import msgspec
from aiokafka import ConsumerRecord
from faust.types import Message

from worker.flow.batch import Decided, Output, Record
from worker.kafka import reading
from worker.kafka.rows import Head, Partition
from worker.settings import KafkaSettings
from worker.streams import sending
from worker.streams.faust_app import FETCH_BYTES
from worker.streams.lease import lease_holds
from worker.streams.observer import TableObserver
from worker.streams.ordered import Fetched, OrderedConsumer
from worker.streams.refusals import Refusals
from worker.streams.sending import Acknowledged, Sendable, Sender
from worker.streams.table import DurableTable

#: The share by which a rest may be shorter or longer than its pace says.
_APART = 0.25

#: Decide records of a partition, given its number and its rows.
Decide = Callable[[list[Record], int, Partition], Decided]


class View(NamedTuple):
    """A compacted topic that shows a table's rows to the world, partition by partition.

    `stated` makes the output for a key and its row, or None where there is no row. Its latest record of a key is what
    receivers go by; a zombie's late one would stay until the next. So the head row says where the view should end, and
    whoever takes the partition over states anew what lies beyond.
    """

    topic: str
    stated: Callable[[bytes, bytes | None], Output]


class Pace(NamedTuple):
    """How soon a partition's next batch comes: after `seconds`; while there is other work, after `longest` at most.

    That is so long that deciding takes no more than a `share` of the time. A row that many records change is then
    written once for them. Where more wait than one batch can take, it goes on at once.
    """

    seconds: float
    share: float
    longest: float

    def while_busy(self, spent: float) -> float:
        """Return how long to rest, while there is other work, after a batch whose deciding took so many seconds."""
        return min(max(self.seconds, spent / self.share), self.longest)


class Lane(NamedTuple):
    """Where the batches of one topic go: how they are decided, and which table their state is in.

    `consumer` is looked up at use, since Faust makes it after the agents are declared; `topic_name` gives an output's
    full topic. A table belongs to one lane: were there two, a crash could let them be read in another order than
    before, and a batch be decided twice, on different rows.
    """

    consumer: Callable[[], OrderedConsumer]
    kafka: KafkaSettings
    sender: Sender
    table: DurableTable
    decide: Decide
    topic_name: Callable[[str], str]
    view: View | None = None
    pace: Pace | None = None
    refusals: Refusals = Refusals()

    async def run(self, message: Message) -> None:
        """Take one batch all the way: decide it, send its outputs, write its rows, and let its offset be committed.

        Raise StateNotDurable if the broker does not acknowledge.
        """
        batch: Fetched = message.value  # type: ignore[assignment]
        partition, consumer = batch.tp.partition, self.consumer()
        try:
            async with self.table.lock(partition):
                await self._run(batch, partition, consumer)
        finally:
            consumer.release(message)

    async def _run(self, batch: Fetched, partition: int, consumer: OrderedConsumer) -> None:
        began = monotonic()
        due = consumer.admit(batch)
        if not due:
            return
        state = self.table.partition(partition)
        head = state.head
        records = [record for record in _rebased(due, head.base) if record.offset > head.mark]
        decided = self.decide(records, partition, state)
        self.refusals.note(decided.outputs)
        if self.pace is not None and not self._is_full(batch):
            # Partitions that came at the same time would go on doing so, and hold the others up together.
            apart = uniform(1 - _APART, 1 + _APART)  # noqa: S311 - nothing secret
            consumer.rest(batch.tp, apart * self.pace.seconds, apart * self.pace.while_busy(monotonic() - began))
        while await self._is_ours(batch, consumer):
            if decided.rest is not None and not decided.outputs and not decided.rows:
                # A slice of the work that causes nothing yet: others have their turn before the next one.
                await asyncio.sleep(0)
                decided = decided.rest()
                continue
            sent = await self._send(decided.outputs, partition)
            if not await self._is_ours(batch, consumer):
                return
            head = state.head
            head = msgspec.structs.replace(
                # With a part of a batch only the rows change: after a crash the batch is read again from its beginning.
                _marked(head, due[-1]) if decided.rest is None else head,
                rerouted={**head.rerouted, **decided.rerouted},
                view_end=self._view_end(sent, partition, head),
                latest_time=max(head.latest_time, decided.latest_time),
            )
            if not await self.table.write(partition, decided.rows, head, partial(consumer.holds, batch.generation)):
                return
            if decided.rest is None:
                consumer.done(batch)
                return
            decided = decided.rest()

    async def restate_view(self, partitions: Collection[int]) -> None:
        """Put right what somebody else may have written into the view of partitions that were just taken over."""
        assert self.view is not None
        topic = self.topic_name(self.view.topic)
        async with reading.reader(self.kafka) as reader:
            ends = await reader.ends(topic, partitions)
            heads = {partition: self.table.partition(partition).head for partition in partitions}
            spans = {partition: (head.view_end, ends[partition]) for partition, head in heads.items()}
            keys: dict[int, set[bytes]] = defaultdict(set)
            async with aclosing(reader.read(topic, spans)) as pieces:
                async for records in pieces:
                    for record in records:
                        keys[record.partition].add(record.key or b"")
        for partition, written in keys.items():
            state, head = self.table.partition(partition), heads[partition]
            if head.mark < 0:
                continue  # nothing was counted here, or the changelog was lost: what is shown is all that there is
            sent = await self._send([self.view.stated(key, state.rows.get(key)) for key in sorted(written)], partition)
            end = self._view_end(sent, partition, Head(view_end=ends[partition]))
            state.head = msgspec.structs.replace(head, view_end=end)

    def _view_end(self, sent: dict[sending.Place, list[Acknowledged]], partition: int, head: Head) -> int:
        acknowledged = sent.get((self.topic_name(self.view.topic), partition)) if self.view is not None else None
        return max(head.view_end, acknowledged[-1].first + acknowledged[-1].records) if acknowledged else head.view_end

    def _is_full(self, batch: Fetched) -> bool:
        """Say whether more waited than a batch can take. A fetch brings whole produce batches, as many as fit."""
        size = sum(len(record.value or b"") for record in batch.records)
        return batch.more and (size > FETCH_BYTES / 2 or len(batch.records) >= self.kafka.batch_records)

    async def _is_ours(self, batch: Fetched, consumer: OrderedConsumer) -> bool:
        return await lease_holds(consumer, batch.generation, self.kafka.session_timeout_seconds)

    async def _send(self, outputs: list[Output], partition: int) -> dict[sending.Place, list[Acknowledged]]:
        by_place: dict[tuple[str, int], list[Sendable]] = defaultdict(list)
        for output in outputs:
            place = output.topic, partition if output.partition is None else output.partition
            by_place[place].append((output.key, output.value, output.headers, output.timestamp))
        return await self.sender.send(
            (self.topic_name(topic), to, records) for (topic, to), records in by_place.items()
        )


class RestatesView(TableObserver):
    """Has a lane restate its view of the partitions that are taken over."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def restate(self, partitions: Collection[int]) -> None:
        """Put the view right."""
        await self._lane.restate_view(partitions)


def _rebased(records: list[Record], base: int) -> list[Record]:
    """Return records with the offsets that the core knows them by (Head.base)."""
    if not base:
        return records
    return [dataclasses.replace(cast(ConsumerRecord, record), offset=record.offset + base) for record in records]


def _marked(head: Head, last: Record) -> Head:
    """Return the head after a batch whose last record this is."""
    mark = last.offset + head.base
    return head if mark <= head.mark else msgspec.structs.replace(head, mark=mark, marked_at=last.timestamp)
