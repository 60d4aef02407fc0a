"""A throttle for log lines that could otherwise be written with every record."""

from collections.abc import Callable
from time import monotonic


class Throttle:
    """Allows the first line at once, and each further line `seconds` after the last one at the earliest."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._quiet_until = clock()

    def allows(self) -> bool:
        """Say whether a line may be written now. If so, it counts as written."""
        now = self._clock()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + self._seconds
        return True
