"""Whether a partition is still this worker's, asked before anything is sent.

A worker that was stopped past its session time-out may still hold a batch. Its outputs are repeats with known ids, but
its scores are old ones, and its rows could overwrite newer ones on the changelog.
"""

import asyncio
from time import monotonic

from worker.streams.ordered import OrderedConsumer

#: How often a stale lease is looked at again, in seconds.
_POLL = 0.05


async def lease_holds(consumer: OrderedConsumer, generation: int, session_seconds: float) -> bool:
    """Say whether the lease holds: the same generation, and a heartbeat younger than the session.

    An older heartbeat is waited for: the next one either confirms this worker's place or ends its generation.
    """
    while consumer.holds(generation):
        if consumer.heartbeat_age() < session_seconds:
            return True
        await asyncio.sleep(_POLL)
    return False


async def lease_confirmed(consumer: OrderedConsumer, generation: int) -> bool:
    """Say whether the group confirms the lease from now: by a heartbeat that is asked for after this was called."""
    called = monotonic()
    while consumer.holds(generation):
        if consumer.heartbeat_age() < monotonic() - called:
            return True
        await asyncio.sleep(_POLL)
    return False
