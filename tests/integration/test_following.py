"""Following a compacted topic that is cut back, or created again, between asking for its end and reading it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import TopicAlreadyExistsError

from worker.embedded.kafka import EmbeddedKafka
from worker.kafka.following import follow
from worker.kafka.reading import Reader
from worker.settings import KafkaSettings

Change = Callable[[str, str], Awaitable[None]]


class Known:
    """A follower that keeps the values. `next` is the offset up to which it has read."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.next = 0
        self.changed = asyncio.Event()
        self.caught_up = asyncio.Event()

    def next_offset(self, partition: int) -> int:
        assert partition == 0
        return self.next

    def forget(self, partition: int) -> None:
        assert partition == 0
        self.values, self.next = [], 0

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        for record in records:
            self.values.append(record.value or b"")
            self.next = record.offset + 1
            self.changed.set()

    def note_caught_up(self, ends: Mapping[int, int]) -> None:
        assert set(ends) == {0}
        self.caught_up.set()


async def write(servers: str, topic: str, values: Iterable[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=value)


async def delete_records(servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(5)})
    finally:
        await admin.close()


async def create(admin: AIOKafkaAdminClient, topic: str) -> None:
    """Create a topic, once Kafka has deleted the one of the same name."""
    while True:
        response = await admin.create_topics([NewTopic(topic, 1, 1)])
        if all(error[1] == 0 for error in response.topic_errors):
            return
        assert {error[1] for error in response.topic_errors} == {TopicAlreadyExistsError.errno}


async def create_again(servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        await create(admin, topic)
    finally:
        await admin.close()
    await write(servers, topic, [b"new 1", b"new 2"])


@pytest.mark.parametrize(
    ("change", "expected"), [(delete_records, []), (create_again, [b"new 1", b"new 2"])], ids=["cut", "created again"]
)
@pytest.mark.parametrize("known_before", [0, 3])
async def test_a_topic_that_changes_after_its_end_was_asked_for_is_read_to_the_end_that_it_has(
    kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, change: Change, expected: list[bytes], known_before: int
) -> None:
    """And what comes afterwards is read, too."""
    servers, known = kafka.bootstrap_servers, Known()
    topic = f"followed-{change.__name__}-{known_before}"
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await create(admin, topic)
    await admin.close()
    old = [b"old %d" % number for number in range(5)]
    await write(servers, topic, old)
    known.next, known.values = known_before, old[:known_before]
    ends, asked = Reader.ends, list[int]()

    async def ends_before_the_change(self: Reader, name: str, partitions: Collection[int]) -> dict[int, int]:
        found = await ends(self, name, partitions)
        asked.append(found[0])
        if len(asked) == 1:
            await change(servers, topic)
        return found

    monkeypatch.setattr(Reader, "ends", ends_before_the_change)
    following = asyncio.create_task(follow(KafkaSettings(bootstrap_servers=servers), topic, known))
    async with asyncio.timeout(120):
        await known.caught_up.wait()
        kept = old[:known_before] if change is delete_records else []
        assert (asked[0], known.values) == (5, [*kept, *expected])
        known.changed.clear()
        await write(servers, topic, [b"later"])
        await known.changed.wait()
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following

    assert known.values == [*kept, *expected, b"later"]
