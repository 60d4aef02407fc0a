"""The topics: created beforehand where they are missing, and checked where they are not.

All keyed topics have the partition count of `responses`, so that one customer's history, alerts, invitations and
decisions share a partition number, and the tables follow. A count that was changed later would break keyed state: it is
found at start, and the message says what to do.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from worker.errors import GroupTaken, PrefixTaken, Refused, SettingsError, TopicsMisconfigured, TopicsUnfit, Unreachable
from worker.flow import events
from worker.kafka import groups, ownership
from worker.kafka import topic_checks as checks
from worker.kafka.connection import client_options
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings, Settings

log = logging.getLogger(__name__)

_DAY_MS = 86_400_000
#: A value of this size still fits a responses record: too large for a response, but a dead letter, not a publisher's
#: error.
LARGEST_RECORD = 20 * 1024 * 1024
_WHAT_TO_DO = (
    "Delete the topics that differ, which loses what they hold, and create them with that number; or start with a new "
    "kafka.group and topic_prefix."
)
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0
#: How often a running worker looks whether partitions were added.
_PARTITIONS_LOOK_SECONDS = 30.0
#: Erased rows are gone from a changelog's disk at the latest after this time.
_LONGEST_COMPACTION_LAG_MS = 7 * _DAY_MS
#: Until then a zombie's row has been written over (rows.py), so that compaction never keeps it for the good one.
_SHORTEST_COMPACTION_LAG_MS = 3_600_000

CONTACTS = "contacts"
SEGMENTS = "segments"
WATCHES = "watches"
OUTBOX = "outbox"
TABLES = {"process": (CONTACTS, SEGMENTS, WATCHES), "notify": (OUTBOX,)}


class Consumed(NamedTuple):
    """Who reads a topic: the role, and the table that says how far."""

    role: str
    table: str


CONSUMED = {
    events.RESPONSES: Consumed("process", CONTACTS),
    events.TALLIES: Consumed("process", SEGMENTS),
    events.HOURS: Consumed("process", WATCHES),
    events.ALERTS: Consumed("notify", OUTBOX),
}
#: What is lost of these unread is missing from the scores for good; what is lost of the others was never here.
COUNTED_ON = frozenset({events.TALLIES, events.HOURS})


_STAMPED = {checks.TIMESTAMP: checks.exactly("LogAppendTime")}
_DELETED = {checks.CLEANUP: checks.exactly("delete")}
_WAITING = {checks.RETENTION_MS: checks.for_at_least(checks.LEAST_WAIT_MS), checks.RETENTION_BYTES: checks.FOR_EVER}
#: What topics must be like that are there already. Whatever is decided by has the broker's time.
_NEEDS: Mapping[str, checks.Needs] = {
    events.RESPONSES: {**_DELETED, **_STAMPED},
    events.ALERTS: {**_DELETED, **_STAMPED},
    events.INVITATIONS: _DELETED,
    events.DECISIONS: _DELETED,
    events.DEAD_LETTERS: _DELETED,
    events.TALLIES: {**_DELETED, **_STAMPED, **_WAITING},
    events.HOURS: {**_DELETED, **_STAMPED, **_WAITING},
    events.SCORES: {checks.CLEANUP: checks.exactly("compact")},
    events.DELIVERIES: _DELETED,
}
_NEEDS_OF_CHANGELOGS: checks.Needs = {
    checks.CLEANUP: checks.exactly("compact"),
    checks.SHORTEST_LAG_MS: checks.at_least(_SHORTEST_COMPACTION_LAG_MS),
    checks.LONGEST_LAG_MS: checks.at_most(_LONGEST_COMPACTION_LAG_MS),
}


class Found(NamedTuple):
    """What Kafka is like: its cluster's id, the partition count of all keyed topics, and the prefix's secret."""

    cluster: str
    partitions: int
    #: As ownership.py has it, 32 bytes. The default is for a Kafka on which nobody has claimed anything.
    secret: bytes = bytes(32)


class TopicPlan(NamedTuple):
    """A topic as it should be, and what it must be like if it is there already.

    `partitions`: how many it has; None: as many as the responses topic.
    """

    name: str
    config: Mapping[str, str]
    needs: checks.Needs
    partitions: int | None = None


def topic_name(prefix: str, topic: str) -> str:
    """Return a topic's full name."""
    return f"{prefix}.{topic}"


def group_id(group: str, role: str) -> str:
    """Return the consumer group of a role; Faust also names the role's changelogs by it."""
    return f"{group}-{role}"


def changelog_name(group: str, role: str, table: str) -> str:
    """Return the name of a table's changelog, as Faust makes it."""
    return f"{group_id(group, role)}-{table}-changelog"


def plans(settings: Settings) -> list[TopicPlan]:
    """Return every topic the worker needs, the responses topic first."""
    # Of three copies two suffice, so that one broker may be away; with one copy there is no choice.
    copies = {"min.insync.replicas": str(max(1, settings.kafka.replication_factor - 1))}
    # The broker's clock: neither a publisher's nor a worker's decides about quarantine, retention, or "too far ahead".
    stamped = {"message.timestamp.type": "LogAppendTime"}
    kept = {"retention.ms": str(settings.kafka.retention_days * _DAY_MS)}
    # Tallies and hours live as long as the answers they are made from: a long outage loses none of them.
    waiting = {**kept, "retention.bytes": "-1"}
    deleted = {"cleanup.policy": "delete"}
    latest = {"cleanup.policy": "compact"}
    rows = {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(_SHORTEST_COMPACTION_LAG_MS),
        "max.compaction.lag.ms": str(_LONGEST_COMPACTION_LAG_MS),
    }
    large = {"max.message.bytes": str(LARGEST_RECORD)}
    wanted = {
        events.RESPONSES: {**deleted, **kept, **large},
        events.ALERTS: {**deleted, **kept},
        events.INVITATIONS: {**deleted, **kept},
        events.DECISIONS: {**deleted, **kept},
        events.DEAD_LETTERS: {**deleted, **kept},
        events.TALLIES: {**deleted, **waiting},
        events.HOURS: {**deleted, **waiting},
        events.SCORES: latest,
        events.DELIVERIES: {**deleted, **kept},
    }
    group = settings.kafka.group
    named = {topic_name(settings.topic_prefix, topic): config for topic, config in wanted.items()}
    named |= {changelog_name(group, role, table): rows for role, tables in TABLES.items() for table in tables}
    needs = {topic_name(settings.topic_prefix, topic): need for topic, need in _NEEDS.items()}
    planned = [
        TopicPlan(name, {**config, **copies, **stamped}, needs.get(name, _NEEDS_OF_CHANGELOGS))
        for name, config in named.items()
    ]
    forever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    kept_for_ever = {key: checks.exactly(value) for key, value in forever.items()}
    owner = TopicPlan(ownership_topic(settings), {**forever, **copies, **stamped}, kept_for_ever, partitions=1)
    return [*planned, owner]


def private(settings: Settings) -> frozenset[str]:
    """Return the names of the topics that nobody but workers reads, so that their batches may be in any codec."""
    group = settings.kafka.group
    changelogs = {changelog_name(group, role, table) for role, tables in TABLES.items() for table in tables}
    return frozenset(changelogs | {topic_name(settings.topic_prefix, name) for name in (events.TALLIES, events.HOURS)})


def ownership_topic(settings: Settings) -> str:
    """Return the name of the topic that says which group owns the prefix."""
    return topic_name(settings.topic_prefix, ownership.TOPIC)


async def ensure(settings: Settings) -> Found:
    """Create what is missing, claim the prefix, and return what Kafka is like.

    Waits for a Kafka that is not there, however long it takes, with one line for each attempt that failed. Raise
    Refused if it does not let the worker in, TopicsUnfit if what is there does not fit, PrefixTaken if another group
    owns the prefix.
    """
    wait = _FIRST_RETRY_SECONDS
    while True:
        try:
            await preflight(settings.kafka)
            async with _admin(settings.kafka) as admin:
                return await _ensure(admin, settings)
        except (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError) as error:
            raise Refused(
                f"Kafka does not permit what the worker asks for: {type(error).__name__} "
                f"{' '.join(map(str, error.args))}. To print the permissions that it needs, run: python -m worker "
                "topics --format kafka-acls"
            ) from error
        except (Unreachable, KafkaError) as error:
            why = str(error) if isinstance(error, Unreachable) else f"Kafka: {type(error).__name__}"
            log.warning("%s; trying again in %.0f s", why, wait)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_RETRY_SECONDS)


@asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def missing(settings: Settings) -> list[str]:
    """Return the topics that are not there, and create nothing.

    Raise Unreachable, Refused or KafkaError if Kafka does not answer, TopicsUnfit if what is there does not fit,
    PrefixTaken if another group owns the prefix.
    """
    await preflight(settings.kafka)
    async with _admin(settings.kafka) as admin:
        absent, _ = await _looked_at(admin, settings)
    claimed_by = ownership_topic(settings)
    if claimed_by not in {plan.name for plan in absent}:
        owner = await ownership.owner_of(settings.kafka, claimed_by)
        if owner is not None and owner.claim.group != settings.kafka.group:
            raise PrefixTaken(settings.topic_prefix, owner.claim.group, settings.kafka.group)
    return [plan.name for plan in absent]


async def _looked_at(admin: AIOKafkaAdminClient, settings: Settings) -> tuple[list[TopicPlan], int]:
    """Return the topics that are missing, and how many partitions the keyed ones have; raise TopicsUnfit."""
    planned = plans(settings)
    counts = await _counts(admin, planned)
    if ownership_topic(settings) not in counts:
        await _check_group(admin, settings)
    responses = planned[0].name
    partitions = counts.get(responses, settings.kafka.partitions)
    keyed = {plan.name for plan in planned if plan.partitions is None}
    unfit = [f"{name} has {count}" for name, count in sorted(counts.items()) if name in keyed and count != partitions]
    if unfit:
        raise TopicsUnfit(
            f"{responses} has {partitions} partitions, but {', '.join(unfit)}: keyed state needs the same number. "
            f"{_WHAT_TO_DO}"
        )
    await _check(admin, [plan for plan in planned if plan.name in counts], settings)
    return [plan for plan in planned if plan.name not in counts], partitions


async def _check_group(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """Raise GroupTaken if a group of the worker has committed offsets of another prefix's topics."""
    own, prefix = {plan.name for plan in plans(settings)}, topic_name(settings.topic_prefix, "")
    for role in TABLES:
        group = group_id(settings.kafka.group, role)
        read = await groups.topics_read(admin, group)
        others = sorted(topic for topic in read - own if not topic.startswith(prefix))
        if others:
            raise GroupTaken(group, others[0], settings.topic_prefix)


async def _ensure(admin: AIOKafkaAdminClient, settings: Settings) -> Found:
    absent, partitions = await _looked_at(admin, settings)
    claimed_by = ownership_topic(settings)
    # The claim comes first: a worker that is refused leaves no topics of its group behind.
    await _create(admin, [plan for plan in absent if plan.name == claimed_by], partitions, settings.kafka)
    claim = await ownership.claim(settings.kafka, claimed_by)
    if claim.group != settings.kafka.group:
        raise PrefixTaken(settings.topic_prefix, claim.group, settings.kafka.group)
    await _create(admin, [plan for plan in absent if plan.name != claimed_by], partitions, settings.kafka)
    cluster = str((await admin.describe_cluster())["cluster_id"])
    return Found(cluster, partitions, claim.secret)


async def watch_partitions(settings: Settings, partitions: int) -> None:
    """Look from time to time whether partitions were added to a topic; raise TopicsUnfit if so.

    Records in them would not be read, and keyed state cannot move. That Kafka is away is said by whoever works with it.
    """
    keyed = sorted(plan.name for plan in plans(settings) if plan.partitions is None)
    while True:
        await asyncio.sleep(_PARTITIONS_LOOK_SECONDS)
        try:
            async with _admin(settings.kafka) as admin:
                # Only these, and one that is gone is not to be made: a cluster may have thousands of topics.
                request = MetadataRequest(keyed, allow_auto_topic_creation=False)
                found = (await admin._send_request(request)).to_object()["topics"]
        except (KafkaError, SettingsError):  # also a certificate's file that is being replaced
            continue
        counts = {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}
        changed = [f"{name} has {counts[name]}" for name in sorted(counts) if counts[name] != partitions]
        if changed:
            raise TopicsUnfit(
                f"this worker started with {partitions} partitions, but now {', '.join(changed)}: records in added "
                f"partitions would not be read, and keyed state cannot move. {_WHAT_TO_DO}"
            )


async def _has_brokers(admin: AIOKafkaAdminClient) -> bool:
    """Say whether any broker counts as alive; one that was silent for a while does not, until it is heard again."""
    return bool((await admin.describe_cluster())["brokers"])


async def _counts(admin: AIOKafkaAdminClient, planned: list[TopicPlan]) -> dict[str, int]:
    """Return the partition counts of the topics that exist."""
    names = {plan.name for plan in planned} & set(await admin.list_topics())
    if not names:
        return {}
    found = await admin.describe_topics(sorted(names))
    return {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}


async def _check(admin: AIOKafkaAdminClient, planned: list[TopicPlan], settings: Settings) -> None:
    """Raise TopicsUnfit, with a line for each config that is not as it must be, if there are any."""
    if not planned:
        return
    found = await _found(admin, [plan.name for plan in planned])
    problems = [line for plan in planned if plan.name in found for line in checks.unfit(found[plan.name], plan.needs)]
    if problems:
        raise TopicsMisconfigured(problems)
    for topic in (events.TALLIES, events.HOURS):
        name, wanted = topic_name(settings.topic_prefix, topic), settings.kafka.retention_days * _DAY_MS
        kept = int(found[name].configs.get(checks.RETENTION_MS, "-1")) if name in found else -1
        if 0 <= kept < wanted:
            log.warning(
                "%s: retention.ms is %d: records that wait longer than this to be counted are lost. Set it to %d, "
                "which new topics get",
                name,
                kept,
                wanted,
            )


async def _found(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, checks.Found]:
    """Return what topics are like, as far as the worker may know."""
    described = await admin.describe_topics(names)
    copies = {
        topic["topic"]: min(len(partition["replicas"]) for partition in topic["partitions"])
        for topic in described
        if topic["partitions"]
    }
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(asked):
        for code, _message, _type, name, entries in response.resources:
            error = for_code(code)
            if error in {TopicAuthorizationFailedError, ClusterAuthorizationFailedError}:
                log.warning(
                    "%s: its configuration cannot be checked, since the worker lacks the permission DescribeConfigs",
                    name,
                )
            elif code:
                raise error(name)
            else:
                configs[name] = {key: value for key, value, *_ in entries if value is not None}
    return {name: checks.Found(name, copies[name], config) for name, config in configs.items() if name in copies}


async def _create(admin: AIOKafkaAdminClient, missing: list[TopicPlan], partitions: int, kafka: KafkaSettings) -> None:
    if not missing:
        return
    new = [
        NewTopic(plan.name, plan.partitions or partitions, kafka.replication_factor, topic_configs=dict(plan.config))
        for plan in missing
    ]
    response = await admin.create_topics(new)
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        no_brokers = error is InvalidReplicationFactorError and not await _has_brokers(admin)
        if error.retriable or error is TopicAuthorizationFailedError or no_brokers:
            raise error(name)
        if code and error is not TopicAlreadyExistsError:
            hint = (
                f": kafka.replication_factor is {kafka.replication_factor}, and Kafka has fewer brokers than that"
                if error is InvalidReplicationFactorError
                else ""
            )
            said = f"{error.__name__} {rest[0] if rest and rest[0] else ''}".rstrip()
            raise TopicsUnfit(f"{name} could not be created: {said}{hint}")
    log.info("the worker created topics: %s", ", ".join(plan.name for plan in missing))
