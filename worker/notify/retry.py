"""When a mail is tried again.

The defaults are Postfix's: minimal_backoff_time, maximal_backoff_time, maximal_queue_lifetime.
"""

from datetime import timedelta

from pydantic import Field

from worker.flow.policy import Section


class RetryPolicy(Section):
    """Backoff between attempts, in seconds, and how long to go on."""

    first_seconds: float = Field(default=300.0, gt=0, le=86_400, description="Until the second attempt.")
    longest_seconds: float = Field(
        default=4_000.0, gt=0, le=86_400, description="Between attempts, at most: the wait doubles up to it."
    )
    give_up_days: float = Field(default=5.0, gt=0, le=365, description="Then the mail counts as failed.")

    def delay(self, attempt: int) -> timedelta:
        """Return the wait after the attempt with this number, from 1: doubling up to the longest."""
        doubled = self.first_seconds * 2.0 ** min(attempt - 1, 30)
        return timedelta(seconds=min(doubled, self.longest_seconds))

    def gives_up(self, age: timedelta) -> bool:
        """Say whether a mail of this age is not tried again."""
        return age > timedelta(days=self.give_up_days)
