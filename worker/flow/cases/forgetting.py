"""Cases that ended long ago, or that nobody has touched for long: they are erased, though no record is about them.

Whether a case counts as forgotten depends on its content and on the latest Kafka time of its partition alone. So it
makes no difference when a row is checked (worker/flow/responses/expiry.py does the same for customers).
"""

from collections.abc import Mapping

from worker.flow.cases.case import Cases, decode_cases, encode_cases, has_forgotten, remaining
from worker.flow.policy import CasePolicy
from worker.flow.sweeping import Rounds

#: The number of rows that are checked with each batch, which takes a fraction of a millisecond. Ticks are batches too.
ROWS_PER_BATCH = 200


class Sweep:
    """Finds rows with forgotten cases in one partition."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rounds = Rounds(rows, ROWS_PER_BATCH)

    def changes(self, time: int, policy: CasePolicy) -> dict[bytes, bytes | None]:
        """Check the next rows at a time, in ms. Return the rows that change; None stands for a row to erase."""
        found: dict[bytes, bytes | None] = {}
        for key, row in self._rounds.next_rows(time):
            if has_forgotten(row, time, policy):
                kept = remaining(decode_cases(row).cases, time, policy)
                found[key] = encode_cases(Cases(kept)) if kept else None
        return found
