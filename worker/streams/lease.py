"""Whether a partition is still this worker's, asked before rows are written.

A worker that was stopped past its session time-out may still hold a batch. Its outputs are repeats with known ids, but
its rows could overwrite newer ones on the changelog.
"""

import asyncio

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
