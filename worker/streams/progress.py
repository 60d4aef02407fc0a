"""How far a long piece of work is, said now and then."""

import logging
from time import monotonic

log = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0


class Progress:
    """Of a table's recovery: `total` is how many records of its changelog there are to read."""

    def __init__(self, table: str, total: int) -> None:
        self._table = table
        self._total = total
        self._done = 0
        self._said_at = monotonic()

    def count(self, records: int) -> None:
        """Take note of records that were read."""
        self._done += records
        if monotonic() - self._said_at >= _EVERY_SECONDS:
            self._said_at = monotonic()
            percent = 100 * self._done / max(self._total, 1)
            log.info("recovering %s: %.0f %% of %d records", self._table, percent, self._total)
