"""Durable tables: a Faust table whose rows are acknowledged by the changelog before anything rests on them.

`Table.__setitem__` queues the changelog record, and the commit's flush gives up after 0.1 s without progress, so an
offset can be committed before its state is durable. Here the only way to write is `write()`, which returns once the
broker has acknowledged. Faust declares the changelog, assigns its partitions, and recovers from it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from faust import Table
from faust.stores.memory import Store
from faust.types import TP, EventT

from worker.streams.rows import HEAD_KEY, Head, Partition
from worker.streams.sending import Sendable, Sender


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

    def apply_changelog_batch(
        self, batch: Iterable[EventT[Any]], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Take over records of the changelog.

        One of another topic is left out: Faust's recovery can hand it to the wrong table.
        """
        del to_key, to_value
        changelog = self.table.changelog_topic.get_topic_name()
        for event in batch:
            message = event.message
            if message.topic == changelog:
                self.partition(message.partition).apply(message.key or b"", message.value)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Forget partitions that moved away, and read those that come from their changelog's beginning."""
        del generation_id
        changelog = self.table.changelog_topic.get_topic_name()
        tables: Any = self.app.tables
        for tp in (revoked - assigned) | newly_assigned:
            if tp.topic == changelog:
                self.partitions.pop(tp.partition, None)
                tables.recovery.revoke(tp)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Nothing: `on_rebalance` has done it."""


class DurableTable(Table[bytes, bytes]):
    """A table of encoded rows.

    `on_failure` is told when taking a partition over failed, which Faust would swallow. `watch`, if set, is called with
    a partition's number and the rows that became part of it: those of each write, and all of them at a take-over;
    `taken_over` is called at its end.
    """

    watch: Callable[[int, Mapping[bytes, bytes | None]], None] | None = None
    taken_over: Callable[[], None] | None = None

    def __init__(self, *args: Any, sender: Sender, on_failure: Callable[[BaseException], None], **kwargs: Any) -> None:
        super().__init__(*args, key_type=bytes, value_type=bytes, **kwargs)
        self._sender = sender
        self._on_failure = on_failure
        self._locks: dict[int, asyncio.Lock] = {}

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

        Erasures go last, in a produce batch of their own with the head row: if they are there, the mark is, and if it
        is not, the rows still are. Return False, without taking over, if the partition was lost meanwhile: the batch
        will be read again from the committed offset. Raise StateNotDurable if the broker does not acknowledge.
        """
        partition = self.partition(number)
        kept: list[Sendable] = [(key, partition.fenced(row), [], None) for key, row in rows.items() if row is not None]
        erased: list[Sendable] = [
            (key, None, [], None) for key, row in rows.items() if row is None and key in partition.rows
        ]
        last: Sendable = (HEAD_KEY, partition.fenced_head(head), [], None)
        if erased and kept:
            await self._send(number, kept)
            kept = []
        await self._send(number, [*kept, *erased, last])
        if not still_held():
            return False
        for key, row in rows.items():
            if row is None:
                partition.rows.pop(key, None)
            else:
                partition.rows[key] = row
        partition.head = head
        if self.watch is not None:
            self.watch(number, rows)
        return True

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Take over records of the changelog; Faust would log a failure and wait for ever."""
        try:
            super().apply_changelog_batch(batch)
        except Exception as error:
            self._on_failure(error)
            raise

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Take the partitions over: raise each one's fence, durably, before its first batch."""
        generation = self.app.consumer_generation_id
        try:
            for tp in sorted(active_tps):
                if generation != self.app.consumer_generation_id:
                    return  # overtaken by the next rebalance
                partition = self.partition(tp.partition)
                partition.fence += 1
                await self._send(tp.partition, [(HEAD_KEY, partition.fenced_head(partition.head), [], None)])
                if self.watch is not None:
                    self.watch(tp.partition, partition.rows)
        except BaseException as error:
            self._on_failure(error)
            raise
        await super().on_recovery_completed(active_tps, standby_tps)
        if self.taken_over is not None:
            self.taken_over()

    async def _send(self, number: int, records: list[Sendable]) -> None:
        await self._sender.send([(self.changelog_topic.get_topic_name(), number, records)])
