"""Whether Kafka still confirms the places of a worker's consumers in their groups; the log says when that changes."""

import asyncio
import logging
from collections.abc import Sequence

from worker.streams.shell import Shell

log = logging.getLogger(__name__)

#: How often the heartbeats are looked at, in seconds.
_LOOK_SECONDS = 1.0


async def watch_heartbeats(shells: Sequence[Shell], longest: float) -> None:
    """Log when Kafka falls silent for `longest` seconds and when it is back; the clients themselves keep trying.

    `shells` is not empty. This ends when it is cancelled.
    """
    silent = False
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        age = max(shell.consumer.heartbeat_age() for shell in shells)
        if (age > longest) is not silent:
            silent = not silent
            if silent:
                log.warning(
                    "Kafka has not confirmed this worker's place in its group for %.0f s; the worker keeps trying", age
                )
            else:
                log.info("Kafka confirms this worker's place in its group again")
