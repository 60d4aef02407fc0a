"""What Kafka has of each table, and whether it was lost. An offset is only committed after its state is written."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from worker.flow import events
from worker.kafka.rows import PartitionState
from worker.kafka.topics import (
    ANSWERS,
    CASES,
    CHANNELS,
    COMMANDS,
    CONTACTS,
    MERGE,
    OUTBOX,
    PLANS_OF,
    SEGMENTS,
    SILENCES,
    TABLES,
    WATCHES,
)

#: The topic that each table's rows are made from, and the role that makes them.
SOURCES: Mapping[str, str] = {
    CONTACTS: events.RESPONSES,
    SEGMENTS: events.TALLIES,
    WATCHES: events.HOURS,
    OUTBOX: events.ALERTS,
    PLANS_OF[OUTBOX].table: PLANS_OF[OUTBOX].topic,
    COMMANDS: events.ALERT_COMMANDS,
    CASES: events.CASES,
    SILENCES: events.SILENCE_COMMANDS,
    ANSWERS: events.RESPONSE_PARTS,
    **{table: topic for outbox in CHANNELS.values() for table, topic in ((outbox, events.ALERTS), PLANS_OF[outbox])},
}
#: The role, or the further group, that makes the rows of each table.
ROLES: Mapping[str, str] = {
    ANSWERS: MERGE,
    **{table: role for role, tables in TABLES.items() for table in tables},
    **{table: channel for channel, outbox in CHANNELS.items() for table in (outbox, PLANS_OF[outbox].table)},
}
#: The tables whose source topics the worker writes itself; what they count can be made again from the responses.
_COUNTS = frozenset({SEGMENTS, WATCHES})


class Found(NamedTuple):
    """What Kafka has of a table."""

    #: The table's name.
    table: str
    #: The rows of each partition.
    partitions: list[PartitionState]
    #: The committed offset of each partition of the source topic.
    committed: Mapping[int, int]
    #: The first offset of each partition of the source topic, and the end of it.
    begins: Mapping[int, int]
    ends: Mapping[int, int]

    @property
    def is_lost(self) -> bool:
        """Whether an offset is committed whose state is missing, or a rebuild of the table was not finished.

        A table is also lost if the first records of its changelog were deleted, or if retention has deleted tallies or
        hourly reports before they were counted. Those can still be made from the responses.
        """
        return any(self._is_lost(partition, state) for partition, state in enumerate(self.partitions))

    @property
    def has_begun(self) -> bool:
        """Whether a worker has ever read the source for this table. A channel that has not begun begins at its end."""
        return bool(self.committed) or any(state.end for state in self.partitions)

    def _is_lost(self, partition: int, state: PartitionState) -> bool:
        committed = self.committed.get(partition, 0)
        # If no records are left before the committed offset, it may be that none was ever counted; the worker starts in
        # this case too.
        ahead = committed > state.head.stands_at and committed > self.begins.get(partition, 0)
        stands_at = self.stands_at(partition)
        unread = self.table in _COUNTS and 0 < stands_at < self.begins.get(partition, 0)
        return state.head.rebuilding or state.is_cut or ahead or unread

    def stands_at(self, partition: int) -> int:
        """Return the offset of the source up to which the worker has decided, if the table is not lost."""
        return max(self.committed.get(partition, 0), self.partitions[partition].head.stands_at)


def lost(tables: Iterable[Found]) -> list[str]:
    """Return the names of the tables that were lost."""
    return [found.table for found in tables if found.is_lost]
