"""Records in order and without holes: a Faust consumer that hands out one batch per partition at a time.

Why Faust's own way is not enough (measured on faust-streaming 0.15.3 under random kills):

- Its cost is per record: tasks, a lock, a queue, sensors. A message that *is* a batch pays it once.
- After a rebalance or a seek it drops records in flight and goes on with later ones: 2,500 of 500,000 events lost.
  Here every partition has an offset that is *due*; the fetch position is known (`_cursor`), and whenever records may
  have been dropped between the two, the partition is marked lost and rewound to the due offset.
- With several batches of a partition in flight, they are decided out of order. Here there is one.
- Its commit offset comes from a list of acked offsets whose hole check is off by one. Here the due offset is committed.

A gap in the offsets themselves (compaction, transaction markers) is no hole: a batch says where its fetch began.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, NamedTuple, cast

from aiokafka.errors import IllegalStateError, KafkaError
from faust import App
from faust.transport.consumer import RecordMap, ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage
from mode import Service
from mode.utils.futures import notify
from yarl import URL

from worker.flow.batch import Record
from worker.streams.membership import MemberThread
from worker.streams.observer import ConsumerObserver
from worker.streams.transactions import Known

log = logging.getLogger(__name__)

#: How long to wait before logs are compared with their state again, if Kafka did not answer, in seconds.
_CHECK_AGAIN_SECONDS = 1.0
#: How long to wait for records while some partition is busy, in seconds: then the freed one is asked for as well.
_WHILE_BUSY_SECONDS = 0.002


class Fetched(NamedTuple):
    """A batch as it was fetched. `start`: where the fetch began; `epoch`: which seek it followed.

    `more`: whether the partition went on behind it.
    """

    tp: TP
    start: int
    records: list[Record]
    generation: int
    epoch: int
    more: bool = False


class Rest(NamedTuple):
    """Until when a partition's next records are left where they are, by time.monotonic(); and if others are busy."""

    until: float
    until_busy: float


class OrderedConsumer(driver.Consumer):
    """Faust's consumer, with batches as messages. No changelog passes through it."""

    _thread: MemberThread

    def __init__(self, *args: Any, observer: ConsumerObserver, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._observer = observer
        self._due: dict[TP, int] = {}
        self._cursor: dict[TP, int] = {}
        self._lost: set[TP] = set()
        self._in_flight: dict[TP, Message] = {}
        self._rests: dict[TP, Rest] = {}
        self._epoch = 0
        self._sought_in = -1
        self._suspects: set[TP] = set()
        self._checking: asyncio.Task[None] | None = None

    def _new_consumer_thread(self) -> MemberThread:
        return MemberThread(self, loop=self.loop, beacon=self.beacon)

    # -- what a lane asks

    def admit(self, batch: Fetched) -> list[Record]:
        """Return the batch's records that are due; none if the batch is not, because it was overtaken by a seek."""
        if batch.epoch != self._epoch or batch.generation != self.app.consumer_generation_id:
            return []
        due = self._due[batch.tp]
        if batch.start > due:
            self._lost.add(batch.tp)
            return []
        return [record for record in batch.records if record.offset >= due]

    def done(self, batch: Fetched) -> None:
        """Take note that everything a batch causes is durable: what follows it is due."""
        if batch.epoch == self._epoch:
            self._due[batch.tp] = batch.records[-1].offset + 1
            self._n_acked += 1

    def rest(self, tp: TP, seconds: float, busy_seconds: float) -> None:
        """Leave a partition's next records where they are for so long; for longer while there is other work."""
        now = monotonic()
        self._rests[tp] = Rest(now + seconds, now + busy_seconds)

    def release(self, message: Message) -> None:
        """Let the next batch of the message's partition come."""
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)

    def suspect(self, tp: TP) -> None:
        """Hand out nothing of a partition until its log was compared with its state. Any thread may call this."""
        self._suspects.add(tp)

    def holds(self, generation: int) -> bool:
        """Say whether this worker is still in a generation of its group."""
        return generation == self.app.consumer_generation_id == self._thread.generation

    def heartbeat_age(self) -> float:
        """Return the seconds since the coordinator last confirmed this worker's place."""
        return monotonic() - self._thread.heartbeat_at

    def known(self) -> dict[TP, Known]:
        """Return what Kafka said last of each partition that this worker reads, once it has said something."""
        return self._thread.known()

    def due(self, topic: str) -> dict[TP, int]:
        """Return the offset due of each of a topic's partitions that this worker has."""
        return {tp: due for tp, due in self._due.items() if tp.topic == topic}

    # -- what Faust asks

    async def perform_seek(self) -> None:
        """Go back to the committed offsets. Whatever was fetched before is not trusted any more."""
        self._epoch += 1
        generation = self.app.consumer_generation_id
        sought = await self.seek_to_committed() if self.assignment() else {}
        committed = {ensure_TP(tp): offset for tp, offset in sought.items()}
        ordered = [tp for tp in committed if not self._is_changelog_tp(tp)]
        await self._check_state({tp: committed[tp] for tp in ordered if committed[tp]}, generation)
        fresh = [tp for tp in ordered if not committed[tp]]
        if fresh:
            # Without a committed offset the start is sought as well, so that the due offset is always known.
            earliest = await self.earliest_offsets(*fresh)
            starts = {tp: int(earliest.get(tp) or 0) for tp in fresh}
            await self.seek_wait(starts)
            committed.update(starts)
        begins = await self._checked({tp: committed[tp] for tp in ordered}, generation)
        if begins:
            await self.seek_wait(dict(begins))
            committed.update(begins)
        for tp in ordered:
            offset = committed[tp]
            self._read_offset[tp] = offset or None
            self._committed_offset[tp] = offset or None
        self._due = {tp: committed[tp] for tp in ordered}
        self._cursor = dict(self._due)
        # While one partition after the other was sought, a fetch may have moved the first ones on again.
        self._lost = set(ordered)
        self._in_flight.clear()
        self._rests.clear()
        self._sought_in = self.app.consumer_generation_id
        self._epoch += 1
        self._observer.on_settled(ordered)

    async def _check_state(self, committed: Mapping[TP, int], generation: int) -> None:
        """Compare offsets with their state: if one is ahead of it, the state is lost, or this worker is late."""
        ahead = [tp for tp, offset in committed.items() if offset > self._observer.stands_at(tp)]
        if ahead:
            earliest = await self.earliest_offsets(*ahead)
            for tp in ahead:
                # At the beginning of what there still is, nothing has been counted yet.
                if committed[tp] > (earliest.get(tp) or 0):
                    await self._observer.on_state_ahead(tp, committed[tp], generation)

    async def _checked(self, starts: Mapping[TP, int], generation: int) -> Mapping[TP, int]:
        """Compare logs with their state, however long Kafka does not answer."""
        while True:
            try:
                return await self._observer.check_logs(starts, generation) if starts else {}
            except KafkaError as error:
                log.debug("logs cannot be compared yet: %s", type(error).__name__)
            await asyncio.sleep(_CHECK_AGAIN_SECONDS)

    def _check_suspects(self) -> None:
        if self._suspects and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._clear_suspects())
            self._checking.add_done_callback(self._checking_ended)

    async def _clear_suspects(self) -> None:
        """Compare the logs of the suspects; whatever is right is read again from the offset due."""
        suspects, epoch = set(self._suspects), self._epoch
        due = {tp: self._due[tp] for tp in suspects if tp in self._due}
        begins = await self._checked(due, self.app.consumer_generation_id)
        if epoch == self._epoch:
            self._due.update(begins)
            self._lost |= due.keys()
        self._suspects -= suspects

    def _checking_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._observer.on_failure(error)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield a message per partition, which is a batch.

        Whatever is fetched and not yielded is lost: its partition is rewound before the next fetch.
        """
        self._check_suspects()
        await self._rewind_lost()
        began, epoch = self.app.consumer_generation_id, self._epoch
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        for key, records in fetched.items():
            tp = ensure_TP(key)
            if tp in self._cursor and records[0].offset < self._cursor[tp] and tp not in self._lost:
                self.suspect(tp)  # aiokafka went back by itself: what it read before is not there any more
            wanted = active is None or tp in active or tp in self._buffered_partitions
            if wanted and self._flows(generation) and began == generation and self._is_known(tp, epoch):
                yield tp, self._batch(tp, records)
            else:
                self._lost.add(tp)

    def _flows(self, generation: int) -> bool:
        return self.flow_active and generation == self.app.consumer_generation_id

    def _is_known(self, tp: TP, epoch: int) -> bool:
        """Say whether it is known where the fetch of a partition began."""
        is_placed = epoch == self._epoch and tp in self._cursor
        return is_placed and tp not in self._lost and tp not in self._suspects

    def _batch(self, tp: TP, records: list[Any]) -> Message:
        last = records[-1]
        end = self.highwater(tp)
        more = (end or 0) > last.offset + 1  # unknown after a rebalance, until the next fetch
        batch = Fetched(tp, self._cursor[tp], records, self.app.consumer_generation_id, self._epoch, more)
        self._cursor[tp] = last.offset + 1
        # One below the message's offset: Faust then sees neither a gap nor an old message.
        self._read_offset[tp] = last.offset - 1
        self.app.monitor.track_tp_end_offset(tp, end)
        message = ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, [], None, cast(Any,
            batch), None, 0, 0, tp, generation_id=batch.generation,
        )  # fmt: skip
        self._in_flight[tp] = message
        return message

    async def _rewind_lost(self) -> None:
        lost, self._lost = self._lost, set()
        for tp in lost:
            due = self._due.get(tp)
            if due is None:
                continue
            try:
                await self.seek_wait({tp: due})
            except IllegalStateError:
                # Not ours any more: the assignment that took it away ends in seeks of its own.
                continue
            if self._due.get(tp) == due:
                self._cursor[tp] = due
            else:
                self._lost.add(tp)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:
        """Fetch from the partitions that have no batch in flight and do not rest.

        From a copy of the set: aiokafka reads it later, and takes an empty one for "all partitions".
        """
        if active_partitions is None:
            return await super()._getmany(active_partitions, timeout)
        busy = {tp for tp, message in self._in_flight.items() if not message.acked}
        now = monotonic()
        rests = {tp: (rest.until_busy if busy else rest.until) - now for tp, rest in self._rests.items()}
        resting = {tp: seconds for tp, seconds in rests.items() if seconds > 0}
        idle = active_partitions - busy - resting.keys()
        timeout = min([timeout, *resting.values()])
        if not idle:
            await self._wait_for_ack(timeout=timeout)
            return {}
        return await super()._getmany(idle, min(timeout, _WHILE_BUSY_SECONDS) if busy else timeout)

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit: the one due, as far as it was sought in this generation."""
        return self._due.get(tp) if self._thread.generation == self._sought_in else None

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        return (tp for tp in list(self._due) if topics is None or tp in topics or tp.topic in topics)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing: gaps are Faust's way to find the offset to commit."""

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Nothing: Faust would report, each second and for ever, partitions that are well.

        After five minutes it takes every changelog for stuck, as recovery.py reads it elsewhere; a partition whose last
        records were filtered out; and one that rests (`rest`). What is really stuck stops the worker: a batch that is
        not acknowledged (sending.py), and a place in the group that is lost (membership.py).
        """


class OrderedProducer(driver.Producer):
    """Faust's producer, idempotent: the broker keeps order and drops its own retries' repeats."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        # How long to try is Sender's decision. A batch that expired, for want of a leader, would leave a hole in the
        # sequence, and the broker would take nothing more from this producer.
        producer._message_accumulator._batch_ttl = float("inf")
        return producer


class OrderedTransport(driver.Transport):
    """What `App.transport` is set to; `observer`: the consumer's."""

    Consumer = OrderedConsumer
    Producer = OrderedProducer

    def __init__(self, urls: list[URL], app: App, observer: ConsumerObserver) -> None:
        super().__init__(urls, app)
        self._observer = observer

    def create_consumer(self, callback: Any, **kwargs: Any) -> Any:
        """Return the app's consumer, which has the observer."""
        return super().create_consumer(callback, observer=self._observer, **kwargs)
