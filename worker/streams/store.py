"""The state of a table in memory, and the changes in it that are not on the changelog yet."""

from collections.abc import Collection, Iterable, Mapping

from faust.stores.memory import Store
from faust.types import TP

from worker.flow.batch import Output
from worker.kafka import journal
from worker.kafka.rows import Head, PartitionState

#: Rows by key; None erases a row.
Rows = Mapping[bytes, bytes | None]


class Unsaved:
    """What has changed in one partition's state in memory and is not durable yet, with the way back."""

    def __init__(self, state: PartitionState) -> None:
        self._state = state
        self._durable_head = state.head
        # The durable row of each key that has changed; None if there was no row.
        self._durable_rows: dict[bytes, bytes | None] = {}
        #: The outputs that have to be acknowledged before the changes are written, and are not acknowledged yet.
        self.outputs: list[Output] = []
        #: What the changed rows take on the changelog, and the outputs on their topics, in bytes.
        self.size = 0

    def change(self, rows: Rows, head: Head, outputs: Iterable[Output] = ()) -> None:
        """Change rows and the head row in memory, and keep outputs for later."""
        for output in outputs:
            self.outputs.append(output)
            self.size += size_of(output)
        state = self._state
        for key, row in rows.items():
            current = state.rows.get(key)
            if key in self._durable_rows:
                self.size -= journal.size(key, current)
            else:
                self._durable_rows[key] = current
            self.size += journal.size(key, row)
            state.put(key, row)
        state.head = head

    def note_sent(self, count: int) -> None:
        """Note that the first outputs are acknowledged, so many as `count` says."""
        del self.outputs[:count]

    def take_back(self) -> dict[bytes, bytes | None]:
        """Return to the durable state. Return the rows as they were in memory; None for those that were erased."""
        state = self._state
        changed = {key: state.rows.get(key) for key in self._durable_rows}
        for key, row in self._durable_rows.items():
            state.put(key, row)
        state.head = self._durable_head
        return changed


class PartitionedStore(Store[bytes, bytes]):
    """The state of each partition in memory. When a partition moves to another worker, its state is dropped."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.partitions: dict[int, PartitionState] = {}
        self._unsaved: dict[int, Unsaved] = {}

    def state_of(self, partition: int) -> PartitionState:
        """Return a partition's state."""
        found = self.partitions.get(partition)
        if found is None:
            found = self.partitions[partition] = PartitionState()
        return found

    def unsaved(self, partition: int) -> Unsaved | None:
        """Return what has changed in a partition in memory only; None if its state is durable."""
        return self._unsaved.get(partition)

    def change(self, partition: int, rows: Rows, head: Head, outputs: Iterable[Output] = ()) -> None:
        """Change a partition's state in memory only, and keep outputs for later."""
        unsaved = self._unsaved.get(partition)
        if unsaved is None:
            unsaved = self._unsaved[partition] = Unsaved(self.state_of(partition))
        unsaved.change(rows, head, outputs)

    def take_back(self, partition: int) -> dict[bytes, bytes | None]:
        """Let a partition's state be the durable one again. Return the rows that had changed, as `Unsaved` does."""
        unsaved = self._unsaved.pop(partition, None)
        return {} if unsaved is None else unsaved.take_back()

    def keep(self, partitions: Collection[int]) -> None:
        """Drop the state of all other partitions. The state that is kept is the durable one again."""
        for partition in list(self._unsaved):
            self.take_back(partition)
        self.partitions = {partition: found for partition, found in self.partitions.items() if partition in partitions}

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Do nothing: `DurableTable.recover` does it."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Do nothing: `DurableTable.recover` does it."""


def size_of(output: Output) -> int:
    """Return what an output takes on its topic, in bytes, without its headers."""
    return len(output.key or b"") + len(output.value or b"")
