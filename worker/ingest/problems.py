"""Log lines about deliveries that are not taken: one a minute for each source and kind, whoever sends whatever."""

import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic

from worker.throttle import Throttle

log = logging.getLogger(__name__)

#: The time after a line within which no other line of the same kind is written, in seconds.
_QUIET_SECONDS = 60.0


class Problems:
    """Writes such lines. There are as many kinds as sources and words for their problems, which are few."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._throttles: dict[tuple[str, str], Throttle] = {}
        self._unwritten = Counter[tuple[str, str]]()

    def report(self, source: str, kind: str, request_id: str, text: str) -> None:
        """Write a line about a delivery, or count it until the next line of its kind. No part is from a stranger."""
        key = source, kind
        throttle = self._throttles.get(key)
        if throttle is None:
            throttle = self._throttles[key] = Throttle(_QUIET_SECONDS, self._clock)
        if not throttle.allows():
            self._unwritten[key] += 1
            return
        more = self._unwritten.pop(key, 0)
        before = f"; {more:,} more since the last such line" if more else ""
        log.warning("source %s: %s: %s (request %s)%s", source, kind, text, request_id, before)
