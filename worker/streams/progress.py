"""Log lines that say how far a long recovery is."""

import logging
from time import monotonic

log = logging.getLogger(__name__)

_EVERY_SECONDS = 5.0


class Progress:
    """The progress of a table's recovery. `total` is the number of records of its changelog that have to be read."""

    def __init__(self, table: str, total: int) -> None:
        self._table = table
        self._total = total
        self._done = 0
        self._logged_at = monotonic()

    def count(self, records: int) -> None:
        """Add a number of records that were read; log a line if the last one is old enough."""
        self._done += records
        if monotonic() - self._logged_at >= _EVERY_SECONDS:
            self._logged_at = monotonic()
            percent = 100 * self._done / max(self._total, 1)
            log.info("recovering %s: %.0f %% of %d records", self._table, percent, self._total)
