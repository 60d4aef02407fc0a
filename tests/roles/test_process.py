"""The process role: what it derives from a partition's rows and keeps in memory."""

from worker.kafka.rows import Fence, PartitionState
from worker.roles.process import _Indexes


def test_what_is_kept_beside_a_partition_lasts_until_somebody_else_may_have_written_its_rows() -> None:
    indexes, partition, other = _Indexes(), PartitionState(), PartitionState()
    first = indexes.of(0, partition)
    assert indexes.of(0, partition) is first
    assert indexes.of(1, other) is not first
    assert indexes.of(0, partition) is first

    partition.own = Fence(0, 1)
    second = indexes.of(0, partition)
    assert second.holders is not first.holders
    assert second.sweep is not first.sweep
    assert indexes.of(0, other) is not second
