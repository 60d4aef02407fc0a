"""Topics of other programs, from which deliveries of survey tools are read (docs/sources.md).

The worker neither creates nor configures such a topic. It has a consumer group of its own for each, with a changelog
that holds nothing but head rows: how far each partition is processed. So the changelog can follow the topic: partitions
are added to it, and if the topic was deleted and created again, reading begins at the beginning. Its records then
become the same responses again, and those that are known are recognised.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError

from worker.kafka import changelogs, groups, reading, source, topics
from worker.kafka.rows import ChangelogRecord, Fence, Head, PartitionState
from worker.kafka.topics import Foreign
from worker.settings import Settings

log = logging.getLogger(__name__)

#: How long to wait before a log that seems to be another one is compared again, in seconds.
_LOOK_AGAIN_SECONDS = 2.0


async def prepare(settings: Settings, at: Foreign) -> int | str:
    """Prepare the changelog of a foreign topic. Return how many partitions both have, or why it cannot be read yet.

    Raise TopicsUnfit if the changelog does not fit, and KafkaError if Kafka does not answer.
    """
    async with topics.administrator(settings.kafka) as admin:
        changelog = topics.changelog_of(settings, at)
        counts = await _partition_counts(admin, [at.topic, changelog.name])
        if at.topic not in counts:
            return "the topic does not exist; the worker waits for it, and does not create it"
        partitions = counts[at.topic]
        await topics.fit_changelog(admin, settings, changelog, partitions, counts.get(changelog.name))
        group = topics.group_id(settings.kafka.group, at.role)
        # What is committed is read first: it is never ahead of the state that is read afterwards.
        committed = await groups.committed(admin, group, at.topic)
        async with reading.reader(settings.kafka) as reader:
            states = await changelogs.states(reader, changelog.name, range(partitions))
            repairs = await _repairs(reader, at, states, committed)
            if repairs:
                # A leader that was just elected may know a lower end for a moment.
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                repairs = await _repairs(reader, at, states, committed)
        # While the group has members, a partition has an owner, who alone may write to the changelog.
        if repairs and await groups.with_members(admin, [group]):
            return f"it is not the topic that {group} has read, and other workers of this group have to stop first"
    await _go_on(settings, at, changelog.name, states, repairs)
    return partitions


async def partitions_of(settings: Settings, at: Foreign) -> int | None:
    """Return how many partitions a foreign topic has; None without the topic. Raise KafkaError without an answer."""
    async with topics.administrator(settings.kafka) as admin:
        return (await _partition_counts(admin, [at.topic])).get(at.topic)


async def _partition_counts(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Return how many partitions those of these topics have that exist."""
    found = await topics.described(admin, names)
    for topic in found:
        if topic["error_code"] == TopicAuthorizationFailedError.errno:
            raise TopicAuthorizationFailedError(topic["topic"])
    return {topic["topic"]: len(topic["partitions"]) for topic in found if topic["partitions"]}


class Repair(NamedTuple):
    """How a partition goes on whose state does not fit its log."""

    head: Head
    #: The offset to commit; None if that which is committed stays.
    commit: int | None
    why: str


def repair(head: Head, found: source.Log, committed: int) -> Repair | None:
    """Return how a partition goes on if its state does not fit its log; None if it fits.

    `committed`: the offset that is committed, 0 if none is.
    """
    difference = source.difference(head, found, may_be_compacted=True)
    if difference is not None or committed > found.end:
        why = difference or f"everything up to offset {committed - 1} was read, but it ends at {found.end}"
        return Repair(source.new_epoch(head), found.first, f"{why}; it is read from its beginning")
    if committed > max(head.stands_at, found.first):  # an offset at the beginning of the log needs no state
        lost = msgspec.structs.replace(head, mark=head.base + committed - 1, marked_at=-1)
        return Repair(lost, None, f"its changelog was lost; reading goes on at offset {committed}")
    return None


async def _repairs(
    reader: reading.Reader, at: Foreign, states: Mapping[int, PartitionState], committed: Mapping[int, int]
) -> dict[int, Repair]:
    """Return how those partitions go on whose state does not fit their log, or whose changelog was cut back."""
    logs = await source.read_logs(reader, at.topic, {n: state.head for n, state in states.items()})
    if logs is None:
        return {}  # the topic was deleted at this moment, which is noticed soon
    cut = {
        n: Repair(one.head, None, "its changelog was cut back, by which nothing is lost")
        for n, one in states.items()
        if one.is_cut
    }
    found = {n: repair(state.head, logs[n], committed.get(n, 0)) for n, state in states.items()}
    return cut | {n: one for n, one in found.items() if one is not None}


async def _go_on(
    settings: Settings, at: Foreign, changelog: str, states: Mapping[int, PartitionState], repairs: Mapping[int, Repair]
) -> None:
    """Let partitions go on. Offsets are committed first, as by `new-epoch`."""
    for n, one in repairs.items():
        log.warning("%s, partition %d: %s", at.topic, n, one.why)
    if commits := {n: one.commit for n, one in repairs.items() if one.commit is not None}:
        await groups.commit(settings.kafka, topics.group_id(settings.kafka.group, at.role), at.topic, commits)
    if repairs:
        written = {n: _written(states[n], one.head) for n, one in repairs.items()}
        await changelogs.write_heads(settings.kafka, changelog, written)


def _written(state: PartitionState, head: Head) -> ChangelogRecord:
    """Return the record of a head row that replaces all earlier ones. No row is missing if records were deleted."""
    state.own = Fence(state.fence.era + 1, 0)
    return state.head_record(msgspec.structs.replace(head, front=max(head.front, state.deleted_until)))
