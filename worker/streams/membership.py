"""A worker's place in its group: the consumer's thread, which joins, stays by its heartbeats, and says if that fails.

If joining a group fails, aiokafka keeps the error, and pauses, until somebody calls its `getmany`. Faust never does:
the worker would wait for ever, and nothing would say so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaError, StaleMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from worker.errors import MembershipLost
from worker.streams.fetching import FETCH_MS, prepare
from worker.streams.transactions import Known

log = logging.getLogger(__name__)

#: Where aiokafka keeps the connection it began with, until it knows a broker.
_BOOTSTRAP = ("bootstrap", ConnectionGroup.DEFAULT)
#: Before the group is joined again after an error that may pass, in seconds.
_RETRY_SECONDS = 0.5

Call = Callable[..., Awaitable[Any]]


class MemberThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread, which also keeps the time of the last good heartbeat."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: time.monotonic() of the last heartbeat that the coordinator accepted; before the first, when this was made.
        self.heartbeat_at = monotonic()

    async def on_start(self) -> None:
        """Start, and attend to the coordinator."""
        await super().on_start()
        fetcher = self._ensure_consumer()._fetcher
        prepare(fetcher, cast(Any, self.consumer).suspect)
        fetcher._fetch_task.add_done_callback(self._on_fetching_end)
        self._attend(self._ensure_consumer()._coordinator)

    def _attend(self, coordinator: Any) -> None:
        """Have aiokafka's coordinator do its errands by way of this."""
        client = coordinator._client
        client.coordinator_lookup = partial(self._look_up, client, client.coordinator_lookup)
        coordinator._perform_assignment = partial(self._assign, client, coordinator._perform_assignment)
        coordinator._do_heartbeat = partial(self._beat, coordinator._do_heartbeat)
        coordinator._push_error_to_user = partial(self._on_error, coordinator)
        coordinator._coordination_task.add_done_callback(self._on_end)

    @staticmethod
    async def _look_up(client: Any, look_up: Call, *what: Any) -> Any:
        """Ask who coordinates the group, if there is anybody to ask.

        A broker that the controller does not count as alive, for a moment, names no broker, not even itself. aiokafka
        asserts that it knows one, and would never coordinate again.
        """
        if client.get_random_node() is None:
            if _BOOTSTRAP not in client._conns:
                await client.bootstrap()
            raise StaleMetadata
        return await look_up(*what)

    async def _assign(self, client: Any, assign: Call, *joined: Any) -> Any:
        """Share the partitions out, once all topics are known.

        A topic that was made just now may be unknown to the broker that is asked. It would be left out, and this worker
        would be ready with nothing to do.
        """
        for topic in self._ensure_consumer().subscription():
            await client._wait_on_metadata(topic)
        return await assign(*joined)

    async def _beat(self, beat: Call) -> bool:
        # The answer may have waited here while this process was stopped: what it says was so when it was asked.
        asked = monotonic()
        good = bool(await beat())
        if good:
            self.heartbeat_at = asked
        return good

    async def _on_error(self, coordinator: Any, error: KafkaError) -> None:
        if error.retriable:
            log.warning(
                "%s: joining the group failed (%s); the worker tries again", self.app.conf.id, type(error).__name__
            )
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            await self._lost(error)
            await asyncio.wait([coordinator._closing])

    def _on_end(self, coordination: asyncio.Task[None]) -> None:
        if not coordination.cancelled() and (error := coordination.exception()) is not None:
            self.add_future(self._lost(error))

    def _on_fetching_end(self, fetching: asyncio.Task[None]) -> None:
        """Crash: without its fetching the worker would wait for ever, in its group and well by its heartbeats."""
        if not fetching.cancelled() and (error := fetching.exception()) is not None:
            self.add_future(self.crash(error))

    async def _lost(self, error: BaseException) -> None:
        reason = MembershipLost(f"{self.app.conf.id} cannot be joined: {error}")
        reason.__cause__ = error
        await self.crash(reason)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the partitions over, or crash."""
        self.heartbeat_at = monotonic()
        try:
            # Assigned so that they go with their sources, and read elsewhere (recovery.py).
            changelogs = [TopicPartition(*tp) for tp in assigned if self.consumer._is_changelog_tp(tp)]
            self._ensure_consumer().pause(*changelogs)
            await super().on_partitions_assigned(assigned, generation_id)
        except Exception as error:
            # aiokafka would only log it, and the worker wait for ever.
            await self.crash(error)
            raise

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # A publisher's aborted transaction never happened. Faust sets this only for its own exactly-once mode.
        consumer._isolation_level = "read_committed"
        # Questions wait behind a fetch that waits for records, and one is asked each time the group has settled.
        consumer._fetch_max_wait_ms = FETCH_MS
        return consumer

    def on_crash(self, msg: str, *fmt: Any, **kwargs: Any) -> None:
        """Nothing: Faust would print the error's text. The log has its type, and the reason for the stop."""

    async def _keepalive2(self) -> None:
        """Nothing: Faust would log an error whenever this process was paused or the machine busy for some seconds.

        If that matters, the heartbeat's age says so (`heartbeat_at`), and the group does.
        """

    @property
    def generation(self) -> int:
        """The group's generation as the coordinator knows it now; -1 once the group has put this worker out."""
        return int(self._ensure_consumer()._coordinator.generation)

    def known(self) -> dict[TP, Known]:
        """Return what Kafka said last of each partition that is read, once it has said something. Asks nobody."""
        subscription = self._ensure_consumer()._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        states = [] if assignment is None else [(tp, assignment.state_value(tp)) for tp in assignment.tps]
        return {
            TP(tp.topic, tp.partition): Known(state.lso, state.highwater, state.timestamp)
            for tp, state in states
            if state is not None and None not in (state.lso, state.highwater, state.timestamp)
        }
