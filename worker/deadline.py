"""A deadline for the end of the process: if the process still runs then, it is ended with the right exit code.

A thread waits for the deadline, because the event loop itself may be blocked (Faust's stop waits there for a thread).
Tasks that ignore their cancellation, and other threads, may hang too: `asyncio.run` and the end of Python wait for them
without a limit.
"""

import logging
import os
import threading

log = logging.getLogger(__name__)


def end_within(seconds: float, code: int, why: str) -> threading.Timer:
    """End the process after this time with the exit code `code`, unless the timer is cancelled before.

    `why` is the reason, for the log.
    """
    timer = threading.Timer(seconds, end_at_once, [code, why])
    timer.daemon = True
    timer.start()
    return timer


def end_at_once(code: int, why: str) -> None:
    """End the process without any further request to Kafka. What is not committed will be read again."""
    level = logging.CRITICAL if code else logging.WARNING
    log.log(level, "stopped at once: %s; what is not committed will be read again", why)
    os._exit(code)
