"""Who wants to know what becomes of a table's rows: an observer, which is passed to DurableTable.observe."""

from collections.abc import Collection, Iterable, Mapping


class TableObserver:
    """Hears of a table's rows. Each method does nothing where an observer has no use for it."""

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Take note of rows that became part of a partition: those of each write, and all of them at a take-over.

        None stands for a row that is gone.
        """

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
