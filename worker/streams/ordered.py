"""Records in order and without holes: a Faust consumer that hands out one batch per partition at a time.

Why Faust's own consumer is not enough (measured on faust-streaming 0.15.3 under random kills):

- Faust creates tasks, and uses a lock, a queue and sensors, for each message; and each poll is a question to another
  thread. Here inflow.py fetches the records, and a batch goes to its lane at once.
- After a rebalance or a seek, Faust drops records in flight and goes on with later ones: 2,500 of 500,000 events were
  lost. Here every partition has a *next offset*, that of the first record that is not decided, and the fetch position
  is known (`_cursor`). If records between the two may have been dropped, the partition is marked, and is rewound to its
  next offset before the next fetch.
- Faust decides several batches of a partition out of order. Here a partition has only one batch in flight.
- Faust computes the offset to commit from a list of acked offsets, and its check for holes is off by one. Here every
  partition has a *due offset*, that of the first record whose effects are not durable, and it is committed. It is lower
  than the next offset while rows wait for a checkpoint (checkpoint.py).

A gap in the offsets themselves (after compaction, or at transaction markers) is not a hole: a batch says at which
offset its fetch began.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from time import monotonic
from typing import Any, NamedTuple, cast

from aiokafka.errors import ConsumerStoppedError, KafkaError
from faust import App
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage
from mode import Service, ServiceT
from mode.utils.futures import notify
from yarl import URL

from worker.flow.batch import Record
from worker.kafka import topics as kafka_topics
from worker.settings import KafkaSettings
from worker.streams.fetching import TIMER_SECONDS
from worker.streams.gathering import Gathering
from worker.streams.inflow import Inflow
from worker.streams.membership import MemberThread
from worker.streams.observer import ConsumerObserver
from worker.streams.transactions import Known
from worker.throttle import Throttle

log = logging.getLogger(__name__)

#: If Kafka did not answer, logs are compared with their state again after this time, in seconds.
_CHECK_AGAIN_SECONDS = 1.0
#: How long after a take-over the delays of partitions do not count, in seconds. What the last owner has left passes
#: through several topics, one after the other, and would wait at each of them.
_HEALING_SECONDS = 5.0
#: A delay counts even then if it is this many times as long as the shortest one: then deciding takes long.
_LONG = 2.0
#: While batches come one after the other, offsets are committed again after this time, in seconds. At rest, and after a
#: take-over, they are committed at the next look (faust_app.py), since somebody may wait for them.
_COMMIT_SECONDS = 1.0
#: The shortest time between two warnings that Kafka does not allow that, in seconds.
_QUIET_SECONDS = 60.0


class Fetched(NamedTuple):
    """A batch as it was fetched."""

    tp: TP
    #: The offset at which the fetch began. The first record may have a higher one.
    start: int
    records: list[Record]
    #: The group's generation in which it was fetched.
    generation: int
    #: The value of `OrderedConsumer._epoch` when it was fetched.
    epoch: int
    #: Whether the partition has further records after this batch.
    more: bool = False


class Delay(NamedTuple):
    """The times, by time.monotonic(), until which a partition's next records are not fetched."""

    #: While no other partition has a batch in flight.
    until: float
    #: While another partition has a batch in flight.
    until_if_busy: float

    def remaining(self, now: float, is_busy: bool) -> float:
        """Return how many seconds of the delay remain at the time `now`."""
        return (self.until_if_busy if is_busy else self.until) - now


class OrderedConsumer(driver.Consumer):
    """Faust's consumer, but its messages are batches, and go to the lanes directly. It reads no changelogs."""

    _thread: MemberThread

    def __init__(self, *args: Any, kafka: KafkaSettings, observer: ConsumerObserver, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._observer = observer
        # The next offset, and the due offset, of each partition that this worker has.
        self._next: dict[TP, int] = {}
        self._due: dict[TP, int] = {}
        # The fetch position of each partition.
        self._cursor: dict[TP, int] = {}
        # Partitions that have to be rewound, since fetched records may have been dropped.
        self._to_rewind: set[TP] = set()
        self._in_flight: dict[TP, Message] = {}
        self._delays: dict[TP, Delay] = {}
        # The time.monotonic() until which short delays do not count, since partitions have just been taken over.
        self._heals_until = 0.0
        # When offsets were committed last, by time.monotonic(), and the due offsets at the last look.
        self._committed_at = -inf
        self._due_before: dict[TP, int] = {}
        # Set when due offsets may have changed that are not committed.
        self._to_commit = asyncio.Event()
        # The partitions that were delayed because of another one, and have had no batch since.
        self._waits_for_others: set[TP] = set()
        # A number that changes with each seek to the committed offsets: batches of an earlier epoch are not admitted.
        self._epoch = 0
        # The generation for which the committed offsets were sought last.
        self._sought_generation = -1
        # Partitions of which nothing is handed out until their log has been compared with their state.
        self._suspects: set[TP] = set()
        self._checking: asyncio.Task[None] | None = None
        self._refused = Throttle(_QUIET_SECONDS)
        self._gathering = Gathering()
        # The time.monotonic() from which on the next batches may begin. Until then records gather.
        self._next_round = 0.0
        # Set when there may be records to hand out.
        self._changed = asyncio.Event()
        self._inflow = Inflow(
            kafka, changed=self._changed.set, suspect=self.suspect, next_delay_end=self._next_delay_end
        )

    async def on_start(self) -> None:
        """Connect the consumer that fetches records."""
        await super().on_start()
        await self._inflow.start(self._on_fetching_end)

    async def on_stop(self) -> None:
        """Finish the batches in flight, commit, and disconnect."""
        try:
            await super().on_stop()
        finally:
            await self._inflow.stop()

    def _on_fetching_end(self, fetching: "asyncio.Task[None]") -> None:
        """Crash if fetching has failed. Otherwise the worker would stay a healthy member, and wait for ever."""
        if not fetching.cancelled() and (error := fetching.exception()) is not None:
            self.add_future(self.crash(error))

    def _new_consumer_thread(self) -> MemberThread:
        return MemberThread(self, loop=self.loop, beacon=self.beacon)

    # -- What lanes call.

    def admit(self, batch: Fetched) -> list[Record]:
        """Return the records of a batch that are to be decided. If it was fetched before the last seek, none are."""
        if batch.epoch != self._epoch or batch.generation != self.app.consumer_generation_id:
            return []
        first = self._next[batch.tp]
        if batch.start > first:
            self._to_rewind.add(batch.tp)
            return []
        return [record for record in batch.records if record.offset >= first]

    def decided(self, batch: Fetched) -> None:
        """Note that a batch is decided. The next offset is now the one after it.

        Its outputs are acknowledged, except for those that wait for a checkpoint.
        """
        if batch.epoch == self._epoch:
            self._next[batch.tp] = batch.records[-1].offset + 1

    def done(self, batch: Fetched) -> None:
        """Note that everything is durable which has been decided of the batch's partition. It may be committed now."""
        if batch.epoch == self._epoch:
            self._due[batch.tp] = self._next[batch.tp]
            self._n_acked += 1
            self._to_commit.set()

    def undecided(self, batch: Fetched) -> None:
        """Note that what was decided of the batch's partition, and is not durable, was taken back: it is read again."""
        if batch.epoch == self._epoch:
            self._next[batch.tp] = self._due[batch.tp]
            self._to_rewind.add(batch.tp)

    def delay(self, tp: TP, seconds: float, busy_seconds: float) -> None:
        """Fetch no further records of a partition for about `seconds`; for `busy_seconds` while there is other work.

        Without other work, the delays of partitions with the same `seconds` end at the same moments. Until then, the
        partitions of the same topic wait as well of which no further records are known. One fetch then brings the
        records of all of them, and their outputs and rows go to the broker in the same requests. A partition waits for
        others only once before its next batch, so that it is not held back again and again.

        For some seconds after a take-over, there is no delay, unless deciding takes long: so that the worker soon is
        where it would be without the fault.
        """
        now = monotonic()
        if now < self._heals_until and busy_seconds < _LONG * seconds:
            return
        together = (round(now / seconds) + 1) * seconds
        self._delay(tp, Delay(together, now + busy_seconds))
        unable = self._busy() | self._waits_for_others
        for other in self._due:
            if other.topic == tp.topic and other not in unable and self._is_empty(other, now):
                self._waits_for_others.add(other)
                self._delay(other, Delay(together, together))

    def _delay(self, tp: TP, delay: Delay) -> None:
        self._delays[tp] = delay
        self._inflow.pause(tp)

    def _is_empty(self, tp: TP, now: float) -> bool:
        """Say whether a partition is not delayed, and no further records of it are known."""
        delay = self._delays.get(tp)
        if delay is not None and delay.remaining(now, is_busy=True) > 0:
            return False
        return (self._inflow.end(tp) or 0) <= self._cursor.get(tp, 0)

    def _remaining_delays(self, now: float, *, is_busy: bool) -> dict[TP, float]:
        """Return how many seconds remain of each delay that is not over yet. Forget those that are over in any case."""
        delayed = {}
        for tp, delay in list(self._delays.items()):
            seconds = delay.remaining(now, is_busy)
            if seconds > 0:
                delayed[tp] = seconds
            elif max(delay) <= now:
                del self._delays[tp]
        return delayed

    def _next_delay_end(self) -> float:
        """Return in how many seconds the next delay of a partition ends, infinity if there is none."""
        is_busy, now = bool(self._busy()), monotonic()
        remaining = (delay.remaining(now, is_busy) for delay in self._delays.values())
        return min((seconds for seconds in remaining if seconds > 0), default=inf)

    def _busy(self) -> set[TP]:
        """Return the partitions that have a batch in flight."""
        return {tp for tp, message in self._in_flight.items() if not message.acked}

    def release(self, message: Message) -> None:
        """End a batch: the next one of its partition may be handed out. `message` is the batch's message."""
        message.acked = True
        if self._in_flight.get(message.tp) is message:
            del self._in_flight[message.tp]
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        self._changed.set()

    def suspect(self, tp: TP) -> None:
        """Hand out no records of a partition until its log has been compared with its state."""
        self._suspects.add(tp)
        self._changed.set()

    def holds(self, generation: int) -> bool:
        """Say whether the group is still in this generation, and this worker a member."""
        return generation == self.app.consumer_generation_id == self._thread.generation

    def heartbeat_age(self) -> float:
        """Return the seconds since the coordinator last confirmed that this worker is a member."""
        return monotonic() - self._thread.heartbeat_at

    def known(self) -> dict[TP, Known]:
        """Return what Kafka has said last about each partition that this worker reads, if it has said anything."""
        return self._inflow.known()

    def due(self, topic: str) -> dict[TP, int]:
        """Return the due offset of each partition of a topic that this worker has."""
        return {tp: due for tp, due in self._due.items() if tp.topic == topic}

    def lag(self) -> dict[TP, int]:
        """Return the number of offsets between the due one and the end of each partition whose end is known."""
        ends = self._inflow.ends()
        return {tp: max(0, ends[tp] - due) for tp, due in self._due.items() if tp in ends}

    # -- What Faust calls.

    async def perform_seek(self) -> None:
        """Seek to the committed offsets. Records that were fetched before are not used any more."""
        self._epoch += 1
        generation = self.app.consumer_generation_id
        sought = await self.seek_to_committed() if self.assignment() else {}
        committed = {ensure_TP(tp): offset for tp, offset in sought.items()}
        ordered = [tp for tp in committed if not self._is_changelog_tp(tp)]
        await self._check_state({tp: committed[tp] for tp in ordered if committed[tp]}, generation)
        fresh = [tp for tp in ordered if not committed[tp]]
        if fresh:
            # Where nothing is committed, the beginning is asked for, so that the due offset is always known.
            earliest = await self.earliest_offsets(*fresh)
            committed.update({tp: int(earliest.get(tp) or 0) for tp in fresh})
        committed.update(await self._check({tp: committed[tp] for tp in ordered}, generation))
        for tp in ordered:
            offset = committed[tp]
            self._committed_offset[tp] = offset or None
        self._due = {tp: committed[tp] for tp in ordered}
        self._next = dict(self._due)
        self._cursor = dict(self._due)
        self._to_rewind.clear()
        self._in_flight.clear()
        self._delays.clear()
        self._waits_for_others.clear()
        self._inflow.assign(self._due)
        self._changed.set()
        self._to_commit.set()
        self._sought_generation = self.app.consumer_generation_id
        self._heals_until = monotonic() + _HEALING_SECONDS
        self._epoch += 1  # what was fetched during the seek is not used either
        self._observer.on_settled(ordered)

    async def _check_state(self, committed: Mapping[TP, int], generation: int) -> None:
        """Compare committed offsets with their state.

        If an offset is ahead of the state, the state was lost, or another worker has gone on meanwhile.
        """
        ahead = [tp for tp, offset in committed.items() if offset > self._observer.stands_at(tp)]
        if ahead:
            earliest = await self.earliest_offsets(*ahead)
            for tp in ahead:
                # An offset at the beginning of the log needs no state.
                if committed[tp] > (earliest.get(tp) or 0):
                    await self._observer.on_state_ahead(tp, committed[tp], generation)

    async def _check(self, starts: Mapping[TP, int], generation: int) -> Mapping[TP, int]:
        """Compare logs with their state (`check_logs`); try again until Kafka answers."""
        while True:
            try:
                return await self._observer.check_logs(starts, generation) if starts else {}
            except kafka_topics.NOT_PERMITTED as error:
                if self._refused.allows():
                    text = "%s: Kafka does not let the worker compare them with their state (%s); it reads none of them"
                    log.warning(text, ", ".join(sorted({tp.topic for tp in starts})), type(error).__name__)
            except KafkaError as error:
                log.debug("logs cannot be compared yet: %s", type(error).__name__)
            await asyncio.sleep(_CHECK_AGAIN_SECONDS)

    def _check_suspects(self) -> None:
        if self._suspects and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._check_logs_of_suspects())
            self._checking.add_done_callback(self._on_check_end)

    async def _check_logs_of_suspects(self) -> None:
        """Compare the suspects' logs with their state. A partition whose log is right is read from its next offset."""
        suspects, epoch = set(self._suspects), self._epoch
        starts = {tp: self._next[tp] for tp in suspects if tp in self._next}
        resume_at = await self._check(starts, self.app.consumer_generation_id)
        if epoch == self._epoch:
            # If something waits for a checkpoint, the due offset follows with that.
            self._due.update({tp: offset for tp, offset in resume_at.items() if self._due[tp] == self._next[tp]})
            self._next.update(resume_at)
            self._to_rewind |= starts.keys()
            self._to_commit.set()
        self._suspects -= suspects
        self._changed.set()

    def _on_check_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._observer.on_failure(error)

    def resume_flow(self) -> None:
        """Hand out batches again, once a rebalance is over."""
        super().resume_flow()
        self._changed.set()

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Hand out batches until Faust stops its fetcher, which runs this."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                self._changed.clear()
                await self._wait_for_change(await self._hand_out())
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def _wait_for_change(self, seconds: float) -> None:
        """Wait until there may be records to hand out, for `seconds` at most."""
        loop = asyncio.get_running_loop()
        timer = None if seconds == inf else loop.call_later(seconds + TIMER_SECONDS, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _hand_out(self) -> float:
        """Hand out the fetched records of the partitions that have no batch in flight and are not delayed.

        Return after how many seconds there may be more to hand out if `_changed` is not set before. Infinity means that
        only a change can bring more.
        """
        if not self._is_flowing():
            return inf
        self._check_suspects()
        self._rewind()
        busy, now = self._busy(), monotonic()
        if now < self._next_round:
            return self._next_round - now
        delayed = self._remaining_delays(now, is_busy=bool(busy))
        # Busy partitions are included. A partition that was paused until the end of its batch would be left out by a
        # fetch that begins before that.
        self._inflow.resume(self._due.keys() - delayed.keys())
        idle = self._due.keys() - busy - delayed.keys() - self._suspects
        epoch = self._epoch
        fetched = await self._inflow.take(idle) if idle else {}
        for key, records in fetched.items():
            tp = ensure_TP(key)
            if tp in self._cursor and records[0].offset < self._cursor[tp] and tp not in self._to_rewind:
                # aiokafka went back by itself: the records that it had read do not exist any more.
                self.suspect(tp)
            if self._is_flowing() and self._is_start_known(tp, epoch):
                self._observer.on_batch(self._batch(tp, records))
            else:
                self._to_rewind.add(tp)
        if fetched:
            if sum(map(len, fetched.values())) >= self._inflow.most:
                self._changed.set()  # there may be more, of other partitions
            self._gather(now)
        return min(delayed.values(), default=inf)

    def _gather(self, now: float) -> None:
        """Let records gather on the broker before the next batches begin, if CPU is short and there is no backlog."""
        seconds = self._gathering.seconds()
        batches = [cast(Fetched, message.value) for message in self._in_flight.values() if not message.acked]
        if seconds and not any(batch.more for batch in batches):
            self._next_round = now + seconds
            self._inflow.hold_until(self._next_round)

    def _is_flowing(self) -> bool:
        """Say whether batches may be handed out: there is no rebalance, and offsets were sought after the last one."""
        return self.flow_active and self._sought_generation == self.app.consumer_generation_id

    def _is_start_known(self, tp: TP, epoch: int) -> bool:
        """Say whether it is known at which offset the fetch of a partition began. `epoch`: the epoch of the fetch."""
        has_cursor = epoch == self._epoch and tp in self._cursor
        return has_cursor and tp not in self._to_rewind and tp not in self._suspects

    def _batch(self, tp: TP, records: list[Any]) -> Message:
        last = records[-1]
        more = (self._inflow.end(tp) or 0) > last.offset + 1
        batch = Fetched(tp, self._cursor[tp], records, self.app.consumer_generation_id, self._epoch, more)
        self._cursor[tp] = last.offset + 1
        message = ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, [], None, cast(Any,
            batch), None, 0, 0, tp, generation_id=batch.generation,
        )  # fmt: skip
        self._in_flight[tp] = message
        self._waits_for_others.discard(tp)
        self._unacked_messages.add(message)  # a rebalance waits for it
        return message

    def _rewind(self) -> None:
        to_rewind, self._to_rewind = self._to_rewind, set()
        for tp in to_rewind & self._next.keys():
            self._cursor[tp] = self._next[tp]
            self._inflow.seek(tp, self._next[tp])

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit, which is the due one; None before the first seek of this generation."""
        return self._due.get(tp) if self._thread.generation == self._sought_generation else None

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        return (tp for tp in list(self._due) if topics is None or tp in topics or tp.topic in topics)

    async def _commit_tps(self, tps: Iterable[TP], start_new_transaction: bool) -> bool:
        """Commit the due offsets.

        Faust would also format a table of them for a log, start a task that watches over the commit, and flush the
        producer, which has nothing left that belongs to these offsets.
        """
        del start_new_transaction
        assignment = self.assignment()
        offsets = {tp: offset for tp, offset in self._filter_committable_offsets(tps).items() if tp in assignment}
        if not offsets or not await self._commit(offsets):
            return False
        self._committed_offset.update(offsets)
        return True

    async def commit_and_end_transactions(self) -> None:
        """Let everything that is decided become durable, and commit it. Faust calls this once no batch is in flight.

        If a commit is under way, it has older offsets, and Faust would not commit again.
        """
        await self._observer.on_flow_stopped()
        await self.maybe_wait_for_commit_to_finish()
        await super().commit_and_end_transactions()

    @Service.task
    async def _commit_handler(self) -> None:
        """Commit what is due, at an interval. Faust's timer would start two tasks for each look at the clock.

        While nothing is due, no timer runs.
        """
        while not self.should_stop:
            await self._to_commit.wait()
            await asyncio.sleep(self.commit_interval)
            await self._look_at_commit()
            if not self._filter_committable_offsets(self._due):
                self._to_commit.clear()

    async def _look_at_commit(self) -> None:
        """Commit what is due, unless offsets were just committed and further batches come one after the other."""
        now = monotonic()
        at_rest = self._due == self._due_before
        self._due_before = dict(self._due)
        waits = now < self._committed_at + _COMMIT_SECONDS and now >= self._heals_until
        if (at_rest or not waits) and await self.commit():
            self._committed_at = now

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Do nothing: Faust would report healthy partitions as stuck, every second and for ever.

        After five minutes it would report every changelog, since recovery.py reads changelogs without the consumer, and
        every partition whose last records were filtered out or that is delayed (`delay`). What is really stuck stops
        the worker: a batch that is not acknowledged (sending.py), or a lost membership (membership.py).
        """


class OrderedProducer(driver.Producer):
    """Faust's producer as an idempotent one: the broker keeps the order, and drops what a retry repeats."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        # Sender decides how long to try. If a batch expired because there was no leader, its sequence numbers would be
        # missing, and the broker would accept no further batch from this producer.
        producer._message_accumulator._batch_ttl = float("inf")
        return producer


class OrderedTransport(driver.Transport):
    """The app's transport. It makes an OrderedConsumer, which gets settings and an observer, and an OrderedProducer."""

    Consumer = OrderedConsumer
    Producer = OrderedProducer

    def __init__(self, urls: list[URL], app: App, kafka: KafkaSettings, observer: ConsumerObserver) -> None:
        super().__init__(urls, app)
        self._kafka = kafka
        self._observer = observer

    def create_consumer(self, callback: Any, **kwargs: Any) -> Any:
        """Return the app's consumer."""
        return super().create_consumer(callback, kafka=self._kafka, observer=self._observer, **kwargs)
