"""Publishing records whose acknowledgement somebody waits for, by a producer without Faust.

The idempotent producer tries again without end, so while Kafka is away a record stays with it, and may be published
later although nobody waits for it any more. Whoever publishes therefore has to cause the same records again, and their
readers have to recognise them.

If Kafka refuses a batch for good, aiokafka's producer goes on with a gap in its sequence numbers, and each later batch
of that partition is refused as well. Such a producer is replaced by a new one.
"""

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from worker.cancelling import cancel_all
from worker.errors import TopicsUnfit, Unreachable
from worker.flow.batch import Output, Place
from worker.kafka.connection import client_options
from worker.kafka.partitioner import partition_of
from worker.kafka.topics import LARGEST_RECORD, NOT_PERMITTED, not_permitted, topic_name
from worker.service import Failure
from worker.settings import KafkaSettings

log = logging.getLogger(__name__)

#: How long a record waits for others that are sent in the same request, in ms. At a thousand records a second, a
#: request costs as much as the handling of several records.
_LINGER_MS = 10
#: How long the oldest record of a partition may be without an acknowledgement before further ones are refused at once,
#: in seconds.
_STUCK_SECONDS = 4.0
#: How often Kafka is asked whether it answers, and how long its answer may take, in seconds.
_LOOK_SECONDS = 5.0
#: How long a stop waits for records that were sent, in seconds.
_FLUSH_SECONDS = 3.0
_AWAY = "Kafka has not acknowledged in time"

#: A topic and a partition.
_Partition = tuple[str, int]

#: Publishes records within so many seconds, as Producing.publish. Raises Unreachable if they are not acknowledged.
Publish = Callable[[Sequence[Output], float], Awaitable[object]]
#: Does so, and returns where they lie.
PublishAt = Callable[[Sequence[Output], float], Awaitable[Sequence[Place]]]


class Producing:
    """A service that publishes records. It is ready while Kafka answers."""

    def __init__(self, kafka: KafkaSettings, prefix: str, topics: Collection[str], partitions: int) -> None:
        """`topics`: where it will publish, without the prefix; `partitions`: how many each of these topics has."""
        self._kafka = kafka
        self._prefix = prefix
        self._topics = [topic_name(prefix, topic) for topic in topics]
        self._partitions = partitions
        self._owner = partition_of(partitions)
        self._producer: AIOKafkaProducer | None = None
        # The acknowledgements that have not come yet, each with the time of its record, the oldest first.
        self._waiting = defaultdict[_Partition, dict[asyncio.Future[Any], float]](dict)
        self._answers = False
        self._failure = Failure()
        self._watching: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether Kafka answers."""
        return self._answers and self._producer is not None

    async def start(self) -> None:
        """Connect; wait for Kafka if it has ceased to answer. Raise Refused if a permission is missing."""
        await self._connect()
        self._answers = True
        self._watching = asyncio.create_task(self._watch())
        self._watching.add_done_callback(self._failure.keep_of)

    async def stop(self) -> None:
        """Wait a little for the acknowledgements that have not come yet, and disconnect."""
        await cancel_all([task for task in (self._watching, self._renewing) if task is not None])
        producer, self._producer = self._producer, None
        if producer is not None:
            left = [future for futures in self._waiting.values() for future in futures]
            if left:
                await asyncio.wait(left, timeout=_FLUSH_SECONDS)
            await self._close(producer)

    async def failure(self) -> None:
        """Wait until an error must stop the worker, and raise it."""
        await self._failure.raised()

    async def publish(self, outputs: Sequence[Output], seconds: float) -> list[Place]:
        """Publish records, and return where they lie once Kafka has acknowledged all of them.

        A record without a key, and without a partition, gets any partition. Raise Unreachable if Kafka has not
        acknowledged all of them after so many seconds; they may be published later all the same.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                sent = [await self._send(output) for output in outputs]
        except TimeoutError as error:
            raise Unreachable(_AWAY) from error
        except KafkaError as error:
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                self._give_up(error)
            raise Unreachable(_AWAY) from error
        # asyncio.gather would cancel the futures at the deadline, and with them the record of somebody's next attempt.
        done, pending = await asyncio.wait(sent, timeout=max(0.0, deadline - loop.time())) if sent else (set(), set())
        if pending or any(future.cancelled() or future.exception() is not None for future in done):
            raise Unreachable(_AWAY)
        return [Place(written.partition, written.offset) for written in (future.result() for future in sent)]

    async def _send(self, output: Output) -> "asyncio.Future[Any]":
        """Give a record to the producer, and return the future of its acknowledgement."""
        topic, partition = topic_name(self._prefix, output.topic), self._partition(output)
        loop, waiting = asyncio.get_running_loop(), self._waiting[topic, partition]
        oldest = next(iter(waiting.values()), None)
        if self._producer is None or (oldest is not None and loop.time() - oldest > _STUCK_SECONDS):
            raise KafkaTimeoutError
        future: asyncio.Future[Any] = await self._producer.send(
            topic, output.value, output.key, partition, output.timestamp, output.headers
        )
        waiting[future] = loop.time()
        future.add_done_callback(lambda ended: self._ended(topic, partition, ended))
        return future

    def _partition(self, output: Output) -> int:
        if output.partition is not None:
            return output.partition
        if output.key:
            return self._owner(output.key)
        return random.randrange(self._partitions)  # noqa: S311 - no secret

    def _ended(self, topic: str, partition: int, future: "asyncio.Future[Any]") -> None:
        """Note that a record is acknowledged, or was refused."""
        self._waiting[topic, partition].pop(future, None)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> None:
        """Replace the producer after an error that does not pass. A missing permission is a failure."""
        if isinstance(error, NOT_PERMITTED):
            self._failure.keep(not_permitted(error))
        elif self._producer is not None:
            log.warning("Kafka refuses the producer (%s); another one replaces it", type(error).__name__)
            broken, self._producer = self._producer, None
            self._renewing = asyncio.create_task(self._renew(broken))
            self._renewing.add_done_callback(self._failure.keep_of)

    async def _renew(self, broken: AIOKafkaProducer) -> None:
        await self._close(broken)
        await self._connect()

    async def _connect(self) -> None:
        """Try until there is a connection."""
        while self._producer is None:
            try:
                self._producer = await self._connected()
            except KafkaError as error:
                log.warning("no new connection to Kafka: %s; trying again", type(error).__name__)
                await asyncio.sleep(_LOOK_SECONDS)

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **client_options(self._kafka),
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            max_request_size=LARGEST_RECORD,
        )
        try:
            await producer.start()
            for topic in self._topics:
                await producer.partitions_for(topic)
        except BaseException as error:
            await self._close(producer)
            if isinstance(error, NOT_PERMITTED):
                raise not_permitted(error) from error
            raise
        return producer

    async def _close(self, producer: AIOKafkaProducer) -> None:
        """Disconnect, and give up the records that are not acknowledged. aiokafka's own stop would wait for them."""
        given_up = [future for futures in self._waiting.values() for future in futures]
        self._waiting.clear()
        if given_up:
            producer._closed = True
            if producer._sender.sender_task is not None:
                await producer._sender.close()
            await producer.client.close()
            for future in given_up:
                future.cancel()
        else:
            await producer.stop()

    async def _watch(self) -> None:
        """Look from time to time whether Kafka answers. Raise TopicsUnfit if a topic does not exist any more."""
        missing = set[str]()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            producer, has_answered = self._producer, False
            if producer is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        has_answered = bool(await producer.client.force_metadata_update())
            self._note(has_answered=has_answered)
            if producer is None or not has_answered:
                continue
            # A topic counts as deleted if it is missing twice in a row: it can be missing for a moment while its leader
            # is being elected.
            known = producer.client.cluster.partitions_for_topic
            gone = missing & (missing := {topic for topic in self._topics if known(topic) is None})
            if gone:
                raise TopicsUnfit(
                    f"{', '.join(sorted(gone))}: the topic does not exist any more. Start the worker again: it creates "
                    "the topic, or says what to do"
                )

    def _note(self, *, has_answered: bool) -> None:
        if has_answered is not self._answers:
            self._answers = has_answered
            if has_answered:
                log.info("Kafka answers again")
            else:
                log.warning("Kafka does not answer; deliveries are refused until it does")
