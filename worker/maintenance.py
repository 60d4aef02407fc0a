"""Commands for an operator while no worker runs: they change which group reads the topics, and where it continues.

Each command refuses while a worker of the groups concerned is alive, and may be repeated.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient

from worker.clock import SystemClock
from worker.errors import StateLost, StillRunning, TopicsUnfit, Unconfirmed
from worker.flow import events
from worker.flow.timestamps import DAY
from worker.kafka import changelogs, groups, ownership, reading, source, topics
from worker.kafka.connection import client_options
from worker.kafka.preflight import preflight
from worker.kafka.rows import Fence, PartitionState
from worker.settings import Settings

#: What it means that records of a topic are read once more.
_REPEATED: Mapping[str, str] = {
    events.RESPONSES: " (answers are decided once more)",
    events.ALERTS: " (alerts are mailed once more, unless the delivery log says that they were)",
}


class Position(NamedTuple):
    """How far a group has read a topic, and what it would read again otherwise."""

    #: The offset at which it continues, by partition.
    next_offsets: dict[int, int]
    #: The number of offsets in the partitions of which nothing says how far the group has read them.
    unknown: int


async def take_over(settings: Settings, *, may_repeat: bool) -> str:
    """Make `kafka.group` the owner of the topics; return what was done, in one line.

    The new owner continues at the offsets up to which the old one has read. So a worker that finds none of the tables
    stops and asks for a rebuild, and does not count and mail everything once more. The offsets come from the old
    group's commits or, if Kafka has forgotten them (offsets.retention.minutes), from its changelogs.

    Raise StillRunning if the owner has workers, Unconfirmed if nothing says how far the old group has read and
    `may_repeat` is False, TopicsUnfit if nobody owns the topics, and Unreachable, Refused or KafkaError if Kafka does
    not answer.
    """
    topic, group = topics.ownership_topic(settings), settings.kafka.group
    async with _admin(settings) as admin:
        if topic not in await admin.list_topics():
            raise TopicsUnfit(
                f"{topic} does not exist, so no group owns {settings.topic_prefix}.*: start the worker, which "
                "becomes the owner"
            )
        owner = await ownership.owner_of(settings.kafka, topic)
        if owner is None or owner.claim.group == group:
            await ownership.claim(settings.kafka, topic)
            return f"{group} owns {settings.topic_prefix}.*"
        old = owner.claim.group
        foreign = {at.role: at.topic for at in topics.foreign_topics(settings)}
        await _check_stopped(admin, old, [*topics.groups_in_use(settings), *foreign])
        async with reading.reader(settings.kafka) as reader:
            found = await positions(settings, admin, reader, old)
        if (repeated := _repeated(settings, found)) and not may_repeat:
            raise Unconfirmed(
                f"nothing says how far the group {old} has read some topics. These records would be read once more: "
                f"{repeated}. Nothing was changed; to take over nevertheless, use --yes"
            )
        # The offsets come first: if the command is interrupted after them, the old group still owns the topics.
        for (role, topic), position in found.items():
            if position.next_offsets:
                name = foreign.get(role) or topics.topic_name(settings.topic_prefix, topic)
                await groups.commit(settings.kafka, topics.group_id(group, role), name, position.next_offsets)
        claim = await ownership.take_over(settings.kafka, topics.ownership_topic(settings), owner)
    return (
        f"{claim.group} owns {settings.topic_prefix}.* now; {old} did before. Before you start a worker, run: "
        "python -m worker rebuild --all"
    )


def _repeated(settings: Settings, found: Mapping[tuple[str, str], Position]) -> str:
    """Return how many records of which topics would be read once more, in words; an empty text if there are none."""
    unknown = Counter[str]()
    for (_, topic), position in found.items():
        unknown[topic] += position.unknown
    return ", ".join(
        f"{number:,} of {topics.topic_name(settings.topic_prefix, topic)}{_REPEATED.get(topic, '')}"
        for topic, number in sorted(unknown.items())
        if number
    )


async def positions(
    settings: Settings, admin: AIOKafkaAdminClient, reader: reading.Reader, group: str
) -> dict[tuple[str, str], Position]:
    """Return how far the roles and channels of a group have read, by the role and the topic that it reads.

    Of a channel that has read nothing at all, nothing is returned: it begins with the alerts from then on.
    """
    found = {}
    for topic in sorted(topics.CONSUMED):
        name = topics.topic_name(settings.topic_prefix, topic)
        partitions = await reader.partitions(name)
        starts, ends = await reader.starts(name, partitions), await reader.ends(name, partitions)
        for consumer in topics.consumers(settings, topic):
            read = await _read_until(admin, reader, group, name, consumer)
            unknown = {n for n in partitions if n not in read and ends[n] > starts[n]}
            if consumer.role in topics.CHANNELS and not read:
                continue
            if topic == events.ALERTS and unknown:
                # Older alerts are not mailed, whatever happened to them.
                oldest = SystemClock().now() - int(settings.alerts.max_age_days * DAY)
                young = await reader.from_time(name, unknown, oldest)
                read |= {n: first for n in unknown if (first := young.get(n, ends[n])) > starts[n]}
            left = sum(ends[n] - max(starts[n], read.get(n, 0)) for n in unknown)
            found[consumer.role, topic] = Position(read, left)
    if settings.receive.has_fetches:
        # It has no table. If nothing says how far it has read, answers are fetched again, which changes nothing.
        name = topics.topic_name(settings.topic_prefix, events.FETCHES)
        read = await groups.committed(admin, topics.group_id(group, topics.FETCH), name)
        found[topics.FETCH, events.FETCHES] = Position(read, 0)
    for at in topics.foreign_topics(settings):
        consumer = topics.Consumed(at.role, topics.OFFSETS)
        # What is read again of such a topic becomes the same responses, which are recognised.
        found[at.role, at.topic] = Position(await _read_until(admin, reader, group, at.topic, consumer), 0)
    return found


async def _read_until(
    admin: AIOKafkaAdminClient, reader: reading.Reader, group: str, name: str, consumer: topics.Consumed
) -> dict[int, int]:
    """Return up to which offset a group has read a topic, by partition, as far as anything says it."""
    read = await groups.committed(admin, topics.group_id(group, consumer.role), name)
    changelog = topics.changelog_name(group, consumer.role, consumer.table)
    forgotten = await reader.partitions(changelog) - read.keys()
    states = await changelogs.states(reader, changelog, forgotten) if forgotten else {}
    return read | {n: state.head.stands_at for n, state in states.items() if state.head.stands_at}


async def new_epoch(settings: Settings, topic: str) -> str:
    """Let the worker go on with the records that a consumed topic holds now; return what was done, in one line.

    A partition whose log is not the one that the state was made from begins a new epoch: all records that it holds are
    new, and everything that was counted stays. A partition whose log begins after the due offset continues at the
    beginning of its log. All other partitions stay as they are.

    The command may be repeated, also after it was interrupted: offsets are committed before the head rows are written,
    and until its head row is written, a partition still differs from its state.

    Raise StillRunning if the role has workers, TopicsUnfit if the topic does not exist, StateLost if the first records
    of the changelog were deleted, and Unreachable, Refused or KafkaError if Kafka does not answer.
    """
    name = topics.topic_name(settings.topic_prefix, topic)
    consumers = topics.consumers(settings, topic)
    moved: dict[int, int] = {}
    async with _admin(settings) as admin, reading.reader(settings.kafka) as reader:
        await _check_stopped(admin, settings.kafka.group, [consumer.role for consumer in consumers])
        for consumer in consumers:
            moved |= await _go_on(settings, admin, reader, name, consumer)
    listed = ", ".join(f"{partition} from offset {first}" for partition, first in sorted(moved.items()))
    return (
        f"{name}: the worker goes on with partitions {listed}"
        if moved
        else f"{name}: there is nothing to do, since the topic still holds what the worker read"
    )


async def _go_on(
    settings: Settings, admin: AIOKafkaAdminClient, reader: reading.Reader, name: str, consumer: topics.Consumed
) -> dict[int, int]:
    """Let one consumer of a topic go on; return from which offset it does, by partition that has changed."""
    group = topics.group_id(settings.kafka.group, consumer.role)
    changelog = topics.changelog_name(settings.kafka.group, consumer.role, consumer.table)
    partitions = await reader.partitions(name)
    if not partitions or await reader.partitions(changelog) != partitions:
        raise TopicsUnfit(f"{name} or {changelog} does not exist: start the worker, which creates what is missing")
    states = await changelogs.states(reader, changelog, partitions)
    for partition, state in states.items():
        if state.is_cut:
            raise StateLost(changelogs.cut(changelog, partition, state, consumer.table))
    heads = {partition: state.head for partition, state in states.items()}
    logs = await source.read_logs(reader, name, heads)
    assert logs is not None, "its partitions were just listed"
    committed = await groups.committed(admin, group, name)
    replaced = sorted(partition for partition in partitions if source.difference(heads[partition], logs[partition]))
    shortened = {n for n in partitions if source.deleted_unread(heads[n], logs[n], committed.get(n, 0))}
    moved = {partition: logs[partition].first for partition in sorted({*replaced, *shortened})}
    if moved:
        await groups.commit(settings.kafka, group, name, moved)
        await _begin_epoch(settings, changelog, {partition: states[partition] for partition in replaced})
    return moved


async def _begin_epoch(settings: Settings, changelog: str, states: Mapping[int, PartitionState]) -> None:
    """Write head rows that begin a new epoch, with a fence above those of all earlier owners."""
    heads = {}
    for partition, state in states.items():
        state.own = Fence(state.fence.era + 1, 0)
        heads[partition] = state.head_record(source.new_epoch(state.head))
    await changelogs.write_heads(settings.kafka, changelog, heads)


async def _check_stopped(admin: AIOKafkaAdminClient, group: str, roles: Iterable[str] = topics.TABLES) -> None:
    """Raise StillRunning if a role's consumer group has members."""
    running = await groups.with_members(admin, [topics.group_id(group, role) for role in roles])
    if running:
        raise StillRunning(
            f"workers are still running in {' and '.join(running)}: stop them first (a worker that was killed "
            "counts until its session has expired, see kafka.session_timeout_seconds)"
        )


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    await preflight(settings.kafka)
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
