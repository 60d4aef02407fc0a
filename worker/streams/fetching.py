"""How aiokafka's fetcher asks brokers for records: without losing time between one fetch and the next."""

from collections.abc import Callable
from typing import Any

from worker.streams import header_names

#: How long the broker may let a fetch wait for records, in ms; Faust has 1,500. Records that are not taken yet hold
#: their partition back: the fetch that is under way does not ask for it, and it has to wait for that one's end.
FETCH_MS = 200
_FETCH_SOME_MS = 20
#: How long aiokafka lets all of a broker's partitions wait while what it has fetched of one is not taken, in seconds.
#: It has 0.1: a busy partition would hold back the others for so long.
_PREFETCH_SECONDS = 0.005


def prepare(fetcher: Any) -> None:
    """Have aiokafka's fetcher lose no time, and read whatever lies there."""
    header_names.accept_any()
    fetcher._prefetch_backoff = _PREFETCH_SECONDS
    next_actions: Callable[[Any], tuple[Any, ...]] = fetcher._get_actions_per_node

    def actions(assignment: Any) -> tuple[Any, ...]:
        fetcher._fetch_max_wait_ms = _FETCH_SOME_MS if fetcher._records else FETCH_MS
        # A fetch that ends while records are taken is no task any more but still under way, until the loop's next turn:
        # its broker is passed over, and nobody would look again for 0.2 s.
        just_ended = len(fetcher._in_flight) > len(fetcher._pending_tasks)
        requests, resets, timeout, *rest = next_actions(assignment)
        return requests, resets, 0 if just_ended else timeout, *rest

    fetcher._get_actions_per_node = actions
