"""Whether a consumed topic is still the log that the state was made from.

Offsets at or below the mark are replays. If a topic was deleted and created again, or cut back, its first records would
be taken for replays, and would be lost without a message. Such a topic is recognised if its log ends before the mark. A
new log may have grown past the mark; it is recognised if the record at the mark has another timestamp than the record
that was decided.

Records may not disappear unread either: if the log begins after the due offset, retention has deleted some of them.

A command (worker/maintenance.py) lets the worker go on with a topic that was replaced. It begins a new *epoch*: from
then on, the core's offsets of the partition are higher than the topic's, so that they lie above the mark (Head.base).
"""

from collections.abc import Mapping
from contextlib import aclosing
from typing import NamedTuple

import msgspec
from aiokafka import TopicPartition

from worker.flow import events
from worker.flow.record import EPOCH
from worker.kafka import reading
from worker.kafka.rows import Head

#: The topics whose records `rebuild` makes again from the responses, if retention deleted them.
_MADE_FROM_RESPONSES = frozenset({events.TALLIES, events.HOURS})


class Log(NamedTuple):
    """The log of one partition as it is now."""

    #: Its first offset.
    first: int
    #: The offset after its last record.
    end: int
    #: The timestamp of the record at the mark, in ms; None if there is no record at this offset.
    marked_at: int | None = None


def difference(head: Head, log: Log, *, may_be_compacted: bool = False) -> str | None:
    """Return how a log differs from the one that the state with this head was made from; None if it does not differ.

    `may_be_compacted`: whether the record at the mark may be missing although the log is the same.
    """
    stands_at = head.stands_at
    if log.end < stands_at:
        return f"everything up to offset {stands_at - 1} was decided, but it ends at {log.end}"
    if may_be_compacted and log.marked_at is None:
        return None
    if head.marked_at >= 0 and log.first < stands_at and log.marked_at != head.marked_at:
        return f"at offset {stands_at - 1} it has another record than the one that was decided"
    return None


def deleted_unread(head: Head, log: Log, due: int) -> int:
    """Return how many offsets were deleted before they were read. `due`: the offset from which reading should go on."""
    next_offset = max(head.stands_at, due)
    return max(0, log.first - next_offset) if next_offset else 0


def new_epoch(head: Head) -> Head:
    """Return the head row of a new epoch, in which all records that the topic holds now are new.

    What was decided before keeps its offsets.
    """
    return msgspec.structs.replace(head, base=(head.mark // EPOCH + 1) * EPOCH, marked_at=-1)


class Source(NamedTuple):
    """A consumed topic."""

    #: Its full name.
    name: str
    #: The name by which commands know it.
    topic: str
    #: Whether none of its records may be deleted before they are read.
    must_be_complete: bool
    #: Whether it is a topic of another program (foreign.py), which may be compacted, and which the worker does not own.
    is_foreign: bool = False


class Comparison:
    """The result of comparing logs with their state."""

    def __init__(self) -> None:
        #: A sentence for each topic from which the worker cannot go on reading.
        self.problems: list[str] = []
        #: How many offsets of a partition were deleted unread, although the worker may go on.
        self.deleted_unread: dict[TopicPartition, int] = {}
        #: The offset from which the worker goes on reading each of these partitions.
        self.resume_at: dict[TopicPartition, int] = {}

    def add(
        self, source: Source, heads: Mapping[int, Head], due: Mapping[int, int], logs: Mapping[int, Log] | None
    ) -> None:
        """Compare the partitions of a topic. `logs` is None if the topic does not exist any more."""
        command = f"python -m worker new-epoch {source.topic}"
        if logs is None and source.is_foreign:
            self.problems.append(f"{source.name}: the topic does not exist any more. The next start waits for it")
            return
        if logs is None:
            self.problems.append(
                f"{source.name}: the topic does not exist any more. Once it exists again, run: {command}"
            )
            return
        replaced = {
            partition: found
            for partition, head in heads.items()
            if (found := difference(head, logs[partition], may_be_compacted=source.is_foreign))
        }
        deleted = {
            partition: count
            for partition in heads
            if (count := deleted_unread(heads[partition], logs[partition], due[partition]))
        }
        if replaced and source.is_foreign:
            self.problems.append(
                f"{source.name} was deleted and created again, or cut back ({_listed(replaced)}). The next start reads "
                "it from its beginning"
            )
        elif replaced:
            self.problems.append(
                f"{source.name} was deleted and created again, or cut back ({_listed(replaced)}). "
                f"To count what it holds now as new, stop every worker and run: {command}"
            )
        elif deleted and source.must_be_complete:
            counts = {partition: f"{count} offsets" for partition, count in deleted.items()}
            ways = (
                "To count everything again, stop every worker and run: python -m worker rebuild. "
                f"To go on without them: {command}"
                if source.topic in _MADE_FROM_RESPONSES
                else f"To go on without them, stop every worker and run: {command}"
            )
            self.problems.append(
                f"{source.name}: retention deleted records that were not read yet ({_listed(counts)}). {ways}"
            )
        else:
            self.deleted_unread |= {TopicPartition(source.name, n): count for n, count in deleted.items()}
            self.resume_at |= {TopicPartition(source.name, n): logs[n].first for n in deleted}


def _listed(text_by_partition: Mapping[int, str]) -> str:
    return ", ".join(f"partition {partition}: {text}" for partition, text in sorted(text_by_partition.items()))


async def read_logs(reader: reading.Reader, topic: str, heads: Mapping[int, Head]) -> dict[int, Log] | None:
    """Return the logs of a topic's partitions, with the timestamps at the marks of these heads.

    Return None if the topic, or one of the partitions, does not exist. Raise KafkaError if Kafka does not answer.
    """
    if not heads.keys() <= await reader.partitions(topic):
        return None
    starts, ends = await reader.starts(topic, heads.keys()), await reader.ends(topic, heads.keys())
    marks = {partition: head.stands_at - 1 for partition, head in heads.items() if head.stands_at}
    spans = {
        partition: (mark, mark + 1) for partition, mark in marks.items() if starts[partition] <= mark < ends[partition]
    }
    timestamps: dict[int, int] = {}
    async with aclosing(reader.read(topic, spans)) as chunks:
        async for records in chunks:
            timestamps |= {record.partition: record.timestamp for record in records}
    return {partition: Log(starts[partition], ends[partition], timestamps.get(partition)) for partition in heads}
