"""The records' way in: a consumer outside of the group, on the loop that decides, and straight to the lanes.

Faust's consumer lives in a thread of its own, and has to: its heartbeats may not wait for a batch. Records do not need
it. On Faust's way each poll is a question to that thread and an answer from it, through two queues and several wake-ups
of both event loops, and each batch then passes Faust's fetcher, conductor, channel, stream and agent: at the rates that
people have, more than a third of the worker's CPU. So Faust's consumer keeps the place in the group, the assignment and
the commits, with all of its partitions paused; and what it was assigned is read here.

Which partitions are read, from which offset, and what is handed out, ordered.py decides.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from worker.cancelling import finish
from worker.flow.batch import Record
from worker.kafka.connection import client_options
from worker.settings import KafkaSettings
from worker.streams.fetching import FETCH_BYTES, FETCH_MS, prepare
from worker.streams.transactions import Known


class Inflow:
    """Fetches ahead from the partitions it is given, and says when there is something new.

    `changed` is called, on the loop, when records have come. `suspect` and `next_delay_end` are as in fetching.py.
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
        self._consumer: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._places: dict[TP, TopicPartition] = {}
        self._held: set[TP] = set()

    async def start(self, on_end: "Callable[[asyncio.Task[None]], None]") -> None:
        """Connect; `on_end` is called when fetching has ended. Raise KafkaError if Kafka cannot be reached."""
        consumer = AIOKafkaConsumer(
            **client_options(self._kafka),
            auto_offset_reset="earliest",
            # A publisher's aborted transaction never happened.
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_poll_records=self.most,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_MS,
        )
        try:
            await consumer.start()
            await asyncio.sleep(0)  # its tasks begin: stopped before that, they would cancel whoever stops it
        except BaseException:
            await finish(consumer.stop())
            raise
        prepare(consumer._fetcher, self._suspect, self._next_delay_end)
        consumer._fetcher._fetch_task.add_done_callback(on_end)
        self._consumer = consumer

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await finish(self._consumer.stop())

    def assign(self, places: Mapping[TP, int]) -> None:
        """Read these partitions, each from an offset, and no others. What was fetched before is forgotten."""
        self._places = {tp: TopicPartition(*tp) for tp in places}
        self._held.clear()
        if not places:
            self._consumer.unsubscribe()
            return
        self._consumer.assign(list(self._places.values()))
        for tp, offset in places.items():
            self.seek(tp, offset)

    def seek(self, tp: TP, offset: int) -> None:
        """Go on from an offset in a partition; what was fetched of it is forgotten."""
        self._consumer.seek(self._places[tp], offset)

    def hold(self, tp: TP) -> None:
        """Do not ask for a partition's records; nothing if it is not read."""
        if tp in self._places:
            self._held.add(tp)
            self._consumer.pause(self._places[tp])

    def let_come(self, tps: Collection[TP]) -> None:
        """Ask again for those of these partitions that are held."""
        if coming := self._held.intersection(tps):
            self._held -= coming
            self._consumer.resume(*(self._places[tp] for tp in coming))

    async def take(self, tps: Collection[TP]) -> dict[TP, list[Record]]:
        """Return what was fetched of some partitions, which are not held; this does not wait. Raise KafkaError.

        `changed` is called when there is more. At most `most` records are returned.
        """
        if self._waiter is None or self._waiter.done():
            self._waiter = self._consumer._fetcher._create_fetch_waiter()
            self._waiter.add_done_callback(self._on_news)
        return dict(await self._consumer.getmany(*(self._places[tp] for tp in tps)))

    def _on_news(self, _: "asyncio.Future[None]") -> None:
        self._changed()

    def end(self, tp: TP) -> int | None:
        """Return the end of a partition, as the last fetch has found it; None before the first."""
        end: int | None = self._consumer.highwater(self._places[tp])
        return end

    def known(self) -> dict[TP, Known]:
        """Return what Kafka said last of each partition that is read, once it has said something. This asks nobody."""
        found = {}
        for tp, place in self._places.items():
            stable, end = self._consumer.last_stable_offset(place), self._consumer.highwater(place)
            at = self._consumer.last_poll_timestamp(place)
            if None not in (stable, end, at):
                found[tp] = Known(stable, end, at)
        return found
