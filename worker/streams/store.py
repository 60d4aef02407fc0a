"""The state of a table in memory."""

from collections.abc import Collection

from faust.stores.memory import Store
from faust.types import TP

from worker.kafka.rows import PartitionState


class PartitionedStore(Store[bytes, bytes]):
    """The state of each partition in memory. When a partition moves to another worker, its state is dropped."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.partitions: dict[int, PartitionState] = {}

    def state_of(self, partition: int) -> PartitionState:
        """Return a partition's state."""
        found = self.partitions.get(partition)
        if found is None:
            found = self.partitions[partition] = PartitionState()
        return found

    def keep(self, partitions: Collection[int]) -> None:
        """Drop the state of all other partitions."""
        self.partitions = {partition: found for partition, found in self.partitions.items() if partition in partitions}

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Do nothing: `DurableTable.recover` does it."""

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Do nothing: `DurableTable.recover` does it."""
