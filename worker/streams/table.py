"""Durable tables: a Faust table whose rows are acknowledged by the changelog before anything rests on them.

`Table.__setitem__` queues the changelog record, and the commit's flush gives up after 0.1 s without progress, so an
offset can be committed before its state is durable. Here the only way to write is `write()`, which returns once the
broker has acknowledged. Faust declares the changelog and assigns its partitions; recovery.py has it read.

A changelog partition has one writer, who therefore knows at which offset the next record will lie. If it lies
elsewhere, somebody else has written (a zombie, see rows.py): what it wrote over is written again. If it lies *before*,
the changelog was deleted or cut back, and the worker stops.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Any, cast

import msgspec
from aiokafka.errors import KafkaError
from faust import Table
from faust.stores.memory import Store
from faust.types import TP

from worker.errors import StateLost, StateNotDurable
from worker.kafka import journal, reading
from worker.kafka.rows import HEAD_KEY, Fence, Head, Logged, Partition
from worker.settings import KafkaSettings
from worker.streams.lease import lease_confirmed, lease_holds
from worker.streams.observer import TableObserver
from worker.streams.ordered import OrderedConsumer
from worker.streams.progress import Progress
from worker.streams.sending import Sender

log = logging.getLogger(__name__)

#: Between attempts to read the changelog from a Kafka that is away, in seconds.
_RETRY_SECONDS = 1.0


class PartitionedStore(Store[bytes, bytes]):
    """Rows in memory, by partition: a partition that moves away takes all of its rows with it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.partitions: dict[int, Partition] = {}

    def partition(self, partition: int) -> Partition:
        """Return a partition's rows."""
        found = self.partitions.get(partition)
        if found is None:
            found = self.partitions[partition] = Partition()
        return found

    def keep(self, partitions: Collection[int]) -> None:
        """Forget all other partitions."""
        self.partitions = {partition: found for partition, found in self.partitions.items() if partition in partitions}

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Nothing: `DurableTable.recover` does it."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Nothing, likewise."""


class _OvertakenError(Exception):
    """The partition has an owner later than this worker."""


class DurableTable(Table[bytes, bytes]):
    """A table of encoded rows; with `atomic`, either all rows of a write are there, or none is."""

    def __init__(
        self,
        *args: Any,
        kafka: KafkaSettings,
        sender: Sender,
        atomic: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, key_type=bytes, value_type=bytes, **kwargs)
        self._kafka = kafka
        self._atomic = atomic
        self._sender = sender
        self._locks: dict[int, asyncio.Lock] = {}
        self._observers: list[TableObserver] = []

    def observe(self, observer: TableObserver) -> None:
        """Let an observer hear of the rows. It is passed before the worker starts."""
        self._observers.append(observer)

    async def give_up(self) -> None:
        """Have the observers finish what they have in hand, before partitions go to other workers."""
        for observer in self._observers:
            await observer.on_giving_up()

    def _new_store(self) -> PartitionedStore:
        return PartitionedStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    def partition(self, partition: int) -> Partition:
        """Return a partition's rows, for reading."""
        return cast(PartitionedStore, self.data).partition(partition)

    def lock(self, partition: int) -> asyncio.Lock:
        """Return the lock under which a partition's rows are read, decided upon and written."""
        return self._locks.setdefault(partition, asyncio.Lock())

    async def write(
        self, partition: int, rows: Mapping[bytes, bytes | None], head: Head, still_held: Callable[[], bool]
    ) -> bool:
        """Make rows durable (None erases) with the head they stand for, then take them over.

        Erasures go last, with the head row, once the other rows are acknowledged: if they are there, the mark is, and
        if it is not, the rows still are. Return False, without taking over, if the partition was lost meanwhile: the
        batch will be read again from the committed offset. Raise StateNotDurable if the broker does not acknowledge,
        StateLost if the changelog is not what it was.
        """
        try:
            if not await self._log(partition, rows, head, still_held):
                return False
        except _OvertakenError:
            return False
        for observer in self._observers:
            observer.on_rows(partition, rows)
        return True

    async def _log(
        self, partition: int, rows: Mapping[bytes, bytes | None], head: Head, still_held: Callable[[], bool]
    ) -> bool:
        if not self._atomic or journal.fits(rows):
            return await self._log_rows(partition, rows, head, still_held)
        pieces: dict[bytes, bytes] = {}
        for key, piece in journal.pieces(rows):
            pieces[key] = piece
            await asyncio.sleep(0)  # others have their turn: there may be hundreds of megabytes
        written_down = msgspec.structs.replace(head, pieces=len(pieces))
        if not await self._log_rows(partition, pieces, written_down, still_held, in_portions=True):
            return False
        if not await self._log_rows(partition, rows, head, still_held, in_portions=True):
            return False
        await self._erase_pieces(partition, pieces)
        return True

    async def _log_rows(
        self,
        partition: int,
        rows: Mapping[bytes, bytes | None],
        head: Head,
        still_held: Callable[[], bool],
        *,
        in_portions: bool = False,
    ) -> bool:
        """Write rows, and then the head row; `in_portions`: not as one produce batch, since a journal has them all."""
        state = self.partition(partition)
        before = state.end
        if in_portions:
            for portion in journal.portions(rows):
                kept = [state.logged(key, row) for key, row in portion.items() if row is not None]
                if kept:
                    await self._append(partition, kept)
        kept = [] if in_portions else [state.logged(key, row) for key, row in rows.items() if row is not None]
        erased = [state.logged(key, None) for key, row in rows.items() if row is None and key in state.rows]
        if erased and kept and not self._atomic:
            await self._append(partition, kept)
            kept = []
        await self._append(partition, [*kept, *erased, state.logged_head(head)])
        if not still_held():
            state.end = before  # should this worker have it again, what was written here is read like others'
            return False
        for key, row in rows.items():
            if row is None:
                state.rows.pop(key, None)
            else:
                state.rows[key] = row
        state.head = head
        await self._write_anew(partition)
        return True

    async def _erase_pieces(self, partition: int, keys: Collection[bytes]) -> None:
        state = self.partition(partition)
        for key in keys:
            del state.rows[key]
        if keys:
            await self._append(partition, [state.logged(key, None) for key in keys])

    async def _finish(self, partition: int) -> None:
        """Go on with a write that the last owner put down in pieces, and erase those that were not all there."""
        state = self.partition(partition)
        if count := state.head.pieces:
            try:
                rows = journal.joined(state.rows, count)
            except KeyError:
                raise self._lost(partition) from None
            await self._log_rows(partition, rows, msgspec.structs.replace(state.head, pieces=0), lambda: True)
        await self._erase_pieces(partition, journal.keys(state.rows))

    async def recover(self, partitions: Collection[int], generation: int) -> bool:
        """Bring these partitions up to date and take them over; forget all others.

        Return False if they are somebody else's by now, or may soon be, since the group settles again. Raise
        StateNotDurable if Kafka cannot be read, StateLost if the changelog is not what it was.
        """
        rebalance = self.app.rebalancing_count
        cast(PartitionedStore, self.data).keep(partitions)
        async with AsyncExitStack() as stack:
            for partition in sorted(partitions):
                await stack.enter_async_context(self.lock(partition))
            await self._patiently(partial(self._read_on, partitions))
            for partition in sorted(partitions):
                if not await self._take_over(partition, generation):
                    return False
            for observer in self._observers:
                await self._patiently(partial(observer.restate, partitions))
        if self.app.rebalancing_count != rebalance:
            return False
        for observer in self._observers:
            for partition in sorted(partitions):
                observer.on_rows(partition, self.partition(partition).rows)
            observer.on_taken_over()
        return True

    async def _patiently(self, reading: Callable[[], Awaitable[None]]) -> None:
        """Read, and read on when Kafka is back; each partition knows how far it is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._kafka.patience_seconds
        while True:
            try:
                return await reading()
            except KafkaError as error:
                if loop.time() > deadline:
                    why = (
                        f"{self.changelog_topic.get_topic_name()}: the changelog cannot be read: {type(error).__name__}"
                    )
                    raise StateNotDurable(why) from error
            await asyncio.sleep(_RETRY_SECONDS)

    async def _read_on(self, partitions: Collection[int]) -> None:
        """Read the changelog to its end, from where each partition has been read, or written, before."""
        async with reading.reader(self._kafka) as reader:
            ends = await reader.ends(self.changelog_topic.get_topic_name(), partitions)
            for partition, end in ends.items():
                if end < self.partition(partition).end:
                    raise self._lost(partition)
            await self._apply(reader, ends)

    async def _read_up_to(self, partition: int, end: int) -> None:
        async with reading.reader(self._kafka) as reader:
            await self._apply(reader, {partition: end})

    async def _apply(self, reader: reading.Reader, ends: Mapping[int, int]) -> None:
        spans = {partition: (self.partition(partition).end, end) for partition, end in ends.items()}
        progress = Progress(self.name, sum(end - first for first, end in spans.values()))
        async with aclosing(reader.read(self.changelog_topic.get_topic_name(), spans)) as pieces:
            async for records in pieces:
                for record in records:
                    headers = list(record.headers)
                    self.partition(record.partition).apply(record.offset, record.key or b"", record.value, headers)
                progress.count(len(records))

    async def _take_over(self, partition: int, generation: int) -> bool:
        """Raise the fence, take in what the last owner wrote until then, and put right what a zombie wrote over."""
        state = self.partition(partition)
        if state.head.rebuilding:
            topic = self.changelog_topic.get_topic_name()
            raise StateLost(
                f"{topic}, partition {partition}: a rebuild has begun and is not finished. Stop every worker and run "
                "this command again: python -m worker rebuild"
            )
        try:
            if not await self._raise_fence(partition, generation):
                return False
            if self._atomic:
                await self._finish(partition)
            for observer in self._observers:
                for key in list(observer.superfluous(state.rows)):
                    del state.rows[key]
                    state.stale.add(key)
            await self._write_anew(partition)
        except _OvertakenError:
            return False
        return True

    async def _raise_fence(self, partition: int, generation: int) -> bool:
        """Write a head row under the new ownership. What lies before it on the log counts as it is read."""
        state = self.partition(partition)
        fence = await self._fence_after(state.fence, generation)
        if fence is None:
            return False
        head, state.own = state.head, fence
        await self._append(partition, [state.logged_head(head)])
        state.fence = fence
        if state.head != head:
            state.stale.add(HEAD_KEY)
        return True

    async def _fence_after(self, last: Fence, generation: int) -> Fence | None:
        consumer = cast(OrderedConsumer, self.app.consumer)
        if not await lease_holds(consumer, generation, self._kafka.session_timeout_seconds):
            return None
        if generation >= last.generation:
            return Fence(last.era, generation)
        # Somebody of a later generation was here: this worker is a zombie, or the group has begun anew.
        return Fence(last.era + 1, generation) if await lease_confirmed(consumer, generation) else None

    async def _write_anew(self, partition: int) -> None:
        """Write what this partition has under the keys whose last record on the log is a zombie's."""
        state = self.partition(partition)
        while stale := sorted(state.stale):
            state.stale.clear()
            log.warning(
                "%s, partition %d: %d rows are written again, since a worker that had lost this partition wrote "
                "over them",
                self.name,
                partition,
                len(stale),
            )
            await self._append(partition, [state.logged_again(key) for key in stale])

    async def _append(self, partition: int, records: list[Logged]) -> None:
        """Write to the changelog, and take in what somebody else wrote there since this worker last looked.

        Until its fence is there that may be the last owner; from then on it is a zombie, and the keys it wrote are
        stale. Raise _OvertakenError if it is somebody of a later ownership.
        """
        topic, state = self.changelog_topic.get_topic_name(), self.partition(partition)
        if state.is_overtaken:
            raise _OvertakenError
        sent = await self._sender.send([(topic, partition, [(*record, None) for record in records])])
        for first, count in sent[topic, partition]:
            if first < 0:
                continue  # the broker did not say where; the next one tells
            if first < state.end:
                raise self._lost(partition)
            if first > state.end:
                await self._patiently(partial(self._read_up_to, partition, first))
            if state.is_overtaken:
                raise _OvertakenError  # what was written here is stale, and read as such
            state.end = first + count
        state.stale -= {key for key, _, _ in records}

    def _lost(self, partition: int) -> StateLost:
        topic, end = self.changelog_topic.get_topic_name(), self.partition(partition).end
        return StateLost(
            f"{topic}, partition {partition}: the changelog was deleted or cut back; it ended at offset {end}. Restore "
            f"it, or stop every worker and run: python -m worker rebuild --table {self.name}"
        )
