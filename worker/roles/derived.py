"""What is derived from the rows of a partition, and kept in memory only."""

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from worker.kafka.rows import Fence, PartitionState

T = TypeVar("T")


class Derived(Generic[T]):
    """What is derived from the rows of each partition of a table, as `derive` returns it. `derive` keeps no state."""

    def __init__(self, derive: Callable[[PartitionState], T]) -> None:
        self._derive = derive
        # The state of a partition that moves to another worker is dropped, and what is derived from it as well.
        self._of: WeakKeyDictionary[PartitionState, tuple[Fence, T]] = WeakKeyDictionary()

    def of(self, state: PartitionState) -> T:
        """Return what is derived for a partition. It is made again after each take-over, since rows may be new."""
        known = self._of.get(state)
        if known is None or known[0] != state.own:
            known = self._of[state] = state.own, self._derive(state)
        return known[1]
