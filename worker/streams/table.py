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

    def partition(self, number: int) -> Partition:
        """Return a partition's rows."""
        found = self.partitions.get(number)
        if found is None:
            found = self.partitions[number] = Partition()
        return found

    def keep(self, numbers: Collection[int]) -> None:
        """Forget all other partitions."""
        self.partitions = {number: found for number, found in self.partitions.items() if number in numbers}

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

    def _new_store(self) -> PartitionedStore:
        return PartitionedStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    def partition(self, number: int) -> Partition:
        """Return a partition's rows, for reading."""
        return cast(PartitionedStore, self.data).partition(number)

    def lock(self, number: int) -> asyncio.Lock:
        """Return the lock under which a partition's rows are read, decided upon and written."""
        return self._locks.setdefault(number, asyncio.Lock())

    async def write(
        self, number: int, rows: Mapping[bytes, bytes | None], head: Head, still_held: Callable[[], bool]
    ) -> bool:
        """Make rows durable (None erases) with the head they stand for, then take them over.

        Erasures go last, with the head row, once the other rows are acknowledged: if they are there, the mark is, and
        if it is not, the rows still are. Return False, without taking over, if the partition was lost meanwhile: the
        batch will be read again from the committed offset. Raise StateNotDurable if the broker does not acknowledge,
        StateLost if the changelog is not what it was.
        """
        try:
            if not await self._log(number, rows, head, still_held):
                return False
        except _OvertakenError:
            return False
        for observer in self._observers:
            observer.on_rows(number, rows)
        return True

    async def _log(
        self, number: int, rows: Mapping[bytes, bytes | None], head: Head, still_held: Callable[[], bool]
    ) -> bool:
        if not self._atomic or journal.fits(rows):
            return await self._log_rows(number, rows, head, still_held)
        pieces: dict[bytes, bytes] = {}
        for key, piece in journal.pieces(rows):
            pieces[key] = piece
            await asyncio.sleep(0)  # others have their turn: there may be hundreds of megabytes
        written_down = msgspec.structs.replace(head, pieces=len(pieces))
        if not await self._log_rows(number, pieces, written_down, still_held, in_portions=True):
            return False
        if not await self._log_rows(number, rows, head, still_held, in_portions=True):
            return False
        await self._erase_pieces(number, pieces)
        return True

    async def _log_rows(
        self,
        number: int,
        rows: Mapping[bytes, bytes | None],
        head: Head,
        still_held: Callable[[], bool],
        *,
        in_portions: bool = False,
    ) -> bool:
        """Write rows, and then the head row; `in_portions`: not as one produce batch, since a journal has them all."""
        partition = self.partition(number)
        before = partition.end
        if in_portions:
            for portion in journal.portions(rows):
                kept = [partition.logged(key, row) for key, row in portion.items() if row is not None]
                if kept:
                    await self._append(number, kept)
        kept = [] if in_portions else [partition.logged(key, row) for key, row in rows.items() if row is not None]
        erased = [partition.logged(key, None) for key, row in rows.items() if row is None and key in partition.rows]
        if erased and kept and not self._atomic:
            await self._append(number, kept)
            kept = []
        await self._append(number, [*kept, *erased, partition.logged_head(head)])
        if not still_held():
            partition.end = before  # should this worker have it again, what was written here is read like others'
            return False
        for key, row in rows.items():
            if row is None:
                partition.rows.pop(key, None)
            else:
                partition.rows[key] = row
        partition.head = head
        await self._write_anew(number)
        return True

    async def _erase_pieces(self, number: int, keys: Collection[bytes]) -> None:
        partition = self.partition(number)
        for key in keys:
            del partition.rows[key]
        if keys:
            await self._append(number, [partition.logged(key, None) for key in keys])

    async def _finish(self, number: int) -> None:
        """Go on with a write that the last owner put down in pieces, and erase those that were not all there."""
        partition = self.partition(number)
        if count := partition.head.pieces:
            try:
                rows = journal.joined(partition.rows, count)
            except KeyError:
                raise self._lost(number) from None
            await self._log_rows(number, rows, msgspec.structs.replace(partition.head, pieces=0), lambda: True)
        await self._erase_pieces(number, journal.keys(partition.rows))

    async def recover(self, numbers: Collection[int], generation: int) -> bool:
        """Bring these partitions up to date and take them over; forget all others.

        Return False if they are somebody else's by now, or may soon be, since the group settles again. Raise
        StateNotDurable if Kafka cannot be read, StateLost if the changelog is not what it was.
        """
        rebalance = self.app.rebalancing_count
        cast(PartitionedStore, self.data).keep(numbers)
        async with AsyncExitStack() as stack:
            for number in sorted(numbers):
                await stack.enter_async_context(self.lock(number))
            await self._patiently(partial(self._read_on, numbers))
            for number in sorted(numbers):
                if not await self._take_over(number, generation):
                    return False
            for observer in self._observers:
                await self._patiently(partial(observer.restate, numbers))
        if self.app.rebalancing_count != rebalance:
            return False
        for observer in self._observers:
            for number in sorted(numbers):
                observer.on_rows(number, self.partition(number).rows)
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

    async def _read_on(self, numbers: Collection[int]) -> None:
        """Read the changelog to its end, from where each partition has been read, or written, before."""
        async with reading.reader(self._kafka) as reader:
            ends = await reader.ends(self.changelog_topic.get_topic_name(), numbers)
            for number, end in ends.items():
                if end < self.partition(number).end:
                    raise self._lost(number)
            await self._apply(reader, ends)

    async def _read_up_to(self, number: int, end: int) -> None:
        async with reading.reader(self._kafka) as reader:
            await self._apply(reader, {number: end})

    async def _apply(self, reader: reading.Reader, ends: Mapping[int, int]) -> None:
        spans = {number: (self.partition(number).end, end) for number, end in ends.items()}
        progress = Progress(self.name, sum(end - first for first, end in spans.values()))
        async with aclosing(reader.read(self.changelog_topic.get_topic_name(), spans)) as pieces:
            async for records in pieces:
                for record in records:
                    headers = list(record.headers)
                    self.partition(record.partition).apply(record.offset, record.key or b"", record.value, headers)
                progress.count(len(records))

    async def _take_over(self, number: int, generation: int) -> bool:
        """Raise the fence, take in what the last owner wrote until then, and put right what a zombie wrote over."""
        partition = self.partition(number)
        if partition.head.rebuilding:
            topic = self.changelog_topic.get_topic_name()
            raise StateLost(
                f"{topic}, partition {number}: a rebuild has begun and is not finished. Stop every worker and run this "
                "command again: python -m worker rebuild"
            )
        try:
            if not await self._raise_fence(number, generation):
                return False
            if self._atomic:
                await self._finish(number)
            for observer in self._observers:
                for key in list(observer.superfluous(partition.rows)):
                    del partition.rows[key]
                    partition.stale.add(key)
            await self._write_anew(number)
        except _OvertakenError:
            return False
        return True

    async def _raise_fence(self, number: int, generation: int) -> bool:
        """Write a head row under the new ownership. What lies before it on the log counts as it is read."""
        partition = self.partition(number)
        fence = await self._fence_after(partition.fence, generation)
        if fence is None:
            return False
        head, partition.own = partition.head, fence
        await self._append(number, [partition.logged_head(head)])
        partition.fence = fence
        if partition.head != head:
            partition.stale.add(HEAD_KEY)
        return True

    async def _fence_after(self, last: Fence, generation: int) -> Fence | None:
        consumer = cast(OrderedConsumer, self.app.consumer)
        if not await lease_holds(consumer, generation, self._kafka.session_timeout_seconds):
            return None
        if generation >= last.generation:
            return Fence(last.era, generation)
        # Somebody of a later generation was here: this worker is a zombie, or the group has begun anew.
        return Fence(last.era + 1, generation) if await lease_confirmed(consumer, generation) else None

    async def _write_anew(self, number: int) -> None:
        """Write what this partition has under the keys whose last record on the log is a zombie's."""
        partition = self.partition(number)
        while stale := sorted(partition.stale):
            partition.stale.clear()
            log.warning(
                "%s, partition %d: %d rows are written again, since a worker that had lost this partition wrote "
                "over them",
                self.name,
                number,
                len(stale),
            )
            await self._append(number, [partition.logged_again(key) for key in stale])

    async def _append(self, number: int, records: list[Logged]) -> None:
        """Write to the changelog, and take in what somebody else wrote there since this worker last looked.

        Until its fence is there that may be the last owner; from then on it is a zombie, and the keys it wrote are
        stale. Raise _OvertakenError if it is somebody of a later ownership.
        """
        topic, partition = self.changelog_topic.get_topic_name(), self.partition(number)
        if partition.is_overtaken:
            raise _OvertakenError
        sent = await self._sender.send([(topic, number, [(*record, None) for record in records])])
        for first, count in sent[topic, number]:
            if first < 0:
                continue  # the broker did not say where; the next one tells
            if first < partition.end:
                raise self._lost(number)
            if first > partition.end:
                await self._patiently(partial(self._read_up_to, number, first))
            if partition.is_overtaken:
                raise _OvertakenError  # what was written here is stale, and read as such
            partition.end = first + count
        partition.stale -= {key for key, _, _ in records}

    def _lost(self, number: int) -> StateLost:
        topic, end = self.changelog_topic.get_topic_name(), self.partition(number).end
        return StateLost(
            f"{topic}, partition {number}: the changelog was deleted or cut back; it ended at offset {end}. Restore "
            f"it, or stop every worker and run: python -m worker rebuild --table {self.name}"
        )
