"""The process role: what it derives from a partition's rows and keeps in memory."""

from worker.kafka.rows import Fence, PartitionState
from worker.roles.process import _Derived


def test_what_is_kept_beside_a_partition_lasts_until_somebody_else_may_have_written_its_rows() -> None:
    partition, other = PartitionState(), PartitionState()
    indexes: _Derived[list[PartitionState]] = _Derived(lambda state: [state])
    first = indexes.of(0, partition)
    assert indexes.of(0, partition) is first
    assert indexes.of(1, other) is not first
    assert indexes.of(0, partition) is first

    partition.own = Fence(0, 1)
    second = indexes.of(0, partition)
    assert second is not first
    assert (first, second) == ([partition], [partition])
    assert indexes.of(0, other) is not second
