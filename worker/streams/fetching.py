"""Changes to aiokafka's fetcher, which asks brokers for records.

With them, no time is lost between two fetches. While no records come for some time, a fetch waits for longer, since an
idle worker does hardly anything else.
"""

import time
from collections.abc import Callable
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.errors import (
    KafkaConnectionError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from worker.kafka import header_names
from worker.kafka.fetch_sessions import WITH_SESSIONS, FetchSession, FetchSessions, SessionRequest

#: The largest amount of data that a fetch brings from one partition, in bytes.
FETCH_BYTES = 4 * 1024 * 1024
#: How long the broker may let a fetch wait for records, in ms.
FETCH_MS = 500
#: The same, in ms, if no records have come for `_REST_SECONDS` and no partition is left out. An idle worker fetches at
#: this interval. Records end a fetch at once, however long it may wait.
LONG_FETCH_MS = 5_000
_REST_SECONDS = 2.0
#: How much longer than a fetch aiokafka waits until it looks for something to do, although nothing has happened. If it
#: were the same time, it would look twice for each fetch.
_LONGER = 1.25
#: The same, in ms, while some fetched records are not taken yet, or while a delay of a partition is about to end. A
#: fetch that begins then leaves such a partition out, and the partition has to wait until that fetch has ended.
_FETCH_SOME_MS = 20
#: How long aiokafka waits before it fetches again from a broker, while the records that it has fetched from one of the
#: broker's partitions are not taken, in seconds. With aiokafka's own value of 0.1, a busy partition would hold back the
#: others.
_PREFETCH_SECONDS = 0.005
#: uvloop rounds a time to whole milliseconds, also down. So a timer may end too early by this time, in seconds.
#: Who looks at the clock then would find that there is still a moment to wait, and would look again and again.
TIMER_SECONDS = 0.0005

#: The errors by which a broker answers if a topic may have been deleted, created again or cut back. aiokafka then asks
#: for the metadata again, or goes to the beginning of the topic, and reports nothing.
_SUSPICIOUS = {
    error.errno for error in (OffsetOutOfRangeError, UnknownTopicOrPartitionError, NotLeaderForPartitionError)
}


class _NoAnswer:
    """Stands for the answer to a fetch that was ended before its time. It is about no partition."""

    API_VERSION = 0
    topics = ()


class Fetching:
    """Changes aiokafka's fetcher. It then loses no time, has sessions, and reads records with any header names.

    `suspect` is called with each partition whose topic may have been deleted, created again or cut back.
    `next_delay_end` returns in how many seconds the next paused partition is to be fetched again. Infinity means that
    there is none. `has_paused` says whether any partition is paused.
    """

    def __init__(
        self,
        fetcher: Any,
        sessions: FetchSessions,
        *,
        suspect: Callable[[TP], None],
        next_delay_end: Callable[[], float],
        has_paused: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        header_names.accept_any()
        self._fetcher = fetcher
        self._sessions = sessions
        self._suspect = suspect
        self._next_delay_end = next_delay_end
        self._has_paused = has_paused
        self._clock = clock
        # The time before which no fetch begins.
        self._held_until = 0.0
        # When records came last, or other records were asked for.
        self._records_at = clock()
        # The brokers that are being asked by a fetch which may wait for long, and those of them that are not to answer.
        self._long: set[Any] = set()
        self._ended: set[Any] = set()
        self._original_send = fetcher._client.send
        self._original_actions: Callable[[Any], tuple[Any, ...]] = fetcher._get_actions_per_node
        fetcher._client.send = self._send
        fetcher._get_actions_per_node = self._actions
        fetcher._prefetch_backoff = _PREFETCH_SECONDS

    def hold_until(self, moment: float) -> None:
        """Begin no fetch before a time, by the clock."""
        self._held_until = moment

    def end_long_fetches(self) -> None:
        """End the fetches that may wait for long, since other records are to be fetched now.

        A broker answers a connection's requests one after the other, so the next fetch would wait for the end of the
        last one. Therefore the connection is closed. aiokafka opens another one for its next request.
        """
        self._records_at = self._clock()
        client = self._fetcher._client
        for node in self._long - self._ended:
            connection = client._conns.get((node, ConnectionGroup.DEFAULT))
            if connection is not None:
                self._ended.add(node)
                connection.close()

    async def _send(self, node: Any, request: Any, **options: Any) -> Any:
        if not isinstance(request, FetchRequest):
            return await self._original_send(node, request, **options)
        session = self._sessions.of(node)
        if request._max_wait_ms > FETCH_MS:
            self._long.add(node)
        try:
            response = await self._original_send(node, SessionRequest(request, session), **options)
        except BaseException as error:
            # Whether the broker has received it is not known.
            session.give_up()
            if node in self._ended and isinstance(error, KafkaConnectionError):
                return _NoAnswer
            raise
        finally:
            self._long.discard(node)
            self._ended.discard(node)
        self._note(session, response)
        return response

    def _note(self, session: FetchSession, response: Any) -> None:
        """Note what a broker has answered to a fetch."""
        if response.API_VERSION >= WITH_SESSIONS:
            session.hear(response.session_id, response.error_code, int(time.time() * 1_000))
        for topic, partitions in response.topics:
            for partition, code, *_, records in partitions:
                if code in _SUSPICIOUS:
                    self._suspect(TP(topic, partition))
                if records:
                    self._records_at = self._clock()

    def _actions(self, assignment: Any) -> tuple[Any, ...]:
        held = self._held_until - self._clock()
        if held > 0:
            return [], {}, held + TIMER_SECONDS, False, []
        fetcher = self._fetcher
        wait = max(_FETCH_SOME_MS, self._longest_wait(assignment))
        fetcher._fetch_max_wait_ms = wait
        fetcher._fetcher_timeout = _LONGER * max(wait, FETCH_MS) / 1_000
        # A fetch that ends while records are being taken counts as under way until the event loop's next turn, although
        # its task has ended. Its broker is then left out, and would be asked again only after aiokafka's time-out.
        just_ended = len(fetcher._in_flight) > len(fetcher._pending_tasks)
        requests, resets, timeout, *rest = self._original_actions(assignment)
        return requests, resets, 0 if just_ended else timeout, *rest

    def _longest_wait(self, assignment: Any) -> int:
        """Return how long the next fetch may wait, in ms. What it leaves out is then to be fetched."""
        if any(not assignment.state_value(tp).paused for tp in self._fetcher._records):
            return 0
        if not self._has_paused() and self._clock() - self._records_at >= _REST_SECONDS:
            return LONG_FETCH_MS
        return int(min(self._next_delay_end() * 1_000, FETCH_MS))
