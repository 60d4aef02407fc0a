"""Copying topics of another installation, so that a new one can be made from what has happened: docs/moving.md.

The records keep their Kafka times, since decisions go by these. A record goes to the partition of its key, which may be
another one than before. worker/flow/responses/copied.py says which responses are copied.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from pydantic_core import from_json

from schemas.cloudevents import Headers
from worker.errors import StillRunning, TopicsUnfit, Unreachable
from worker.flow import events
from worker.flow.responses.copied import Copied
from worker.kafka import groups, ownership, reading, topics
from worker.kafka.backfill import backfilled
from worker.kafka.connection import client_options
from worker.kafka.partitioner import partition_of
from worker.kafka.preflight import preflight
from worker.kafka.reading import Reader, Span
from worker.rebuild.progress import Progress, Say, offsets_in
from worker.settings import Settings

#: The topics that can be copied. All others are made from them.
COPIED = (events.RESPONSES, events.ALERT_COMMANDS, events.DELIVERIES)
#: Kafka's number, in a record, for a time that the producer has given to it.
_TIME_OF_PRODUCER = 0

#: Returns the partition that a record goes to.
_Place = Callable[[ConsumerRecord], int]


async def are_on_one_cluster(source: Settings, target: Settings) -> bool:
    """Say whether both installations are on the same cluster, by whatever addresses. Raise Unreachable or Refused.

    The ids of the clusters say so: one cluster has several brokers, and each of them may have several names.
    """
    for each in (source, target):
        await preflight(each.kafka)
    return await topics.cluster_id(source.kafka) == await topics.cluster_id(target.kafka)


async def copy(source: Settings, target: Settings, topic: str, say: Say) -> str:
    """Copy a topic from one installation to another, and return in one line what was done.

    `topic`: one of COPIED. The installations may be on different clusters. The topics of the target are created if they
    are missing.

    Raise TopicsUnfit if the source does not have the topic, or if the target's topic is not empty, or does not hold all
    records with their times at the end; StillRunning if the target has workers; and Unreachable, Refused or KafkaError
    if Kafka does not answer.
    """
    await preflight(source.kafka)
    await preflight(target.kafka)
    before, after = (topics.topic_name(each.topic_prefix, topic) for each in (source, target))
    async with topics.administrator(target.kafka) as admin, reading.reader(source.kafka, committed_only=True) as reader:
        partitions = await reader.partitions(before)
        if not partitions:
            raise TopicsUnfit(f"{before} does not exist on {source.kafka.bootstrap_servers}: there is nothing to copy")
        await _check_unused(admin, target, after)
        starts, ends = await reader.starts(before, partitions), await reader.ends(before, partitions)
        spans = {n: (starts[n], ends[n]) for n in partitions}
        headers = _as_they_are
        if topic == events.RESPONSES:
            headers = (await _learned(reader, source, before, spans, say)).headers
        async with backfilled(admin, target, topic) as kafka:
            place = await _places(target, topic, kafka.partitions, has_records=offsets_in(spans.values()) > 0)
            progress, sent, left_out = Progress(topic, offsets_in(spans.values()), say), 0, 0
            async with _producer(target) as producer, aclosing(reader.read(before, spans)) as read:
                async for records in _awaited(read, source):
                    wanted = [(record, kept) for record in records if (kept := headers(record)) is not None]
                    await _send(producer, after, wanted, place)
                    sent, left_out = sent + len(wanted), left_out + len(records) - len(wanted)
                    progress.count(len(records))
            progress.end()
            await _check_complete(target, after, sent)
    left = (
        f"; {left_out:,} were left out: originals of which a worker had sent on a copy, repeats, and records that "
        "workers wrote for themselves"
    )
    return f"{before} was copied to {after}{left if left_out else ''}"


async def _awaited(read: AsyncIterator[list[ConsumerRecord]], source: Settings) -> AsyncIterator[list[ConsumerRecord]]:
    """Return what is read. Raise Unreachable if nothing comes for `kafka.patience_seconds`."""
    seconds = source.kafka.patience_seconds
    while True:
        try:
            async with asyncio.timeout(seconds):
                records = await anext(read, None)
        except TimeoutError:
            servers = source.kafka.bootstrap_servers
            raise Unreachable(
                f"Kafka at {servers} has not answered for {seconds:.0f} s: the copy is not complete"
            ) from None
        if records is None:
            return
        yield records


async def _check_unused(admin: AIOKafkaAdminClient, target: Settings, name: str) -> None:
    """Raise an error if a worker of the target runs, or if the topic that is to be filled is not empty."""
    used = [topics.group_id(target.kafka.group, role) for role in topics.groups_in_use(target)]
    if running := await groups.with_members(admin, used):
        raise StillRunning(f"workers are running in {' and '.join(running)}: stop them first")
    async with reading.reader(target.kafka) as reader:
        ends = await reader.ends(name, await reader.partitions(name))
    if any(ends.values()):
        raise TopicsUnfit(
            f"the new installation, on {target.kafka.bootstrap_servers}, has records in {name} already. If an earlier "
            "copy was interrupted, delete this topic of the new installation, and copy it again"
        )


def _as_they_are(record: ConsumerRecord) -> Headers | None:
    return [*record.headers]


async def _all_of(target: Settings, name: str) -> AsyncGenerator[list[ConsumerRecord], None]:
    """Yield all records that a topic of the target has now, in chunks. Raise KafkaError."""
    async with reading.reader(target.kafka) as reader:
        ends = await reader.ends(name, await reader.partitions(name))
        async with aclosing(reader.read(name, {n: (0, end) for n, end in ends.items()})) as pieces:
            async for records in pieces:
                yield records


async def _learned(reader: Reader, source: Settings, name: str, spans: Mapping[int, Span], say: Say) -> Copied:
    """Return which responses of the source are copied."""
    claimed_by = topics.ownership_topic(source)
    owner = await ownership.owner_of(source.kafka, claimed_by) if await reader.partitions(claimed_by) else None
    if owner is None:
        say(
            f"{claimed_by} has no claim of a worker, so it is not known which responses the workers have sent on to "
            "other partitions. Each of these is copied twice, and will be a duplicate or a dead letter"
        )
        return Copied(b"")
    copied = Copied(owner.claim.secret)
    progress = Progress("finding what workers have sent on", offsets_in(spans.values()), say)
    async with aclosing(reader.read(name, spans)) as read:
        async for records in _awaited(read, source):
            copied.learn(records)
            progress.count(len(records))
    progress.end()
    return copied


async def _places(target: Settings, topic: str, partitions: int, *, has_records: bool) -> _Place:
    """Return a function from a record to its partition.

    A line of the delivery log goes to the partition in which its alert lies, and has to be copied after the alerts were
    made again. Raise TopicsUnfit if there are none yet, and there is a line to copy (`has_records`).
    """
    owner = partition_of(partitions)
    if topic != events.DELIVERIES:
        return lambda record: owner(record.key or b"")
    alerts = topics.topic_name(target.topic_prefix, events.ALERTS)
    lies: dict[str, int] = {}
    async with aclosing(_all_of(target, alerts)) as pieces:
        async for records in pieces:
            lies |= {alert: record.partition for record in records if (alert := _alert_of(record))}
    if has_records and not lies:
        servers = target.kafka.bootstrap_servers
        why = f"{alerts} has no alerts on {servers} yet: first copy the responses, and let the role process decide them"
        raise TopicsUnfit(why)
    return lambda record: lies.get(_alert_of(record), owner(record.key or b""))


def _alert_of(record: ConsumerRecord) -> str:
    """Return the id of the alert or the incident that a record is about; empty if it is about none."""
    try:
        event = from_json(record.value or b"")
    except ValueError:
        return ""
    found = event.get("alert_id") if isinstance(event, dict) else None
    return found if isinstance(found, str) else ""


async def _send(
    producer: AIOKafkaProducer, name: str, records: Sequence[tuple[ConsumerRecord, Headers]], place: _Place
) -> None:
    """Publish records with these headers, and wait for the acknowledgements. Raise KafkaError without them."""
    sending = [
        await producer.send(
            name, record.value, record.key, place(record), timestamp_ms=record.timestamp, headers=headers
        )
        for record, headers in records
    ]
    await asyncio.gather(*sending)


async def _check_complete(target: Settings, name: str, sent: int) -> None:
    """Read a topic back. Raise TopicsUnfit if it has not as many records as were sent, or if a broker gave them a time.

    A broker that does not know the newest state of the topic acknowledges records all the same.
    """
    found = 0
    async with aclosing(_all_of(target, name)) as pieces:
        async for records in pieces:
            found += sum(record.timestamp_type == _TIME_OF_PRODUCER for record in records)
    if found != sent:
        raise TopicsUnfit(
            f"{name} holds {found:,} of {sent:,} records with their times: delete the topic, and copy it again"
        )


@asynccontextmanager
async def _producer(target: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **client_options(target.kafka),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_request_size=topics.LARGEST_RECORD,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()
