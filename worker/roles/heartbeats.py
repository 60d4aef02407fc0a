"""A watch over the heartbeats: the log says when Kafka stops confirming that the worker's consumers are members."""

import asyncio
import logging
from collections.abc import Sequence

from worker.streams.shell import Shell

log = logging.getLogger(__name__)

#: How often the heartbeats are checked at most, in seconds.
_LOOK_SECONDS = 1.0


async def watch_heartbeats(shells: Sequence[Shell], longest: float) -> None:
    """Log when Kafka has confirmed no heartbeat for `longest` seconds, and when it does again.

    The Kafka clients themselves keep trying. `shells` is not empty. This runs until it is cancelled.
    """
    silent, age = False, 0.0
    while True:
        # Before that, the last heartbeat is not too old yet.
        await asyncio.sleep(max(_LOOK_SECONDS, longest - age))
        age = max(shell.consumer.heartbeat_age() for shell in shells)
        if (age > longest) is not silent:
            silent = not silent
            if silent:
                log.warning(
                    "Kafka has not confirmed this worker's place in its group for %.0f s; the worker keeps trying", age
                )
            else:
                log.info("Kafka confirms this worker's place in its group again")
