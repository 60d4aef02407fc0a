"""Whether a consumed topic is still the log that the state was made from.

Offsets at or below the mark are replays. So a topic that was deleted and made anew, or cut back, would have its first
records taken for replays: they would be lost, and nothing would say so. Such a topic is recognised if its log ends
before the mark, or if the record at the mark has another timestamp than the one that was decided: a new log may have
grown past the mark.

Nor may records vanish unread: if the log begins behind the offset that is due, retention has deleted some of them.

A command (worker/maintenance.py) has the worker go on with a topic that is another one now. It begins a new *epoch*:
the core's offsets of the partition are then higher than the topic's, so that they lie above the mark (Head.base).
"""

from collections.abc import Mapping
from contextlib import aclosing
from typing import NamedTuple

import msgspec
from aiokafka import TopicPartition

from worker.flow.record import EPOCH
from worker.kafka import reading
from worker.kafka.rows import Head


class Log(NamedTuple):
    """A partition of a topic as it is: its first offset, its end, and the timestamp of the record at a mark, in ms.

    `marked_at` is None if no record lies there.
    """

    first: int
    end: int
    marked_at: int | None = None


def difference(head: Head, log: Log) -> str | None:
    """Say how a log differs from the one that the state of this head was made from; None if it does not."""
    stands_at = head.stands_at
    if log.end < stands_at:
        return f"everything up to offset {stands_at - 1} was decided, but it ends at {log.end}"
    if head.marked_at >= 0 and log.first < stands_at and log.marked_at != head.marked_at:
        return f"at offset {stands_at - 1} it has another record than the one that was decided"
    return None


def unread(head: Head, log: Log, due: int) -> int:
    """Return how many offsets are gone that were never read, if reading was to go on from `due`."""
    began = max(head.stands_at, due)
    return max(0, log.first - began) if began else 0


def new_epoch(head: Head) -> Head:
    """Return the head under which whatever the topic holds now is new, and what was decided before keeps its place."""
    return msgspec.structs.replace(head, base=(head.mark // EPOCH + 1) * EPOCH, marked_at=-1)


class Source(NamedTuple):
    """A consumed topic: its full name, what the commands call it, and whether nothing of it may be missing."""

    name: str
    topic: str
    is_counted_on: bool


class Comparison:
    """What came of comparing logs with their state.

    `wrong`: a sentence for each topic that cannot be read on; `unread`: how many offsets are gone unread, and `begins`:
    where to go on, both of partitions that may be read on.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.unread: dict[TopicPartition, int] = {}
        self.begins: dict[TopicPartition, int] = {}

    def add(
        self, source: Source, heads: Mapping[int, Head], due: Mapping[int, int], logs: Mapping[int, Log] | None
    ) -> None:
        """Compare the partitions of a topic; `logs` is None if the topic is gone."""
        command = f"python -m worker new-epoch {source.topic}"
        if logs is None:
            self.wrong.append(f"{source.name}: the topic does not exist any more. Once it exists again, run: {command}")
            return
        replaced = {partition: said for partition, head in heads.items() if (said := difference(head, logs[partition]))}
        gone = {
            partition: count
            for partition in heads
            if (count := unread(heads[partition], logs[partition], due[partition]))
        }
        if replaced:
            self.wrong.append(
                f"{source.name} was deleted and created again, or cut back ({_listed(replaced)}). "
                f"To count what it holds now as new, stop every worker and run: {command}"
            )
        elif gone and source.is_counted_on:
            counts = {partition: f"{count} offsets" for partition, count in gone.items()}
            self.wrong.append(
                f"{source.name}: retention deleted records that were not counted yet ({_listed(counts)}). "
                "To count everything again, stop every worker and run: python -m worker rebuild. "
                f"To go on without them: {command}"
            )
        else:
            self.unread |= {TopicPartition(source.name, partition): count for partition, count in gone.items()}
            self.begins |= {TopicPartition(source.name, partition): logs[partition].first for partition in gone}


def _listed(said: Mapping[int, str]) -> str:
    return ", ".join(f"partition {partition}: {what}" for partition, what in sorted(said.items()))


async def look(reader: reading.Reader, topic: str, heads: Mapping[int, Head]) -> dict[int, Log] | None:
    """Return what the partitions of these heads are like; None if the topic, or one of them, is not there.

    Raise KafkaError if Kafka does not answer.
    """
    if not heads.keys() <= await reader.partitions(topic):
        return None
    starts, ends = await reader.starts(topic, heads.keys()), await reader.ends(topic, heads.keys())
    marks = {partition: head.stands_at - 1 for partition, head in heads.items() if head.stands_at}
    there = {
        partition: (mark, mark + 1) for partition, mark in marks.items() if starts[partition] <= mark < ends[partition]
    }
    timestamps: dict[int, int] = {}
    async with aclosing(reader.read(topic, there)) as pieces:
        async for records in pieces:
            timestamps |= {record.partition: record.timestamp for record in records}
    return {partition: Log(starts[partition], ends[partition], timestamps.get(partition)) for partition in heads}
