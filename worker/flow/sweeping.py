"""Looking at the rows of a partition in turn, a few with each batch, to find those that can be erased. Pure."""

from collections.abc import Callable, Iterator, Mapping

from worker.flow.timestamps import DAY


class Rounds:
    """The rows of one partition in rounds, `rows_per_batch` of them at a time.

    A round takes the rows that there are at its beginning. The next round begins a day later, by Kafka's time. How far
    a round has come is kept in memory only: a worker that takes the partition over begins a new round. `takes` says by
    its key whether a row is looked at.
    """

    def __init__(
        self, rows: Mapping[bytes, bytes], rows_per_batch: int, takes: Callable[[bytes], bool] = lambda _: True
    ) -> None:
        self._rows = rows
        self._rows_per_batch = rows_per_batch
        self._takes = takes
        self._unchecked: list[bytes] = []
        self._next_round = 0

    def next_rows(self, time: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the next rows with their keys, without those that were erased since the round began. `time`: in ms."""
        if not self._unchecked and time >= self._next_round:
            self._unchecked = [key for key in self._rows if self._takes(key)]
            self._next_round = time + DAY
        checked = self._unchecked[-self._rows_per_batch :]
        del self._unchecked[-self._rows_per_batch :]
        for key in checked:
            row = self._rows.get(key)
            if row is not None:
                yield key, row
