"""A deadline for the end of the process: a process that still runs then is ended, with the exit code it should have.

A thread keeps the deadline, because what hangs may be the event loop itself (Faust's stop waits there for a thread), a
task that ignores being cancelled, or another thread: `asyncio.run` and Python's own end wait for these for ever.
"""

import logging
import os
import threading

log = logging.getLogger(__name__)


def end_within(seconds: float, code: int, why: str) -> threading.Timer:
    """End the process after so many seconds with this exit code, unless the timer is cancelled before."""
    timer = threading.Timer(seconds, end_at_once, [code, why])
    timer.daemon = True
    timer.start()
    return timer


def end_at_once(code: int, why: str) -> None:
    """End the process without another word to Kafka: what is not committed will be read again."""
    level = logging.CRITICAL if code else logging.WARNING
    log.log(level, "stopped at once: %s; what is not committed will be read again", why)
    os._exit(code)
