"""A changelog that is followed: its rows are given to a store, without those of zombies and those of the engine."""

from collections.abc import Callable

from aiokafka import ConsumerRecord

from worker.kafka.rows import PartitionState

#: Takes in a row of a partition: its key, and the row; None if it was erased.
TakeRow = Callable[[bytes, bytes | None, int], None]
#: How the keys of rows begin that are not about a customer or a segment: heads, pieces of journals, and clocks.
_OF_ENGINE = b"\x00"


class Changelog:
    """Reads the records of a changelog."""

    def __init__(self, take: TakeRow, forget: Callable[[int], None]) -> None:
        self._take = take
        self._forget = forget
        self._states: dict[int, _Passing] = {}

    def take(self, record: ConsumerRecord) -> None:
        """Take in a record. It raises what the store raises."""
        state = self._states.get(record.partition)
        if state is None:
            state = self._states[record.partition] = _Passing(self._take, record.partition)
        state.apply(record.offset, record.key or b"", record.value, list(record.headers))

    def forget(self, partition: int) -> None:
        """Forget a partition, since the changelog was deleted and created again."""
        self._states.pop(partition, None)
        self._forget(partition)


class _Passing(PartitionState):
    """The state of a partition that keeps no rows, but passes them on."""

    def __init__(self, take: TakeRow, partition: int) -> None:
        super().__init__()
        self._take = take
        self._partition = partition

    def put(self, key: bytes, row: bytes | None) -> None:
        """Pass a row on; None removes it."""
        if not key.startswith(_OF_ENGINE):
            self._take(key, row, self._partition)
