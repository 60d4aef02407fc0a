"""Answers to which no part has come for some days: they are erased, though no record is about them. Pure.

Whether a row counts as forgotten depends on its content and on the latest Kafka time of its partition alone. So it
makes no difference when it is checked: until it is erased, it counts as one that is not there.
"""

from collections.abc import Mapping

from worker.flow.responses.merged.answer import changed_at
from worker.flow.sweeping import Rounds

#: The number of rows that are checked with each batch, which takes a fraction of a millisecond.
ROWS_PER_BATCH = 200


def is_forgotten(row: bytes, time: int, kept: int) -> bool:
    """Say whether a row counts as erased at a time, in ms. `kept`: how long it is kept after its last part, in ms."""
    return time - changed_at(row) > kept


class Sweep:
    """Finds forgotten answers in one partition."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rounds = Rounds(rows, ROWS_PER_BATCH)

    def changes(self, time: int, kept: int) -> dict[bytes, bytes | None]:
        """Check the next rows at a time, in ms; return those to erase, with None in place of the row."""
        return {key: None for key, row in self._rounds.next_rows(time) if is_forgotten(row, time, kept)}
