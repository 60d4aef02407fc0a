"""Cases that ended long ago, or that nobody has touched for long: they are erased, though no record is about them.

Whether a case counts as forgotten depends on its content and on the latest Kafka time of its partition alone. So it
makes no difference when a row is checked (worker/flow/responses/expiry.py does the same for customers).
"""

from collections.abc import Mapping

from worker.flow.cases.case import Cases, decode_cases, encode_cases, has_forgotten, remaining
from worker.flow.policy import CasePolicy
from worker.flow.timestamps import DAY

#: The number of rows that are checked with each batch, which takes a fraction of a millisecond. Ticks are batches too.
ROWS_PER_BATCH = 200


class Sweep:
    """Finds rows with forgotten cases in one partition, in rounds.

    A round takes the rows that there are at its beginning. The next round begins a day later, by Kafka's time. How far
    a round has come is kept in memory only: a worker that takes the partition over begins a new round.
    """

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._unchecked: list[bytes] = []
        self._next_round = 0

    def changes(self, time: int, policy: CasePolicy) -> dict[bytes, bytes | None]:
        """Check the next rows at a time, in ms. Return the rows that change; None stands for a row to erase."""
        if not self._unchecked and time >= self._next_round:
            self._unchecked = list(self._rows)
            self._next_round = time + DAY
        checked = self._unchecked[-ROWS_PER_BATCH:]
        del self._unchecked[-ROWS_PER_BATCH:]
        found: dict[bytes, bytes | None] = {}
        for key in checked:
            row = self._rows.get(key)
            if row is not None and has_forgotten(row, time, policy):
                kept = remaining(decode_cases(row).cases, time, policy)
                found[key] = encode_cases(Cases(kept)) if kept else None
        return found
