"""Who wants to know what becomes of records and rows: observers, which are passed in before anything starts."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from faust.types import TP


class ConsumerObserver(Protocol):
    """Knows the state that a consumer's records are made into, and hears what the consumer finds."""

    def stands_at(self, tp: TP) -> int:
        """Return up to which offset a partition's effects are durable; what is committed may not lie beyond."""

    async def on_state_ahead(self, tp: TP, committed: int, generation: int) -> None:
        """Take note of a partition whose committed offset lies beyond, and in which generation that was found."""

    async def check_logs(self, starts: Mapping[TP, int], generation: int) -> Mapping[TP, int]:
        """Compare the logs of partitions, each to be read from an offset, with the state that was made from them.

        Stop the worker if they differ. Return where to go on in those whose log begins later. Raise KafkaError if
        Kafka does not answer.
        """

    def on_settled(self, tps: Iterable[TP]) -> None:
        """Take note of the partitions that this worker has and is about to read."""

    def on_failure(self, error: BaseException) -> None:
        """Take note of what goes wrong meanwhile."""


class TableObserver:
    """Hears of a table's rows (DurableTable.observe). Each method does nothing where an observer has no use for it."""

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Take note of rows that became part of a partition: those of each write, and all of them at a take-over.

        None stands for a row that is gone.
        """

    async def on_giving_up(self) -> None:
        """Finish what is in hand: partitions are about to go to other workers."""

    def on_taken_over(self) -> None:
        """Take note that a take-over is complete: the rows of all partitions held were reported."""

    def superfluous(self, rows: Mapping[bytes, bytes]) -> Iterable[bytes]:
        """Return the keys of rows that are to be erased while their partition is taken over."""
        del rows
        return ()

    async def restate(self, partitions: Collection[int]) -> None:
        """Put right what others may have written elsewhere about partitions that are being taken over.

        Raise KafkaError if Kafka does not answer; it is asked again then.
        """
