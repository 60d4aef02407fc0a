"""Changes to aiokafka's fetcher, which asks brokers for records: with them, no time is lost between two fetches."""

import time
from collections.abc import Callable
from typing import Any

from aiokafka.errors import NotLeaderForPartitionError, OffsetOutOfRangeError, UnknownTopicOrPartitionError
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from worker.kafka import header_names
from worker.kafka.fetch_sessions import WITH_SESSIONS, FetchSessions, SessionRequest

#: The largest amount of data that a fetch brings from one partition, in bytes.
FETCH_BYTES = 4 * 1024 * 1024
#: How long the broker may let a fetch wait for records, in ms. While no records come, this is the time between two
#: fetches.
FETCH_MS = 500
#: The same, in ms, while some fetched records are not taken yet, or while a delay of a partition is about to end. A
#: fetch that begins then leaves such a partition out, and the partition has to wait until that fetch has ended.
_FETCH_SOME_MS = 20
#: How long aiokafka waits before it fetches again from a broker, while the records that it has fetched from one of the
#: broker's partitions are not taken, in seconds. With aiokafka's own value of 0.1, a busy partition would hold back the
#: others.
_PREFETCH_SECONDS = 0.005

#: The errors by which a broker answers if a topic may have been deleted, created again or cut back. aiokafka then asks
#: for the metadata again, or goes to the beginning of the topic, and reports nothing.
_SUSPICIOUS = {
    error.errno for error in (OffsetOutOfRangeError, UnknownTopicOrPartitionError, NotLeaderForPartitionError)
}


def prepare(
    fetcher: Any, suspect: Callable[[TP], None], next_delay_end: Callable[[], float], sessions: FetchSessions
) -> None:
    """Change aiokafka's fetcher. From then on it loses no time, has sessions, and reads records with any header names.

    `suspect` is called with each partition whose topic may have been deleted, created again or cut back.
    `next_delay_end` returns in how many seconds the next paused partition is to be fetched again. Infinity means that
    there is none.
    """
    header_names.accept_any()
    send = fetcher._client.send

    async def send_and_check(node: Any, request: Any, **options: Any) -> Any:
        if not isinstance(request, FetchRequest):
            return await send(node, request, **options)
        session = sessions.of(node)
        try:
            response = await send(node, SessionRequest(request, session), **options)
        except BaseException:
            # Whether the broker has received it is not known.
            session.give_up()
            raise
        if response.API_VERSION >= WITH_SESSIONS:
            session.hear(response.session_id, response.error_code, int(time.time() * 1_000))
        for topic, partitions in response.topics:
            for partition, code, *_ in partitions:
                if code in _SUSPICIOUS:
                    suspect(TP(topic, partition))
        return response

    fetcher._client.send = send_and_check
    fetcher._prefetch_backoff = _PREFETCH_SECONDS
    fetcher._fetcher_timeout = FETCH_MS / 1_000
    next_actions: Callable[[Any], tuple[Any, ...]] = fetcher._get_actions_per_node

    def actions(assignment: Any) -> tuple[Any, ...]:
        has_untaken = any(not assignment.state_value(tp).paused for tp in fetcher._records)
        longest = 0.0 if has_untaken else min(next_delay_end() * 1_000, FETCH_MS)
        fetcher._fetch_max_wait_ms = max(_FETCH_SOME_MS, int(longest))
        # A fetch that ends while records are being taken counts as under way until the event loop's next turn, although
        # its task has ended. Its broker is then left out, and would be asked again only after aiokafka's time-out.
        just_ended = len(fetcher._in_flight) > len(fetcher._pending_tasks)
        requests, resets, timeout, *rest = next_actions(assignment)
        return requests, resets, 0 if just_ended else timeout, *rest

    fetcher._get_actions_per_node = actions
