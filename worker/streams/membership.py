"""A worker's membership in its consumer group: the thread that joins the group, sends heartbeats, and reports failures.

If joining a group fails, aiokafka keeps the error and pauses until `getmany` is called. Faust never calls it, so the
worker would wait for ever without a message.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaError, StaleMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from worker.errors import MembershipLost

log = logging.getLogger(__name__)

#: The key under which aiokafka keeps its first connection, until it knows a broker.
_BOOTSTRAP = ("bootstrap", ConnectionGroup.DEFAULT)
#: How long to wait before joining the group again after a transient error, in seconds.
_RETRY_SECONDS = 0.5
#: How often aiokafka's fetcher looks for something to fetch, in seconds. All of its partitions are paused.
_NOTHING_TO_FETCH_SECONDS = 60.0

Call = Callable[..., Awaitable[Any]]


class MemberThread(driver.AIOKafkaConsumerThread):
    """The thread of the consumer. It also keeps the time of the last successful heartbeat."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: The time.monotonic() at which the last heartbeat was sent that the coordinator accepted. Before the first one
        #: it is the time at which this object was made.
        self.heartbeat_at = monotonic()

    async def on_start(self) -> None:
        """Start the thread, and patch aiokafka's fetcher and coordinator."""
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        fetcher._fetcher_timeout = _NOTHING_TO_FETCH_SECONDS
        fetcher._fetch_task.add_done_callback(self._on_fetching_end)
        self._patch(self._ensure_consumer()._coordinator)

    def _patch(self, coordinator: Any) -> None:
        """Replace functions of aiokafka's coordinator by methods of this class, which call them."""
        client = coordinator._client
        client.coordinator_lookup = partial(self._look_up, client, client.coordinator_lookup)
        coordinator._perform_assignment = partial(self._assign, client, coordinator._perform_assignment)
        coordinator._do_heartbeat = partial(self._heartbeat, coordinator._do_heartbeat)
        coordinator._push_error_to_user = partial(self._on_error, coordinator)
        coordinator._coordination_task.add_done_callback(self._on_coordination_end)

    @staticmethod
    async def _look_up(client: Any, look_up: Call, *what: Any) -> Any:
        """Ask which broker coordinates the group; raise StaleMetadata if no broker is known.

        While the controller does not count a broker as alive, that broker's metadata name no broker, not even itself.
        aiokafka asserts that it knows a broker, and its coordination would end for good.
        """
        if client.get_random_node() is None:
            if _BOOTSTRAP not in client._conns:
                await client.bootstrap()
            raise StaleMetadata
        return await look_up(*what)

    async def _assign(self, client: Any, assign: Call, *joined: Any) -> Any:
        """Assign the partitions to the members, once the metadata of all topics are known.

        A broker may not know a topic yet that was just created. Without the wait, that topic would be left out, and
        this worker would be ready without having any partition of it.
        """
        for topic in self._ensure_consumer().subscription():
            await client._wait_on_metadata(topic)
        return await assign(*joined)

    async def _heartbeat(self, send: Call) -> bool:
        # The answer may have waited while this process was suspended. It only confirms the time of the request.
        sent_at = monotonic()
        accepted = bool(await send())
        if accepted:
            self.heartbeat_at = sent_at
        return accepted

    async def _on_error(self, coordinator: Any, error: KafkaError) -> None:
        if error.retriable:
            log.warning(
                "%s: joining the group failed (%s); the worker tries again", self.app.conf.id, type(error).__name__
            )
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            await self._crash_as_lost(error)
            await asyncio.wait([coordinator._closing])

    def _on_coordination_end(self, coordination: asyncio.Task[None]) -> None:
        if not coordination.cancelled() and (error := coordination.exception()) is not None:
            self.add_future(self._crash_as_lost(error))

    def _on_fetching_end(self, fetching: asyncio.Task[None]) -> None:
        """Crash if aiokafka's fetcher has failed, although it fetches nothing here: nothing ends unnoticed."""
        if not fetching.cancelled() and (error := fetching.exception()) is not None:
            self.add_future(self.crash(error))

    async def _crash_as_lost(self, error: BaseException) -> None:
        reason = MembershipLost(f"{self.app.conf.id} cannot be joined: {error}")
        reason.__cause__ = error
        await self.crash(reason)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the partitions over; crash if that fails."""
        self.heartbeat_at = monotonic()
        try:
            # The consumer reads nothing: inflow.py reads the source partitions, and recovery.py the changelogs, which
            # are assigned so that a worker gets them together with their sources.
            self._ensure_consumer().pause(*(TopicPartition(*tp) for tp in assigned))
            await super().on_partitions_assigned(assigned, generation_id)
        except Exception as error:
            # aiokafka would only log the error, and the worker would wait for ever.
            await self.crash(error)
            raise

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # A publisher's aborted transaction is skipped, as in inflow.py. Faust sets this only for its own exactly-once
        # mode.
        consumer._isolation_level = "read_committed"
        return consumer

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Do nothing: Faust would print the error's text. The log has its type, and the reason for the stop."""

    async def _keepalive2(self) -> None:
        """Do nothing: Faust would log an error whenever this process was suspended or slow for some seconds.

        If that matters, it shows in the age of the last heartbeat (`heartbeat_at`), and in the group.
        """

    @Service.task
    async def _thread_keepalive(self) -> None:
        """Do nothing: Faust would wake this thread every second. What it has to do wakes its event loop by itself."""

    @property
    def generation(self) -> int:
        """The group's generation as the coordinator knows it now; -1 once the group has removed this worker."""
        return int(self._ensure_consumer()._coordinator.generation)
