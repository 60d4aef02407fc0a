"""Sending many records as few: produce batches per topic and partition, and one acknowledgement for each to wait for.

The producer itself never gives up, since it is idempotent: an ordinary outage of Kafka is waited out. What does not
pass is found here, so that a worker which cannot make anything durable stops, and says why.
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

#: How long an acknowledgement may take before somebody looks why, in seconds; and how often from then on.
_LOOK_SECONDS = 10.0
#: Before something is handed over again after an error that may pass, in seconds.
_RETRY_SECONDS = 0.1
#: What is smaller, in bytes, is not compressed: that would cost more time than it saves space. At an ordinary rate most
#: batches hold one record (bench/README.md).
_WORTH_COMPRESSING = 4_000

#: Key, value, headers, timestamp in ms (None: now).
Sendable = tuple[bytes | None, bytes | None, Headers, int | None]
#: Hears of records that were acknowledged, by their topic.
OnSent = Callable[[str, Iterable[Sendable]], None]
#: A topic and a partition.
Place = tuple[str, int]


class Acknowledged(NamedTuple):
    """Where a produce batch lies: its first offset (negative if the broker did not say) and its number of records."""

    first: int
    records: int


class Sender:
    """Sends through the app's producer. Every call returns once the broker has acknowledged.

    Without an acknowledgement for `patience` seconds it gives up. Large batches to topics in `compressed` are, by zstd.
    `on_sent` hears of a topic's records that were acknowledged.
    """

    def __init__(
        self, app: App, patience: float, compressed: Container[str] = (), on_sent: OnSent | None = None
    ) -> None:
        self._app = app
        self._patience = patience
        self._compressed = compressed
        self._on_sent = on_sent

    async def send(self, batches: Iterable[tuple[str, int, list[Sendable]]]) -> dict[Place, list[Acknowledged]]:
        """Send records for (topic, partition), in order within each. Return where they lie.

        What does not fit one produce batch goes as several, each when the one before is acknowledged, so that there is
        never a hole. Raise StateNotDurable if any is not acknowledged.
        """
        faust_producer: Any = self._app.producer
        producer = faust_producer._ensure_producer()
        handed = list(batches)
        waiting = {
            (topic, partition): _built(producer, records, compress=topic in self._compressed and _is_large(records))
            for topic, partition, records in handed
        }
        found: dict[Place, list[Acknowledged]] = {place: [] for place in waiting}
        while waiting:
            under_way = {}
            for place, built in list(waiting.items()):
                batch = next(built, None)
                if batch is None:
                    del waiting[place]
                else:
                    under_way[place] = batch, await self._hand_over(producer, batch, place)
            await self._acknowledged({future: place for place, (_, future) in under_way.items()}, producer)
            for place, (batch, future) in under_way.items():
                found[place].append(Acknowledged(future.result().offset, batch.record_count()))
        if self._on_sent is not None:
            for topic, _, records in handed:
                self._on_sent(topic, records)
        return found

    async def _hand_over(self, producer: Any, batch: Any, place: Place) -> "asyncio.Future[Any]":
        """Give a batch to the producer, which takes one at a time for each place."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        topic, partition = place
        while True:
            try:
                future: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
            except KafkaError as error:
                # A broker that is in trouble may say for a while that it does not know the topic.
                if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise StateNotDurable(f"{topic}: records cannot be sent: {type(error).__name__}") from error
                if loop.time() > deadline:
                    raise self._given_up(topic) from error
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return future

    async def _acknowledged(self, under_way: Mapping["asyncio.Future[Any]", Place], producer: Any) -> None:
        loop = asyncio.get_running_loop()
        began, missing = loop.time(), set[str]()
        pending = set(under_way)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=_LOOK_SECONDS)
            for future in done:
                if (error := future.exception()) is not None:
                    topic, _ = under_way[future]
                    raise StateNotDurable(
                        f"{topic}: Kafka did not acknowledge a record: {type(error).__name__}"
                    ) from error
            if pending:
                topics = {under_way[future][0] for future in pending}
                # Twice in a row: a topic can be missing for a moment while its leader is being elected.
                gone = missing & (missing := {topic for topic in topics if not _exists(topic, producer)})
                if gone:
                    raise StateNotDurable(
                        f"{', '.join(sorted(gone))}: the topic does not exist any more. Start the worker again: it "
                        "creates the topic, or says what to do"
                    )
                waited = loop.time() - began
                if waited > self._patience:
                    raise self._given_up(*topics)
                log.warning(
                    "no acknowledgement for %.0f s from %s; the worker still waits", waited, ", ".join(sorted(topics))
                )

    def _given_up(self, *topics: str) -> StateNotDurable:
        return StateNotDurable(
            f"{', '.join(sorted(topics))}: no acknowledgement for {self._patience:.0f} s (kafka.patience_seconds). "
            "Once Kafka works, start the worker again: it goes on from what is durable"
        )


def _exists(topic: str, producer: Any) -> bool:
    """Say whether a topic is known; the producer asks anew while it has something for one that is not."""
    return producer.client.cluster.partitions_for_topic(topic) is not None


def _is_large(records: Iterable[Sendable]) -> bool:
    return sum(len(value or b"") for _, value, _, _ in records) >= _WORTH_COMPRESSING


def _built(producer: Any, records: Iterable[Sendable], *, compress: bool) -> Iterator[Any]:
    """Pack records into as few produce batches as fit. A batch always takes its first record, however large."""
    batch = _empty(producer, compress=compress)
    append = batch._builder.append  # batch.append spends as much again on serializers that nobody has set
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
        # The codec is otherwise the producer's, for all of its batches.
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
