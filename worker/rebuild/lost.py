"""What there is of each table, and whether it was lost: offsets are committed after the state that stands for them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from worker.flow import events
from worker.kafka.rows import Partition
from worker.kafka.topics import CONTACTS, OUTBOX, SEGMENTS, TABLES, WATCHES

#: From which topic each table's rows are made, and which role makes them.
SOURCES: Mapping[str, str] = {
    CONTACTS: events.RESPONSES,
    SEGMENTS: events.TALLIES,
    WATCHES: events.HOURS,
    OUTBOX: events.ALERTS,
}
ROLES: Mapping[str, str] = {table: role for role, tables in TABLES.items() for table in tables}
#: What these tables count is made by the worker itself, and can be made again.
_COUNTS = frozenset({SEGMENTS, WATCHES})


class Found(NamedTuple):
    """What Kafka has of a table.

    `partitions`: its rows; `committed`: up to where its source is committed, per partition; `begins` and `ends`: the
    first offset and the end of each of the source's partitions.
    """

    table: str
    partitions: list[Partition]
    committed: Mapping[int, int]
    begins: Mapping[int, int]
    ends: Mapping[int, int]

    @property
    def is_lost(self) -> bool:
        """Whether an offset is committed whose state is not there, or a rebuild of it was not finished.

        Also lost are tallies and hours that retention deleted before they were counted: the responses have them still.
        """
        return any(self._is_lost(partition, state) for partition, state in enumerate(self.partitions))

    def _is_lost(self, partition: int, state: Partition) -> bool:
        committed = self.committed.get(partition, 0)
        # Where nothing is left before the committed offset, nothing may have been counted, as the worker has it.
        ahead = committed > state.head.stands_at and committed > self.begins.get(partition, 0)
        stands_at = self.stands_at(partition)
        unread = self.table in _COUNTS and 0 < stands_at < self.begins.get(partition, 0)
        return state.head.rebuilding or ahead or unread

    def stands_at(self, partition: int) -> int:
        """Return the offset of the source up to which the worker has decided, if the table is intact."""
        return max(self.committed.get(partition, 0), self.partitions[partition].head.stands_at)


def lost(tables: Iterable[Found]) -> list[str]:
    """Return the names of the tables that were lost."""
    return [found.table for found in tables if found.is_lost]
