"""Commands for an operator while no worker runs: they change which group reads the topics, and where it continues.

Each command refuses while a worker of the groups concerned is alive, and may be repeated.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient

from worker.errors import StateLost, StillRunning, TopicsUnfit
from worker.kafka import changelogs, groups, ownership, reading, source, topics
from worker.kafka.connection import client_options
from worker.kafka.preflight import preflight
from worker.kafka.rows import Fence, PartitionState
from worker.settings import Settings


async def take_over(settings: Settings) -> str:
    """Make `kafka.group` the owner of the topics; return what was done, in one line.

    Raise StillRunning if the owner has workers, TopicsUnfit if nobody owns the topics, and Unreachable, Refused or
    KafkaError if Kafka does not answer.
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
        await _check_stopped(admin, owner.claim.group)
        claim = await ownership.take_over(settings.kafka, topic, owner)
        return f"{claim.group} owns {settings.topic_prefix}.* now; {owner.claim.group} did before"


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
