"""How aiokafka's fetcher asks brokers for records: without losing time between one fetch and the next."""

from collections.abc import Callable
from typing import Any

from aiokafka.errors import NotLeaderForPartitionError, OffsetOutOfRangeError, UnknownTopicOrPartitionError
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from worker.kafka import header_names

#: How long the broker may let a fetch wait for records, in ms; Faust has 1,500. Records that are not taken yet hold
#: their partition back: the fetch that is under way does not ask for it, and it has to wait for that one's end.
FETCH_MS = 200
_FETCH_SOME_MS = 20
#: How long aiokafka lets all of a broker's partitions wait while what it has fetched of one is not taken, in seconds.
#: It has 0.1: a busy partition would hold back the others for so long.
_PREFETCH_SECONDS = 0.005


#: What a broker answers where a topic may have been deleted, made anew or cut back: aiokafka asks for its metadata
#: again, or goes to its beginning, and says nothing.
_SUSPICIOUS = {
    error.errno for error in (OffsetOutOfRangeError, UnknownTopicOrPartitionError, NotLeaderForPartitionError)
}


def prepare(fetcher: Any, suspect: Callable[[TP], None]) -> None:
    """Have aiokafka's fetcher lose no time, read whatever lies there, and name partitions whose log may be another."""
    header_names.accept_any()
    send = fetcher._client.send

    async def watched(node: Any, request: Any, **options: Any) -> Any:
        response = await send(node, request, **options)
        if isinstance(request, FetchRequest):
            for topic, partitions in response.topics:
                for partition, code, *_ in partitions:
                    if code in _SUSPICIOUS:
                        suspect(TP(topic, partition))
        return response

    fetcher._client.send = watched
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
