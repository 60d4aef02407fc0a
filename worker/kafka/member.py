"""A member of a consumer group without Faust, for a topic whose records may be finished in any order.

It has no table. What it reads is committed by whoever uses it, once it is finished.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from worker.cancelling import finish
from worker.errors import MembershipLost
from worker.kafka import header_names
from worker.kafka.connection import client_options
from worker.kafka.topics import NOT_PERMITTED, not_permitted
from worker.settings import KafkaSettings

log = logging.getLogger(__name__)

#: How long a poll waits for records, in ms, and how many records it returns at most.
_POLL_MS, _POLL_RECORDS = 500, 500
#: The longest time between two heartbeats, in seconds. Shorter sessions have three within a session.
_HEARTBEAT_SECONDS = 3.0
#: How long a commit may take, in seconds. What is not committed is read again after a restart.
_COMMIT_SECONDS = 5.0

#: Is awaited before partitions are given to other members.
OnRevoked = Callable[[Collection[int]], Awaitable[None]]


class Member:
    """One member, which reads one topic. A group that has read nothing yet begins with the first record."""

    def __init__(self, kafka: KafkaSettings, group: str, topic: str, on_revoked: OnRevoked) -> None:
        """`group` and `topic` are full names."""
        self._kafka = kafka
        self._topic = topic
        self._group = group
        self._listener = _Listener(on_revoked)
        self._made: AIOKafkaConsumer | None = None

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        assert self._made is not None, "the member has not started"
        return self._made

    async def start(self) -> None:
        """Connect, and join the group. Raise KafkaError if Kafka does not answer, Refused without a permission."""
        header_names.accept_any()
        session_ms = round(self._kafka.session_timeout_seconds * 1_000)
        consumer = AIOKafkaConsumer(
            **client_options(self._kafka),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=round(min(_HEARTBEAT_SECONDS * 1_000, session_ms / 3)),
        )
        try:
            await consumer.start()
        except BaseException as error:
            await finish(consumer.stop())
            if isinstance(error, NOT_PERMITTED):
                raise not_permitted(error) from error
            raise
        consumer.subscribe([self._topic], listener=self._listener)
        self._made = consumer

    async def stop(self) -> None:
        """Leave the group, and disconnect. Do nothing if the member has not started."""
        if self._made is not None:
            await finish(self._made.stop())

    async def read(self) -> Sequence[ConsumerRecord]:
        """Return the next records, in the order of each partition; none if none come for a while.

        Raise MembershipLost if reading has ended for good, and Refused if a permission is missing.
        """
        try:
            fetching = self._consumer._fetcher._fetch_task
            if fetching.done():
                fetching.result()  # raises the error; aiokafka itself would return no records for ever
            found = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
        except NOT_PERMITTED as error:
            raise not_permitted(error) from error
        except KafkaError as error:
            raise MembershipLost(
                f"the group {self._group} cannot read {self._topic}: {type(error).__name__}"
            ) from error
        return [record for records in found.values() for record in records]

    def pause(self) -> None:
        """Read no further records until `resume`, and stay a member."""
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """Read again."""
        self._consumer.resume(*self._consumer.paused())

    async def commit(self, positions: Mapping[int, int]) -> bool:
        """Commit an offset of each partition. Return whether Kafka has accepted them.

        It does not if another member has a partition by now. What is not committed will be read again.
        """
        offsets = {TopicPartition(self._topic, partition): offset for partition, offset in positions.items()}
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError, TimeoutError):
            return False
        except KafkaError as error:
            log.warning("%s: offsets cannot be committed now: %s", self._group, type(error).__name__)
            return False
        return True


@ConsumerRebalanceListener.register
class _Listener:
    """Tells of partitions that are revoked."""

    def __init__(self, on_revoked: OnRevoked) -> None:
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Await what has to be done before."""
        await self._on_revoked({place.partition for place in revoked})

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Do nothing: their records will come."""
