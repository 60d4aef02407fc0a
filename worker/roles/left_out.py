"""A warning about segments that are not counted, because there are more than the settings allow."""

import logging
from time import monotonic

from worker.flow.batch import Decided

log = logging.getLogger(__name__)

#: The shortest time between two warnings about one partition, in seconds.
_QUIET_SECONDS = 600.0


class LeftOutWarnings:
    """Warns about the segments that each partition leaves out, at most every ten minutes.

    No name is logged, since it may be personal data: usually the cause is a survey of its own for each customer.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._warned: dict[int, float] = {}

    def warned_of(self, decided: Decided, partition: int) -> Decided:
        """Return `decided` after a warning if it leaves segments out. The rest of the batch is treated likewise."""
        now = monotonic()
        if decided.segments_left_out and now - self._warned.get(partition, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._warned[partition] = now
            log.warning(
                "There are more segments and surveys than segments.most = %d: partition %d has just left out %d new "
                "ones. Answers to them count only for the segments above them. Does each customer get a survey or a "
                "segment of their own?",
                self._most,
                partition,
                decided.segments_left_out,
            )
        rest = decided.rest
        return decided if rest is None else decided._replace(rest=lambda: self.warned_of(rest(), partition))
