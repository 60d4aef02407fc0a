"""A change to aiokafka: a fetch that is cancelled always ends without an error.

After a failed fetch, aiokafka waits a moment before it tries again. If the consumer is stopped in this moment, which is
likely while Kafka is away, the CancelledError of the fetch comes out of `stop()`. The client then stays open, and the
task that stops the consumer ends as if it had been cancelled itself, and nothing is logged. aiokafka only handles the
cancellation of a fetch that waits for its answer. This change handles that of every fetch.
"""

import asyncio
import functools
from typing import Any

from aiokafka.consumer.fetcher import Fetcher

_original = Fetcher._proc_fetch_request


@functools.wraps(_original)
async def _proc_fetch_request(fetcher: Fetcher, *request: Any) -> bool:
    """Fetch as aiokafka does; return whether records have come. A cancelled fetch has brought none."""
    try:
        return bool(await _original(fetcher, *request))
    except asyncio.CancelledError:
        return False


def end_when_cancelled() -> None:
    """Change the fetches of all of aiokafka's consumers in this process."""
    Fetcher._proc_fetch_request = _proc_fetch_request
