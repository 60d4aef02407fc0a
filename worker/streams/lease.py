"""The lease: whether this worker still owns its partitions. It is checked before anything is sent.

A worker that was suspended for longer than its session time-out may still have a batch in memory. The outputs of that
batch are repeats with known ids. But its scores are outdated, and its rows could overwrite newer rows on the changelog.
"""

import asyncio
from time import monotonic

from worker.streams.ordered import OrderedConsumer

#: How long to wait before an unconfirmed lease is checked again, in seconds.
_POLL_SECONDS = 0.05


async def lease_holds(consumer: OrderedConsumer, generation: int, session_seconds: float) -> bool:
    """Say whether the lease holds: the generation is the same, and the last heartbeat is younger than the session.

    If the last heartbeat is older, wait for the next one: it either confirms that this worker is a member, or ends its
    generation.
    """
    while consumer.holds(generation):
        if consumer.heartbeat_age() < session_seconds:
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


async def lease_confirmed(consumer: OrderedConsumer, generation: int) -> bool:
    """Say whether the group confirms the lease by a heartbeat that is sent after the beginning of this call."""
    called = monotonic()
    while consumer.holds(generation):
        if consumer.heartbeat_age() < monotonic() - called:
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False
