"""Durable tables: Faust tables whose rows are acknowledged on the changelog before anything depends on them.

Faust's `Table.__setitem__` only queues the changelog record, and the flush before a commit gives up after 0.1 s without
progress. So an offset could be committed before its state is durable. Here `write()` is the only way to write, and it
returns once the broker has acknowledged. `change()` changes the state in memory only, until the next `write()`
(checkpoint.py). Faust declares the changelog and assigns its partitions; recovery.py starts the reading.

A changelog partition has one writer, so the writer knows the offset of its next record. If the record gets a higher
offset, another worker has written too (a zombie, see rows.py), and the rows that it overwrote are written again. If the
record gets a *lower* offset, the changelog was deleted or cut back, and the worker stops.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from functools import partial
from time import monotonic
from typing import Any, cast

import msgspec
from aiokafka.errors import KafkaError
from faust import Table

from worker.errors import StateLost, StateNotDurable
from worker.flow.batch import Output
from worker.kafka import changelogs, journal, reading
from worker.kafka.rows import GENERATIONS, HEAD_KEY, ChangelogRecord, Fence, Head, PartitionState
from worker.settings import KafkaSettings
from worker.streams.lease import lease_confirmed, lease_holds
from worker.streams.observer import TableObserver
from worker.streams.ordered import OrderedConsumer
from worker.streams.progress import Progress
from worker.streams.sending import Sender
from worker.streams.store import PartitionedStore, Rows, Unsaved

log = logging.getLogger(__name__)

#: How long to wait before the changelog is read again, if Kafka did not answer, in seconds.
_RETRY_SECONDS = 1.0


class _OvertakenError(Exception):
    """A worker of a later ownership has written to the partition."""


class Usage:
    """What has happened to a table since the start of the process."""

    def __init__(self) -> None:
        #: How often it was recovered from its changelog, and the time that this took, in seconds.
        self.recoveries = 0
        self.recovery_seconds = 0.0
        #: How often something was not written, or not even tried, since this worker had lost the partition.
        self.refusals = 0


class DurableTable(Table[bytes, bytes]):
    """A table of encoded rows. With `atomic`, after a crash either all rows of a write are there, or no row."""

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
        self._sending_locks: dict[int, asyncio.Lock] = {}
        self._observers: list[TableObserver] = []
        self.usage = Usage()

    @property
    def row_count(self) -> int:
        """The number of rows in memory."""
        return sum(len(state.rows) for state in self._in_memory.partitions.values())

    @property
    def row_bytes(self) -> int:
        """The size of the keys and rows in memory, in bytes."""
        return sum(state.size for state in self._in_memory.partitions.values())

    def observe(self, observer: TableObserver) -> None:
        """Add an observer, which is called when rows change. Call this before the worker starts."""
        self._observers.append(observer)

    async def revoke(self) -> None:
        """Let the observers finish what is under way, since partitions are about to go to other workers.

        The last one comes first, since an observer may use what those before it have noted.
        """
        for observer in reversed(self._observers):
            await observer.on_revoked()

    def _new_store(self) -> PartitionedStore:
        return PartitionedStore("memory://", self.app, self, table_name=self.name, loop=self.loop)

    def state_of(self, partition: int) -> PartitionState:
        """Return a partition's state. Callers only read it."""
        return self._in_memory.state_of(partition)

    @property
    def _in_memory(self) -> PartitionedStore:
        return cast(PartitionedStore, self.data)

    def lock(self, partition: int) -> asyncio.Lock:
        """Return the lock of a partition. It is held while rows are read, decided upon and written."""
        return self._locks.setdefault(partition, asyncio.Lock())

    def change(self, partition: int, rows: Rows, head: Head, outputs: Iterable[Output] = ()) -> None:
        """Change a partition's state in memory only. The next `write` makes the changes durable with its own rows.

        `outputs` have to be acknowledged before that `write` (`unsaved`).
        """
        self._in_memory.change(partition, rows, head, outputs)

    def has_unsaved(self, partition: int) -> bool:
        """Say whether `change` has changed something that is not durable yet."""
        return self._in_memory.unsaved(partition) is not None

    def unsaved(self, partition: int) -> Unsaved | None:
        """Return what `change` has changed and kept; None if there is nothing. Another object follows after a write."""
        return self._in_memory.unsaved(partition)

    def sending_lock(self, partition: int) -> asyncio.Lock:
        """Return the lock that is held while outputs are sent that `change` has kept.

        Who holds it does not wait for `lock`, but who holds `lock` may wait for it.
        """
        return self._sending_locks.setdefault(partition, asyncio.Lock())

    def unsaved_size(self, partition: int) -> int:
        """Return what the rows and outputs of `change` will take on the changelog and on their topics, in bytes."""
        unsaved = self._in_memory.unsaved(partition)
        return 0 if unsaved is None else unsaved.size

    async def write(self, partition: int, rows: Rows, head: Head, still_held: Callable[[], bool]) -> bool:
        """Make rows durable together with their head row, then change the state in memory. None erases a row.

        What `change` has changed is written as well. Erasures are written last, in one produce batch with the head row.
        The other rows are in that batch too, or they are acknowledged before. So a row is erased only if the mark has
        moved.

        Return False if the partition was lost meanwhile (`still_held` returns False): its new owner reads the batches
        again from the committed offset. Raise StateNotDurable if the broker does not acknowledge, StateLost if the
        changelog was deleted or cut back. In these cases, and while the rows are being written, the state in memory is
        the durable one, without what `change` has changed and kept.
        """
        if changed := self._in_memory.take_back(partition):
            rows = {**changed, **rows}
        try:
            is_written = await self._write(partition, rows, head, still_held)
        except _OvertakenError:
            is_written = False
        if not is_written:
            self.usage.refusals += 1
            return False
        for observer in self._observers:
            observer.on_rows(partition, rows)
        return True

    async def _write(self, partition: int, rows: Rows, head: Head, still_held: Callable[[], bool]) -> bool:
        """Write rows as `write` does; with a journal, if the table is atomic and one produce batch is too small."""
        if not self._atomic or journal.fits(rows):
            return await self._write_rows(partition, rows, head, still_held)
        pieces: dict[bytes, bytes] = {}
        for key, piece in journal.pieces(rows):
            pieces[key] = piece
            await asyncio.sleep(0)  # other tasks have their turn, since there may be hundreds of megabytes
        journal_head = msgspec.structs.replace(head, pieces=len(pieces))
        if not await self._write_rows(partition, pieces, journal_head, still_held, in_portions=True):
            return False
        if not await self._write_rows(partition, rows, head, still_held, in_portions=True):
            return False
        await self._erase_pieces(partition, pieces)
        return True

    async def _write_rows(
        self,
        partition: int,
        rows: Rows,
        head: Head,
        still_held: Callable[[], bool],
        *,
        in_portions: bool = False,
    ) -> bool:
        """Write rows, and then the head row.

        `in_portions`: in several produce batches. That is allowed if a journal has all rows, or if these are its
        pieces.
        """
        state = self.state_of(partition)
        end_before = state.end
        if in_portions:
            for portion in journal.portions(rows):
                kept = [state.record(key, row) for key, row in portion.items() if row is not None]
                if kept:
                    await self._append(partition, kept)
        kept = [] if in_portions else [state.record(key, row) for key, row in rows.items() if row is not None]
        erased = [state.record(key, None) for key, row in rows.items() if row is None and key in state.rows]
        if erased and kept and not journal.fits(rows):
            await self._append(partition, kept)
            kept = []
        await self._append(partition, [*kept, *erased, state.head_record(head)])
        if not still_held():
            # If this worker gets the partition back, it reads what was written here as it reads other workers' records.
            state.end = end_before
            return False
        for key, row in rows.items():
            state.put(key, row)
        state.head = head
        await self._rewrite_stale(partition)
        return True

    async def _erase_pieces(self, partition: int, keys: Collection[bytes]) -> None:
        state = self.state_of(partition)
        for key in keys:
            state.put(key, None)
        if keys:
            await self._append(partition, [state.record(key, None) for key in keys])

    async def _finish_large_write(self, partition: int) -> None:
        """Complete a large write of the last owner if its journal is complete; erase all pieces."""
        state = self.state_of(partition)
        if count := state.head.pieces:
            try:
                rows = journal.joined(state.rows, count)
            except KeyError:
                raise self._state_lost(partition) from None
            await self._write_rows(partition, rows, msgspec.structs.replace(state.head, pieces=0), lambda: True)
        await self._erase_pieces(partition, journal.keys(state.rows))

    async def recover(self, partitions: Collection[int], generation: int, rebalance: int) -> bool:
        """Read the changelog of these partitions to its end, and take them over; drop the state of all others.

        `rebalance`: the app's count of rebalances when the partitions were assigned. Return False if the next one has
        begun since then, or if another worker owns one of the partitions by now: then the observers are told nothing,
        since they have perhaps been told already that partitions are revoked. Raise StateNotDurable if Kafka cannot be
        read, StateLost if the changelog was deleted or cut back.
        """
        began = monotonic()
        self._in_memory.keep(partitions)
        async with AsyncExitStack() as stack:
            for partition in sorted(partitions):
                await stack.enter_async_context(self.lock(partition))
            await self._until_read(partial(self._catch_up, partitions))
            for partition in sorted(partitions):
                if not await self._take_over(partition, generation):
                    self.usage.refusals += 1
                    return False
            for observer in self._observers:
                await self._until_read(partial(observer.restate, partitions))
        if self.app.rebalancing_count != rebalance:
            return False
        for observer in self._observers:
            for partition in sorted(partitions):
                observer.on_rows(partition, self.state_of(partition).rows)
            observer.on_taken_over()
        self.usage.recoveries += 1
        self.usage.recovery_seconds += monotonic() - began
        return True

    async def _until_read(self, reading: Callable[[], Awaitable[None]]) -> None:
        """Call `reading`, and call it again after a KafkaError, for at most `patience_seconds`.

        Each partition's state knows how far it has been read. Raise StateNotDurable after that time.
        """
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

    async def _catch_up(self, partitions: Collection[int]) -> None:
        """Read the changelog to its end, from the offset up to which each partition was read or written."""
        async with reading.reader(self._kafka) as reader:
            topic = self.changelog_topic.get_topic_name()
            ends = await reader.ends(topic, partitions)
            for partition, end in ends.items():
                if end < self.state_of(partition).end:
                    raise self._state_lost(partition)
            for partition, first in (await reader.starts(topic, partitions)).items():
                self.state_of(partition).begin(first)
            await self._apply(reader, ends)

    async def _read_up_to(self, partition: int, end: int) -> None:
        async with reading.reader(self._kafka) as reader:
            await self._apply(reader, {partition: end})

    async def _apply(self, reader: reading.Reader, ends: Mapping[int, int]) -> None:
        spans = {partition: (self.state_of(partition).end, end) for partition, end in ends.items()}
        progress = Progress(self.name, sum(end - first for first, end in spans.values()))
        async with aclosing(reader.read(self.changelog_topic.get_topic_name(), spans)) as chunks:
            async for records in chunks:
                for record in records:
                    headers = list(record.headers)
                    self.state_of(record.partition).apply(record.offset, record.key or b"", record.value, headers)
                progress.count(len(records))
        for partition in ends:
            self._report_strays(partition)

    def _report_strays(self, partition: int) -> None:
        state = self.state_of(partition)
        if state.strays:
            log.warning(
                "%s, partition %d: another program has written to this changelog, which only workers may do: %d "
                "records are skipped, the last one at offset %d",
                *(self.changelog_topic.get_topic_name(), partition, state.strays, state.last_stray),
            )
            state.strays = 0

    async def _take_over(self, partition: int, generation: int) -> bool:
        """Raise the fence, apply what the last owner wrote until then, and rewrite the rows that a zombie overwrote.

        Return False if a worker of a later ownership has written.
        """
        state = self.state_of(partition)
        if state.head.rebuilding:
            topic = self.changelog_topic.get_topic_name()
            raise StateLost(
                f"{topic}, partition {partition}: a rebuild has begun and is not finished. Stop every worker and run "
                "this command again: python -m worker rebuild"
            )
        if state.is_cut:
            raise StateLost(changelogs.cut(self.changelog_topic.get_topic_name(), partition, state, self.name))
        try:
            if not await self._raise_fence(partition, generation):
                return False
            if self._atomic:
                await self._finish_large_write(partition)
            for observer in self._observers:
                for key in list(observer.superfluous(state.rows)):
                    state.put(key, None)
                    state.stale.add(key)
            await self._rewrite_stale(partition)
        except _OvertakenError:
            return False
        return True

    async def _raise_fence(self, partition: int, generation: int) -> bool:
        """Write a head row with the fence of the new ownership. Records before it on the changelog still count."""
        state = self.state_of(partition)
        fence = await self._fence_after(state.fence, generation)
        if fence is None:
            return False
        head, state.own = state.head, fence
        await self._append(partition, [state.head_record(head)])
        state.fence = fence
        if state.head != head:
            state.stale.add(HEAD_KEY)
        return True

    async def _fence_after(self, last: Fence, generation: int) -> Fence | None:
        """Return the fence of this ownership, which is not lower than `last`; None if this worker is a zombie."""
        consumer = cast(OrderedConsumer, self.app.consumer)
        if not await lease_holds(consumer, generation, self._kafka.session_timeout_seconds):
            return None
        fenced = generation % GENERATIONS
        if fenced >= last.generation:
            return Fence(last.era, fenced)
        # A worker of a later generation has written: this worker is a zombie, or the generations have started from the
        # beginning, since the group was deleted, or since it has had as many as a fence can hold.
        return Fence(last.era + 1, fenced) if await lease_confirmed(consumer, generation) else None

    async def _rewrite_stale(self, partition: int) -> None:
        """Write the current row of every stale key: its last record on the changelog is a zombie's, or a stray."""
        state = self.state_of(partition)
        while stale := sorted(state.stale):
            state.stale.clear()
            log.warning(
                "%s, partition %d: %d rows are written again at offset %d, since later records under their keys do not "
                "count: those of a worker that had lost this partition, or of another program",
                *(self.changelog_topic.get_topic_name(), partition, len(stale), state.end),
            )
            await self._append(partition, [state.current_record(key) for key in stale])

    async def _append(self, partition: int, records: list[ChangelogRecord]) -> None:
        """Append records to the changelog, and apply what other workers have appended since this worker last read it.

        Before this worker's fence, that may be the last owner's. After it, it is a zombie's, and its keys are stale.
        Raise _OvertakenError if a worker of a later ownership has written.
        """
        topic, state = self.changelog_topic.get_topic_name(), self.state_of(partition)
        if state.is_overtaken:
            raise _OvertakenError
        sent = await self._sender.send([(topic, partition, [(*record, None) for record in records])])
        for first, count in sent[topic, partition]:
            if first < 0:
                continue  # the broker did not say the offset; the acknowledgement of the next batch will show it
            if first < state.end:
                raise self._state_lost(partition)
            if first > state.end:
                await self._until_read(partial(self._read_up_to, partition, first))
            if state.is_overtaken:
                raise _OvertakenError  # the new owner treats the records written here as stale
            state.end = first + count
        state.stale -= {key for key, _, _ in records}

    def _state_lost(self, partition: int) -> StateLost:
        topic, end = self.changelog_topic.get_topic_name(), self.state_of(partition).end
        return StateLost(
            f"{topic}, partition {partition}: the changelog was deleted or cut back; it ended at offset {end}. Restore "
            f"it, or stop every worker and run: python -m worker rebuild --table {self.name}"
        )
