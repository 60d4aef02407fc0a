"""What is derived from a partition's rows and kept in memory."""

import gc
import weakref
from typing import cast

from flow.cases.following import step
from flow.records import NOW

from worker.flow.cases.case import Cases, encode_cases, opened
from worker.flow.cases.service import Due, Timer, TimerKind
from worker.kafka.rows import Fence, PartitionState
from worker.roles.derived import Derived
from worker.roles.process import Timers
from worker.streams.table import DurableTable


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


def test_the_timers_of_a_partition_are_those_of_its_rows_and_are_found_again_after_a_take_over() -> None:
    class Table:
        """The states of a table's partitions."""

        def __init__(self) -> None:
            self.states = {0: PartitionState(), 1: PartitionState()}

        def state_of(self, partition: int) -> PartitionState:
            return self.states[partition]

    def row(at: int) -> bytes:
        return encode_cases(Cases([opened(step(), Due(at, None, [Timer(at, TimerKind.REMIND)]))]))

    table = Table()
    timers = Timers(cast(DurableTable, table))
    timers.on_rows(0, {b"c-1": row(NOW), b"c-2": row(NOW + 5)})
    assert (timers.next_at(0), timers.next_at(1)) == (NOW, None)
    timers.on_rows(0, {b"c-1": None})
    assert timers.next_at(0) == NOW + 5

    table.states[0].own = Fence(0, 1)  # another worker has erased the second row meanwhile
    timers.on_rows(0, {b"c-3": row(NOW + 9)})
    assert timers.next_at(0) == NOW + 9
    assert list(timers.of(table.states[0]).due(NOW + 9)) == [(NOW + 9, b"c-3")]
