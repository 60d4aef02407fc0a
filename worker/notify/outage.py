"""An outage of the mail server: nobody's mail is to blame, so none of them waits for long.

While it lasts, one mail at a time is tried now and then, in case the server is back; then everything that is due goes
out at once. (Release It!'s circuit breaker, 2nd edition, chapter 5; Postfix calls such a destination dead.)
"""

_FIRST_MS = 1_000
_LONGEST_MS = 30_000


class Outage:
    """Whether there is one, and when the server is tried next. Times in ms, of a clock that only moves forward."""

    def __init__(self) -> None:
        self._wait = 0
        self._until = 0

    @property
    def until(self) -> int | None:
        """When to try again; None if there is no outage."""
        return self._until if self._wait else None

    def begins(self, now: int) -> bool:
        """Take note that the server could not be used. Say whether that is news: what was under way already is not."""
        if self._wait and now < self._until:
            return False
        self._wait = min(self._wait * 2, _LONGEST_MS) or _FIRST_MS
        self._until = now + self._wait
        return True

    def ends(self) -> bool:
        """Take note that the server has talked about a mail. Say whether that is news."""
        ended, self._wait = self._wait > 0, 0
        return ended

    def hands(self, all_of_them: int, now: int) -> int:
        """Return how many mails may be in hand now."""
        if not self._wait:
            return all_of_them
        return 1 if now >= self._until else 0
