"""The pace of requests to an API that allows only so many within a minute. Pure."""

_MINUTE_MS = 60_000


class Pace:
    """Spreads requests evenly, so that no minute has more of them than is allowed. Times are in ms."""

    def __init__(self, per_minute: int) -> None:
        self._between = _MINUTE_MS / per_minute
        self._next = 0.0

    def turn(self, now: int) -> int:
        """Return when the next request may be sent, which counts as sent then."""
        at = max(float(now), self._next)
        self._next = at + self._between
        return round(at)
