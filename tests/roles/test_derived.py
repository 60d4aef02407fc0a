"""What is derived from a partition's rows and kept in memory."""

import gc
import weakref

from worker.kafka.rows import Fence, PartitionState
from worker.roles.derived import Derived


def test_what_is_kept_beside_a_partition_lasts_until_somebody_else_may_have_written_its_rows() -> None:
    partition, other = PartitionState(), PartitionState()
    indexes = Derived(lambda state: [state.rows])
    first = indexes.of(partition)
    assert indexes.of(partition) is first
    assert indexes.of(other) is not first
    assert indexes.of(partition) is first

    partition.own = Fence(0, 1)
    second = indexes.of(partition)
    assert second is not first
    assert second[0] is partition.rows
    assert indexes.of(other) is not second


def test_what_is_derived_goes_with_the_state_of_a_partition_that_is_given_away() -> None:
    """The rows may be those of customers whom the next worker erases."""

    class Rows(dict[bytes, bytes]):
        pass

    indexes, partition = Derived(lambda state: [state.rows]), PartitionState()
    partition.rows = Rows()
    rows = weakref.ref(partition.rows)
    indexes.of(partition)
    del partition
    gc.collect()
    assert rows() is None
