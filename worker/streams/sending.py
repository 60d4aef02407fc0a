"""Sending records in few produce batches: there is one acknowledgement to wait for per batch, and not per record.

The idempotent producer tries again without end, so the worker waits while Kafka is away. An error that does not pass is
recognised here, so that a worker which cannot make anything durable stops, and says why.

aiokafka gives a broker one produce batch of a partition at a time. All partitions of responses have tallies for all
partitions of segments; if each sent its own batches, a request could take those of one of them only. So what is sent
in the same turn of the event loop to the same partition is put into one batch.
"""

import asyncio
import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from faust import App

from schemas.cloudevents import Headers
from worker.errors import StateNotDurable

log = logging.getLogger(__name__)

#: How long the sender waits for an acknowledgement before it looks for a reason, in seconds, and how often it does so
#: from then on.
_LOOK_SECONDS = 10.0
#: How long to wait before a batch is given to the producer again after a transient error, in seconds.
_RETRY_SECONDS = 0.1
#: The least size of values that are compressed, in bytes. To compress less costs more time than is worth the space. At
#: an ordinary rate most batches hold one record (bench/README.md).
_WORTH_COMPRESSING = 4_000

#: Key, value, headers, timestamp in ms (None: now).
Sendable = tuple[bytes | None, bytes | None, Headers, int | None]
#: Is called with a topic and its records once they are acknowledged.
OnSent = Callable[[str, Iterable[Sendable]], None]
#: A topic and a partition.
Place = tuple[str, int]


class Acknowledged(NamedTuple):
    """The place of a produce batch: its first offset, negative if the broker did not say it, and its record count."""

    first: int
    records: int


class _Shared:
    """The records of one or several callers that are sent to the same place."""

    def __init__(self, records: list[Sendable]) -> None:
        self.records = records
        #: The produce batches that were acknowledged, in the order of the records.
        self.batches: list[Acknowledged] = []
        # Is done when all records are acknowledged. It is made only if there are several callers, who wait for that.
        self._ended: asyncio.Future[None] | None = None

    @property
    def is_joined(self) -> bool:
        """Whether there are several callers."""
        return self._ended is not None

    def join(self, records: list[Sendable]) -> "_Share":
        """Add the records of a further caller."""
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        share = _Share(self, len(self.records), len(records))
        self.records = [*self.records, *records]
        return share

    def end(self) -> None:
        """Note that all records are acknowledged."""
        if self._ended is not None:
            self._ended.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Give an error to all callers, unless their records are acknowledged."""
        if self._ended is None or self._ended.done():
            return
        if isinstance(error, asyncio.CancelledError):
            self._ended.cancel()
        else:
            self._ended.set_exception(error)
            self._ended.exception()  # whoever still waits raises it

    async def ended(self) -> None:
        """Wait until all records are acknowledged. Raise StateNotDurable if they are not."""
        if self._ended is not None:
            await asyncio.shield(self._ended)


class _Share(NamedTuple):
    """The records of one caller among those that are sent together."""

    shared: _Shared
    #: The number of records before them, and their own.
    before: int
    own: int

    async def acknowledged(self) -> list[Acknowledged]:
        """Return where the records lie, once they are acknowledged. Raise StateNotDurable if they are not."""
        await self.shared.ended()
        found, begin = [], 0
        for first, records in self.shared.batches:
            own_first, own_end = max(begin, self.before), min(begin + records, self.before + self.own)
            if own_first < own_end:
                found.append(Acknowledged(first if first < 0 else first + own_first - begin, own_end - own_first))
            begin += records
        return found


class Sender:
    """Sends through the app's producer. Every call returns once the broker has acknowledged.

    If there is no acknowledgement for `patience` seconds, the sender gives up. It compresses large batches to the
    topics in `compressed`, by zstd. `on_sent` is called with the records of a topic that were acknowledged.
    """

    def __init__(
        self, app: App, patience: float, compressed: Container[str] = (), on_sent: OnSent | None = None
    ) -> None:
        self._app = app
        self._patience = patience
        self._compressed = compressed
        self._on_sent = on_sent
        # What is put together in this turn of the event loop.
        self._open: dict[Place, _Shared] = {}
        # The tasks that send for several callers.
        self._sending: set[asyncio.Task[None]] = set()

    async def send(self, batches: Iterable[tuple[str, int, list[Sendable]]]) -> dict[Place, list[Acknowledged]]:
        """Send records, each list to its topic and partition, and in order. Return the places of the produce batches.

        Records that do not fit one produce batch are sent as several, each after the acknowledgement of the previous
        one, so that there is never a hole. Raise StateNotDurable if a batch is not acknowledged.
        """
        given = list(batches)
        own: dict[Place, _Shared] = {}
        shares: dict[Place, _Share] = {}
        for topic, partition, records in given:
            place = topic, partition
            shared = self._open.get(place)
            if shared is None:
                shared = self._open[place] = own[place] = _Shared(records)
                shares[place] = _Share(shared, 0, len(records))
            else:
                shares[place] = shared.join(records)
        if own:
            await self._send_together(own)
        acknowledged = {place: await share.acknowledged() for place, share in shares.items()}
        if self._on_sent is not None:
            for topic, _, records in given:
                self._on_sent(topic, records)
        return acknowledged

    async def _send_together(self, own: Mapping[Place, "_Shared"]) -> None:
        """Let others join who send in the same turn of the event loop, and send what was put together."""
        sending: asyncio.Task[None] | None = None
        try:
            await asyncio.sleep(0)
        finally:
            for place in own:
                del self._open[place]
            if any(shared.is_joined for shared in own.values()):
                # The others wait for their records also if this call is cancelled.
                sending = asyncio.create_task(self._send_all(own))
                self._sending.add(sending)
                sending.add_done_callback(self._sent)
        await (self._send_all(own) if sending is None else asyncio.shield(sending))

    def _sent(self, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        if not sending.cancelled():
            sending.exception()  # whoever still waits raises it

    async def _send_all(self, shared: Mapping[Place, "_Shared"]) -> None:
        """Send what was put together for each place. An error also goes to everybody who waits for one of them."""
        faust_producer: Any = self._app.producer
        producer = faust_producer._ensure_producer()
        unsent = {
            (topic, partition): _packed(
                producer, each.records, compress=topic in self._compressed and _is_large(each.records)
            )
            for (topic, partition), each in shared.items()
        }
        try:
            while unsent:
                in_flight = {}
                for place, packed in list(unsent.items()):
                    batch = next(packed, None)
                    if batch is None:
                        del unsent[place]
                        shared[place].end()
                    else:
                        in_flight[place] = batch, await self._enqueue(producer, batch, place)
                await self._wait_for({future: place for place, (_, future) in in_flight.items()}, producer)
                for place, (batch, future) in in_flight.items():
                    shared[place].batches.append(Acknowledged(future.result().offset, batch.record_count()))
        except BaseException as error:
            for each in shared.values():
                each.fail(error)
            raise

    async def _enqueue(self, producer: Any, batch: Any, place: Place) -> "asyncio.Future[Any]":
        """Give a batch to the producer. Return the future of its acknowledgement."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        topic, partition = place
        while True:
            try:
                future: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
            except KafkaError as error:
                # During an outage a broker may answer for a while that it does not know the topic.
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise StateNotDurable(f"{topic}: records cannot be sent: {type(error).__name__}") from error
                if loop.time() > deadline:
                    raise self._not_acknowledged(topic) from error
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return future

    async def _wait_for(self, in_flight: Mapping["asyncio.Future[Any]", Place], producer: Any) -> None:
        """Wait until all batches are acknowledged. Raise StateNotDurable as soon as one cannot be."""
        loop = asyncio.get_running_loop()
        began, missing = loop.time(), set[str]()
        pending = set(in_flight)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=_LOOK_SECONDS)
            for future in done:
                if (error := future.exception()) is not None:
                    topic, _ = in_flight[future]
                    raise StateNotDurable(
                        f"{topic}: Kafka did not acknowledge a record: {type(error).__name__}"
                    ) from error
            if pending:
                topics = {in_flight[future][0] for future in pending}
                # A topic counts as deleted if it is missing twice in a row: it can be missing for a moment while its
                # leader is being elected.
                gone = missing & (missing := {topic for topic in topics if not _exists(topic, producer)})
                if gone:
                    raise StateNotDurable(
                        f"{', '.join(sorted(gone))}: the topic does not exist any more. Start the worker again: it "
                        "creates the topic, or says what to do"
                    )
                waited = loop.time() - began
                if waited > self._patience:
                    raise self._not_acknowledged(*topics)
                log.warning(
                    "no acknowledgement for %.0f s from %s; the worker still waits", waited, ", ".join(sorted(topics))
                )

    def _not_acknowledged(self, *topics: str) -> StateNotDurable:
        return StateNotDurable(
            f"{', '.join(sorted(topics))}: no acknowledgement for {self._patience:.0f} s (kafka.patience_seconds). "
            "Once Kafka works, start the worker again: it goes on from what is durable"
        )


def _exists(topic: str, producer: Any) -> bool:
    """Say whether the producer knows a topic; it asks for metadata again while it has records for an unknown one."""
    return producer.client.cluster.partitions_for_topic(topic) is not None


def _is_large(records: Iterable[Sendable]) -> bool:
    return sum(len(value or b"") for _, value, _, _ in records) >= _WORTH_COMPRESSING


def _packed(producer: Any, records: Iterable[Sendable], *, compress: bool) -> Iterator[Any]:
    """Yield the records packed into as few produce batches as possible.

    A batch always takes its first record, whatever its size.
    """
    batch = _empty(producer, compress=compress)
    append = batch._builder.append  # batch.append takes twice the time, for serializers that are not set here
    count = 0
    for key, value, headers, timestamp in records:
        while append(count, timestamp, key=key, value=value, headers=headers) is None:
            yield _closed(batch, count)
            batch = _empty(producer, compress=compress)
            append, count = batch._builder.append, 0
        count += 1
    if count:
        yield _closed(batch, count)


def _empty(producer: Any, *, compress: bool) -> Any:
    batch = producer.create_batch()
    if compress:
        # By default all batches have the producer's codec.
        batch._builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=DefaultRecordBatch.CODEC_ZSTD,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=0,
            batch_size=producer._message_accumulator._batch_size,
        )
    return batch


def _closed(batch: Any, count: int) -> Any:
    batch._relative_offset = count
    batch.close()
    return batch
