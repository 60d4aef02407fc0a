"""How records come in: a second consumer, outside of the group, fetches them on the event loop that decides them.

Faust's consumer runs in a thread of its own, since its heartbeats must not wait for a batch. The records do not need
that thread. If Faust fetched them, each poll would be a question to that thread and an answer from it, through two
queues and several wake-ups of both event loops. Each batch would then pass through Faust's fetcher, conductor, channel,
stream and agent. At ordinary rates, all this would take more than a third of the worker's CPU. So Faust's consumer only
keeps the membership in the group, the assignment and the commits, and all of its partitions are paused. The partitions
that it was assigned are read here.

ordered.py decides which partitions are read, from which offset, and which records are handed out.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from worker.cancelling import finish
from worker.flow.batch import Record
from worker.kafka.connection import client_options
from worker.kafka.fetch_sessions import FetchSessions
from worker.settings import KafkaSettings
from worker.streams.fetching import FETCH_BYTES, FETCH_MS, Fetching
from worker.streams.transactions import Known

log = logging.getLogger(__name__)

#: While fetched records of a partition are not taken, no fetch asks for the partition. A worker that is too slow has up
#: to 4 MB of them, so that it would not see for minutes how the partition grows. Meanwhile its end is asked for each
#: time that this many seconds have passed.
_ENDS_SECONDS = 2.0


class Inflow:
    """Fetches ahead from the partitions it is given, and says when there is something new.

    `changed` is called on the event loop when records have come. `suspect` and `next_delay_end` are as in fetching.py.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        changed: Callable[[], None],
        suspect: Callable[[TP], None],
        next_delay_end: Callable[[], float],
    ) -> None:
        self._kafka = kafka
        #: How many records are taken at once, at most.
        self.most = kafka.batch_records
        self._changed = changed
        self._suspect = suspect
        self._next_delay_end = next_delay_end
        self._sessions = FetchSessions()
        self._consumer: Any = None
        self._fetching: Fetching | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._places: dict[TP, TopicPartition] = {}
        self._paused: set[TP] = set()
        # The ends that were asked for, and what asks for them while fetched records wait.
        self._ends: dict[TopicPartition, int] = {}
        self._asking: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._on_end: Callable[[asyncio.Task[None]], None] = lambda _: None

    async def start(self, on_end: "Callable[[asyncio.Task[None]], None]") -> None:
        """Connect. Raise KafkaError if Kafka cannot be reached.

        `on_end` is called with the task that fetches, and with one that has asked for ends, when it has ended.
        """
        consumer = AIOKafkaConsumer(
            **client_options(self._kafka),
            auto_offset_reset="earliest",
            # Records of aborted transactions are not read.
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_poll_records=self.most,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_MS,
        )
        try:
            await consumer.start()
            # Its tasks begin. If it were stopped before that, they would cancel the task that stops it.
            await asyncio.sleep(0)
        except BaseException:
            await finish(consumer.stop())
            raise
        self._fetching = Fetching(
            consumer._fetcher,
            self._sessions,
            suspect=self._suspect,
            next_delay_end=self._next_delay_end,
            has_paused=lambda: bool(self._paused),
        )
        consumer._fetcher._fetch_task.add_done_callback(on_end)
        self._consumer, self._on_end = consumer, on_end

    async def stop(self) -> None:
        """Disconnect."""
        self._is_stopping = True
        if self._asking is not None:
            self._asking.cancel()
        if self._consumer is not None:
            await finish(self._consumer.stop())

    def assign(self, places: Mapping[TP, int]) -> None:
        """Read these partitions, each from an offset, and no others. What was fetched before is forgotten."""
        self._places = {tp: TopicPartition(*tp) for tp in places}
        self._listen()
        self._paused.clear()
        self._ends.clear()
        self._begin_anew()
        if not places:
            self._consumer.unsubscribe()
            return
        self._consumer.assign(list(self._places.values()))
        for tp, offset in places.items():
            self.seek(tp, offset)

    def seek(self, tp: TP, offset: int) -> None:
        """Go on from an offset in a partition; what was fetched of it is forgotten."""
        self._begin_anew()
        self._consumer.seek(self._places[tp], offset)

    def _begin_anew(self) -> None:
        """Use no answer to a fetch that is under way."""
        self._sessions.give_up()
        if self._fetching is not None:
            self._fetching.end_long_fetches()

    def hold_until(self, moment: float) -> None:
        """Begin no fetch before a time, by time.monotonic(). What is fetched can still be taken."""
        if self._fetching is not None:
            self._fetching.hold_until(moment)

    def pause(self, tp: TP) -> None:
        """Ask for no more records of a partition until `resume`. Do nothing if the partition is not read."""
        if tp in self._places:
            self._paused.add(tp)
            self._consumer.pause(self._places[tp])

    def resume(self, tps: Collection[TP]) -> None:
        """Ask for the records of these partitions again, if they are paused."""
        if resumed := self._paused.intersection(tps):
            self._paused -= resumed
            self._consumer.resume(*(self._places[tp] for tp in resumed))

    async def take(self, tps: Collection[TP]) -> dict[TP, list[Record]]:
        """Return the fetched records of some partitions, none of which may be paused. This does not wait.

        At most `most` records are returned. `changed` is called when there are more. Raise the KafkaError of a failed
        fetch.
        """
        self._listen()
        fetched = self._consumer._fetcher._records
        ready = [place for place in map(self._places.__getitem__, tps) if place in fetched]
        return dict(await self._consumer.getmany(*ready)) if ready else {}

    def _listen(self) -> None:
        """See to it that `_on_news` is called when records come."""
        if self._waiter is None or self._waiter.done():
            self._waiter = self._consumer._fetcher._create_fetch_waiter()
            self._waiter.add_done_callback(self._on_news)

    def _on_news(self, _: "asyncio.Future[None]") -> None:
        # A consumer that stops ends its waiters, too.
        if not self._is_stopping and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask_for_ends())
            self._asking.add_done_callback(self._on_end)
        self._changed()

    async def _ask_for_ends(self) -> None:
        """Ask for the ends of partitions of which Kafka has said nothing for a while, as long as records wait.

        It begins when records come, whether they are taken or not, and ends when it finds none. So there is one timer
        in two seconds at most, and none while nothing comes.
        """
        await asyncio.sleep(_ENDS_SECONDS)
        while fetched := self._consumer._fetcher._records:
            since = (time.time() - _ENDS_SECONDS) * 1_000
            waiting = [place for place in self._places.values() if place in fetched]
            old = [place for place in waiting if (self._consumer.last_poll_timestamp(place) or 0) <= since]
            if old:
                try:
                    self._ends.update(await self._consumer.end_offsets(old))
                except KafkaError as error:
                    log.debug("the ends of %d partitions are not known: %s", len(old), type(error).__name__)
            await asyncio.sleep(_ENDS_SECONDS)
        # What it began with may have been dropped by a seek, and nothing been taken since.
        self._listen()

    def ends(self) -> dict[TP, int]:
        """Return the end of each partition that is read, as far as Kafka has said it. No request is made."""
        return {tp: max(known.end, self._ends.get(self._places[tp], 0)) for tp, known in self.known().items()}

    def end(self, tp: TP) -> int | None:
        """Return the end of a partition, as the last fetch has found it; None before the first fetch."""
        end: int | None = self._consumer.highwater(self._places[tp])
        return end

    def known(self) -> dict[TP, Known]:
        """Return what Kafka has said last about each partition that is read, if anything. No request is made."""
        found = {}
        for tp, place in self._places.items():
            stable, end = self._consumer.last_stable_offset(place), self._consumer.highwater(place)
            at = self._consumer.last_poll_timestamp(place)
            if None not in (stable, end, at):
                # An answer that does not list the partition means that nothing has changed.
                found[tp] = Known(stable, end, max(at, self._sessions.answered_at(tp)))
        return found
