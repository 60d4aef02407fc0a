"""The times at which a mail, or something else that a server has not done, is tried again.

The defaults are those of Postfix (minimal_backoff_time, maximal_backoff_time, maximal_queue_lifetime).
"""

from datetime import timedelta
from typing import Any

from pydantic import Field

from worker.section import Section

_DAY_SECONDS = 86_400.0
#: The number of doublings after which any first wait is longer than the longest one.
_DOUBLINGS = 60


def days_until_given_up(what: str) -> Any:
    """Return the field of the setting give_up_days. `what`: what is given up, in words."""
    return Field(
        default=5.0,
        gt=0,
        le=365,
        description=f"Days after which the worker gives up {what}, which has then failed. They are the sum of the "
        "waits between its attempts, without the time of outages.",
    )


class RetryPolicy(Section):
    """The exponential backoff between attempts, and the time after which the worker gives up."""

    first_seconds: float = Field(
        default=300.0, gt=0, le=86_400, description="Seconds between the first and the second attempt."
    )
    longest_seconds: float = Field(
        default=4_000.0,
        gt=0,
        le=86_400,
        description="Longest wait between two attempts, in seconds. Until it is reached, each wait is twice as long as "
        "the one before it.",
    )
    give_up_days: float = days_until_given_up("a mail")

    def delay(self, attempt: int) -> timedelta | None:
        """Return the wait after the attempt with this number, counted from 1; None if it was the last attempt.

        The sum of the waits decides whether it was the last, and not a clock: a clock that jumps cannot make a mail
        fail early.
        """
        wait = self._wait(attempt)
        waited = sum(map(self._wait, range(1, min(attempt, _DOUBLINGS) + 1)))
        waited += max(0, attempt - _DOUBLINGS) * self.longest_seconds
        return None if waited > self.give_up_days * _DAY_SECONDS else timedelta(seconds=wait)

    def _wait(self, attempt: int) -> float:
        return min(self.first_seconds * 2.0 ** min(attempt - 1, _DOUBLINGS), self.longest_seconds)
