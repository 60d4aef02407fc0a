"""The topics: which ones the worker needs; it creates those that are missing, and checks the others.

All keyed topics have the partition count of `responses`, so that the history, alerts, invitations and decisions of one
customer have the same partition number, and so have the tables. If the count is changed later, keyed state breaks. The
worker finds that at its start, and the message says what to do.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
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
#: The largest record of the responses topic, in bytes. Such a value is too large for a response, but it becomes a dead
#: letter, and is not refused by Kafka.
LARGEST_RECORD = 20 * 1024 * 1024
_WHAT_TO_DO = (
    "Delete the topics that differ, which loses what they hold, and create them with that number; or start with a new "
    "kafka.group and topic_prefix."
)
#: What Kafka says if a topic cannot be created since no broker takes part in the cluster yet.
_FENCED = "brokers are currently fenced"
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0
#: How often a running worker checks whether partitions were added, in seconds.
_PARTITIONS_LOOK_SECONDS = 30.0
#: The time after which erased rows have disappeared from a changelog's disk.
_LONGEST_COMPACTION_LAG_MS = 7 * _DAY_MS
#: The time for which no record is compacted. Within it, a zombie's row is overwritten (rows.py), so that compaction
#: never keeps it in place of the valid one.
_SHORTEST_COMPACTION_LAG_MS = 3_600_000

CONTACTS = "contacts"
SEGMENTS = "segments"
WATCHES = "watches"
COMMANDS = "commands"
CASES = "cases"
SILENCES = "silences"
OUTBOX = "outbox"
PLANS = "plans"
#: The outboxes of the channels that are not e-mail.
WEBHOOKS = "webhooks"
CHATS = "chats"
#: The plans of these channels' receivers.
WEBHOOK_PLANS = "webhook-plans"
CHAT_PLANS = "chat-plans"
#: What is known of the answers whose parts come one after the other.
ANSWERS = "answers"
#: The ends of the names of the groups that put such parts together and that fetch answers. These groups exist only if
#: a source of the settings needs them.
MERGE = "merge"
FETCH = "fetch"
#: The table of a group that reads a topic of another program. It has head rows only, which say how far that is done.
OFFSETS = "offsets"
#: The tables of each role.
TABLES = {"process": (CONTACTS, SEGMENTS, WATCHES, COMMANDS, CASES, SILENCES), "notify": (OUTBOX, PLANS)}
#: The outbox of each further channel. The channel is a consumer group of its own, and its tables exist only if it is
#: configured.
CHANNELS = {"webhook": WEBHOOKS, "chat": CHATS}


class PlansOfReceivers(NamedTuple):
    """Where the plans of a channel's receivers are: the table, and the topic that the table is made from."""

    table: str
    topic: str


#: The plans of each channel, by the name of the channel's outbox.
PLANS_OF: Mapping[str, PlansOfReceivers] = {
    OUTBOX: PlansOfReceivers(PLANS, events.NOTICES),
    WEBHOOKS: PlansOfReceivers(WEBHOOK_PLANS, events.WEBHOOK_NOTICES),
    CHATS: PlansOfReceivers(CHAT_PLANS, events.CHAT_NOTICES),
}
#: The topics of the plans. That of a further channel exists only if the channel is configured.
_NOTICES = tuple(plans.topic for plans in PLANS_OF.values())


class Consumed(NamedTuple):
    """A reader of a topic: the role or channel, and the table whose head rows say how far the topic is processed."""

    role: str
    table: str


_CONSUMED = {
    events.RESPONSES: [Consumed("process", CONTACTS)],
    events.TALLIES: [Consumed("process", SEGMENTS)],
    events.HOURS: [Consumed("process", WATCHES)],
    events.ALERT_COMMANDS: [Consumed("process", COMMANDS)],
    events.CASES: [Consumed("process", CASES)],
    events.SILENCE_COMMANDS: [Consumed("process", SILENCES)],
    events.NOTICES: [Consumed("notify", PLANS)],
    events.ALERTS: [Consumed("notify", OUTBOX), *(Consumed(*channel) for channel in CHANNELS.items())],
    events.RESPONSE_PARTS: [Consumed(MERGE, ANSWERS)],
    **{PLANS_OF[outbox].topic: [Consumed(channel, PLANS_OF[outbox].table)] for channel, outbox in CHANNELS.items()},
}
#: The errors by which Kafka says that a permission is missing.
NOT_PERMITTED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)
#: The topics that a table is made from. The orders of FETCHES are read as well, but what has to be kept of them is in
#: this topic itself.
CONSUMED = frozenset(_CONSUMED)
#: The topics of which no record may be deleted unread. Their records follow from rows that are durable already, so they
#: would be missing from the scores, the cases and the mails for good.
MUST_BE_COMPLETE = frozenset({events.TALLIES, events.HOURS, events.CASES, *_NOTICES})
#: What the receiver has acknowledged to a survey tool, which will not send it again.
_OF_RECEIVER = frozenset({events.RESPONSE_PARTS, events.FETCHES})


#: Only the broker's clock decides about quarantine, retention and "too far ahead", and no clock of a publisher or of a
#: worker.
_STAMPED_BY_BROKER = {"message.timestamp.type": "LogAppendTime"}
_STAMPED = {checks.TIMESTAMP: checks.exactly("LogAppendTime")}
_DELETED = {checks.CLEANUP: checks.exactly("delete")}
_WAITING = {checks.RETENTION_MS: checks.for_at_least(checks.LEAST_WAIT_MS), checks.RETENTION_BYTES: checks.FOR_EVER}
_READ = {checks.RETENTION_MS: checks.for_at_least(checks.LEAST_READ_MS)}
#: The requirements for existing topics. Topics whose timestamps decide about something must have the broker's time.
_NEEDS: Mapping[str, checks.Needs] = {
    events.RESPONSES: {**_DELETED, **_STAMPED, **_READ},
    events.ALERTS: {**_DELETED, **_STAMPED, **_READ},
    events.INVITATIONS: _DELETED,
    events.DECISIONS: _DELETED,
    events.DEAD_LETTERS: _DELETED,
    events.TALLIES: {**_DELETED, **_STAMPED, **_WAITING},
    events.HOURS: {**_DELETED, **_STAMPED, **_WAITING},
    events.SCORES: {checks.CLEANUP: checks.exactly("compact")},
    events.DELIVERIES: _DELETED,
    events.ALERT_COMMANDS: {**_DELETED, **_STAMPED, **_READ},
    events.ALERT_COMMAND_RESULTS: _DELETED,
    events.RECOVERIES: _DELETED,
    events.CASES: {**_DELETED, **_STAMPED, **_WAITING},
    **{topic: {**_DELETED, **_STAMPED, **_WAITING} for topic in _NOTICES},
    events.SILENCE_COMMANDS: {**_DELETED, **_STAMPED, **_READ},
    events.SILENCE_COMMAND_RESULTS: _DELETED,
    events.SILENCES: {checks.CLEANUP: checks.exactly("compact")},
    events.RESPONSE_PARTS: {**_DELETED, **_STAMPED, **_WAITING},
    events.FETCHES: {**_DELETED, **_WAITING},
    events.AUDIT: {**_DELETED, **_STAMPED, **_READ},
}
_UNREAD = "records that wait longer than this to be processed are lost"
#: What happens to records that are deleted too early, by topic. A worker warns of a retention by which that may happen.
#: Topics that only other programs read are not here: their retention is a matter of these programs.
_LOSS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            events.RESPONSES,
            events.ALERTS,
            events.ALERT_COMMANDS,
            events.SILENCE_COMMANDS,
            *sorted(MUST_BE_COMPLETE | _OF_RECEIVER),
        ),
        _UNREAD,
    ),
    events.AUDIT: "sessions that were ended earlier than that are valid again, unless they have expired",
    events.DELIVERIES: "a rebuild of an outbox does not know of the mails that were sent before, and repeats them",
}
_NEEDS_OF_CHANGELOGS: checks.Needs = {
    checks.CLEANUP: checks.exactly("compact"),
    checks.SHORTEST_LAG_MS: checks.at_least(_SHORTEST_COMPACTION_LAG_MS),
    checks.LONGEST_LAG_MS: checks.at_most(_LONGEST_COMPACTION_LAG_MS),
}


class KafkaInfo(NamedTuple):
    """What the services of a worker have to know about the Kafka that they use."""

    #: The id of the cluster.
    cluster: str
    #: The partition count of all keyed topics.
    partitions: int
    #: The secret of the prefix (ownership.py), 32 bytes. The default is for tests and benchmarks.
    secret: bytes = bytes(32)


class TopicPlan(NamedTuple):
    """A topic that the worker needs."""

    name: str
    #: The configuration with which the worker creates it.
    config: Mapping[str, str]
    #: The requirements for it if it exists already.
    needs: checks.Needs
    #: The number of its partitions; None stands for as many as the responses topic has.
    partitions: int | None = None


class Foreign(NamedTuple):
    """A topic of another program that is read, and the end of the name of the group that reads it."""

    role: str
    #: Its full name.
    topic: str


def foreign_topics(settings: Settings) -> list[Foreign]:
    """Return the topics of other programs that are read."""
    return [foreign_topic(one.name, one.topic) for one in settings.receive.topics]


def foreign_topic(name: str, topic: str) -> Foreign:
    """Return a topic of another program. `name`: what the settings call it; `topic`: its full name."""
    return Foreign(f"topic-{name}", topic)


def changelog_of(settings: Settings, at: Foreign) -> TopicPlan:
    """Return the plan of the changelog of a group that reads a foreign topic, which has as many partitions."""
    name = changelog_name(settings.kafka.group, at.role, OFFSETS)
    return TopicPlan(name, _config_of_changelogs(settings), _NEEDS_OF_CHANGELOGS)


def tables(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the tables of each role, and of each further group that the settings need."""
    further = {
        channel: (outbox, PLANS_OF[outbox].table)
        for channel, outbox in CHANNELS.items()
        if channel in settings.further_channels
    }
    merging = {MERGE: (ANSWERS,)} if settings.receive.has_parts else {}
    return {**TABLES, **further, **merging}


def groups_in_use(settings: Settings) -> list[str]:
    """Return the ends of the names of all consumer groups that these settings need."""
    return [*tables(settings), *([FETCH] if settings.receive.has_fetches else [])]


def topics_of_plans(settings: Settings) -> list[str]:
    """Return the topics of the plans that there are: that of e-mail, and that of each further channel in use."""
    in_use = tables(settings)
    return [topic for topic in _NOTICES if any(reader.role in in_use for reader in _CONSUMED[topic])]


def topics_of_receiver(settings: Settings) -> list[str]:
    """Return the internal topics of the receiver that there are."""
    receive = settings.receive
    needed = {events.RESPONSE_PARTS: receive.has_parts, events.FETCHES: receive.has_fetches}
    return [topic for topic, is_needed in needed.items() if is_needed]


def consumers(settings: Settings, topic: str) -> list[Consumed]:
    """Return the readers of a topic."""
    in_use = tables(settings)
    return [reader for reader in _CONSUMED[topic] if reader.role in in_use]


def topic_name(prefix: str, topic: str) -> str:
    """Return a topic's full name."""
    return f"{prefix}.{topic}"


def group_id(group: str, role: str) -> str:
    """Return the consumer group of a role. Faust also begins the names of the role's changelogs with it."""
    return f"{group}-{role}"


def changelog_name(group: str, role: str, table: str) -> str:
    """Return the name that Faust gives to a table's changelog."""
    return f"{group_id(group, role)}-{table}-changelog"


def _replicated(settings: Settings) -> dict[str, str]:
    """Return the configuration of all topics, which says how many replicas must have a record."""
    # One replica fewer than there are must have a record, so that one broker may be away; but at least one must.
    return {"min.insync.replicas": str(max(1, settings.kafka.replication_factor - 1))}


def _config_of_changelogs(settings: Settings) -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(_SHORTEST_COMPACTION_LAG_MS),
        "max.compaction.lag.ms": str(_LONGEST_COMPACTION_LAG_MS),
        **_replicated(settings),
        **_STAMPED_BY_BROKER,
    }


def planned_topics(settings: Settings) -> list[TopicPlan]:
    """Return every topic the worker needs, the responses topic first."""
    copies, stamped = _replicated(settings), _STAMPED_BY_BROKER
    kept = {"retention.ms": str(settings.kafka.retention_days * _DAY_MS)}
    # Tallies, hours, steps of cases and forwarded notices are kept as long as the answers they are made from, so that a
    # long outage loses none of them. So is what the receiver has acknowledged to a survey tool.
    waiting = {**kept, "retention.bytes": "-1"}
    deleted = {"cleanup.policy": "delete"}
    latest = {"cleanup.policy": "compact"}
    rows = _config_of_changelogs(settings)
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
        events.ALERT_COMMANDS: {**deleted, **kept},
        events.ALERT_COMMAND_RESULTS: {**deleted, **kept},
        events.RECOVERIES: {**deleted, **kept},
        events.CASES: {**deleted, **waiting},
        **{topic: {**deleted, **waiting} for topic in topics_of_plans(settings)},
        events.SILENCE_COMMANDS: {**deleted, **kept},
        events.SILENCE_COMMAND_RESULTS: {**deleted, **kept},
        events.SILENCES: latest,
        events.AUDIT: {**deleted, **kept},
        **{topic: {**deleted, **waiting} for topic in topics_of_receiver(settings)},
    }
    group = settings.kafka.group
    named = {topic_name(settings.topic_prefix, topic): config for topic, config in wanted.items()}
    named |= {changelog_name(group, role, table): rows for role, names in tables(settings).items() for table in names}
    needs = {topic_name(settings.topic_prefix, topic): need for topic, need in _NEEDS.items()}
    for topic in MUST_BE_COMPLETE | _OF_RECEIVER:
        # With a shorter kafka.retention_days, the worker itself creates them with less than LEAST_WAIT_MS.
        least = checks.for_at_least(min(checks.LEAST_WAIT_MS, settings.kafka.retention_days * _DAY_MS))
        name = topic_name(settings.topic_prefix, topic)
        needs[name] = {**needs[name], checks.RETENTION_MS: least}
    planned = [
        TopicPlan(name, {**config, **copies, **stamped}, needs.get(name, _NEEDS_OF_CHANGELOGS))
        for name, config in named.items()
    ]
    forever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    kept_for_ever = {key: checks.exactly(value) for key, value in forever.items()}
    owner = TopicPlan(ownership_topic(settings), {**forever, **copies, **stamped}, kept_for_ever, partitions=1)
    return [*planned, owner]


def internal_topics(settings: Settings) -> frozenset[str]:
    """Return the names of the topics that only workers read, so that their batches may have any codec."""
    group = settings.kafka.group
    changelogs = {changelog_name(group, role, table) for role, names in tables(settings).items() for table in names}
    changelogs |= {changelog_of(settings, at).name for at in foreign_topics(settings)}
    return frozenset(changelogs | {topic_name(settings.topic_prefix, name) for name in MUST_BE_COMPLETE})


def ownership_topic(settings: Settings) -> str:
    """Return the name of the topic that says which group owns the prefix."""
    return topic_name(settings.topic_prefix, ownership.TOPIC)


async def ensure(settings: Settings, instead: TopicPlan | None = None) -> KafkaInfo:
    """Create the topics that are missing, claim the prefix, and return what services have to know about Kafka.

    `instead`: the plan of one topic, which replaces the usual one. Wait without end while Kafka does not answer, and
    log a line for each failed attempt. Raise Refused if Kafka does not let the worker in, TopicsUnfit if an existing
    topic does not fit, PrefixTaken if another group owns the prefix, GroupTaken if the worker's group has read topics
    of another prefix.
    """
    wait = _FIRST_RETRY_SECONDS
    while True:
        try:
            await preflight(settings.kafka)
            async with administrator(settings.kafka) as admin:
                return await _ensure(admin, settings, instead)
        except NOT_PERMITTED as error:
            raise not_permitted(error) from error
        except (Unreachable, KafkaError) as error:
            why = str(error) if isinstance(error, Unreachable) else f"Kafka: {type(error).__name__}"
            log.warning("%s; trying again in %.0f s", why, wait)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_RETRY_SECONDS)


def not_permitted(error: KafkaError) -> Refused:
    """Return the error that the worker lacks a permission, with what to do."""
    return Refused(
        f"Kafka does not permit what the worker asks for: {type(error).__name__} {' '.join(map(str, error.args))}. To "
        "print the permissions that it needs, run: python -m worker topics --format kafka-acls"
    )


@asynccontextmanager
async def administrator(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect a client that administers Kafka, and disconnect it at the end. Raise KafkaError if that fails."""
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def missing(settings: Settings) -> list[str]:
    """Return the topics that do not exist; create nothing.

    Raise Unreachable, Refused or KafkaError if Kafka does not answer, TopicsUnfit if an existing topic does not fit,
    PrefixTaken if another group owns the prefix, GroupTaken if the worker's group has read topics of another prefix.
    """
    await preflight(settings.kafka)
    async with administrator(settings.kafka) as admin:
        absent, _ = await _inspect(admin, settings)
    claimed_by = ownership_topic(settings)
    if claimed_by not in {plan.name for plan in absent}:
        owner = await ownership.owner_of(settings.kafka, claimed_by)
        if owner is not None and owner.claim.group != settings.kafka.group:
            raise PrefixTaken(settings.topic_prefix, owner.claim.group, settings.kafka.group)
    return [plan.name for plan in absent]


async def _inspect(
    admin: AIOKafkaAdminClient, settings: Settings, instead: TopicPlan | None = None
) -> tuple[list[TopicPlan], int]:
    """Return the topics that are missing, and how many partitions the keyed topics have. `instead`: as in `ensure`.

    Raise TopicsUnfit if an existing topic does not fit.
    """
    planned = planned_topics(settings)
    if instead is not None:
        planned = [instead if plan.name == instead.name else plan for plan in planned]
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
    """Raise GroupTaken if a group of the worker has committed offsets in topics of another prefix."""
    own, prefix = {plan.name for plan in planned_topics(settings)}, topic_name(settings.topic_prefix, "")
    for role in groups_in_use(settings):
        group, read = group_id(settings.kafka.group, role), set[str]()
        # Another role's group, which the user of this one may not see, is checked when that role starts.
        with contextlib.suppress(GroupAuthorizationFailedError):
            read = await groups.topics_read(admin, group)
        others = sorted(topic for topic in read - own if not topic.startswith(prefix))
        if others:
            raise GroupTaken(group, others[0], settings.topic_prefix)


async def _ensure(admin: AIOKafkaAdminClient, settings: Settings, instead: TopicPlan | None) -> KafkaInfo:
    absent, partitions = await _inspect(admin, settings, instead)
    claimed_by = ownership_topic(settings)
    # The claim comes first, so that a worker that is refused does not create topics of its group.
    await _create(admin, [plan for plan in absent if plan.name == claimed_by], partitions, settings.kafka)
    claim = await ownership.claim(settings.kafka, claimed_by)
    if claim.group != settings.kafka.group:
        raise PrefixTaken(settings.topic_prefix, claim.group, settings.kafka.group)
    await _create(admin, [plan for plan in absent if plan.name != claimed_by], partitions, settings.kafka)
    return KafkaInfo(await _cluster_id(admin), partitions, claim.secret)


async def cluster_id(kafka: KafkaSettings) -> str:
    """Return the id of the cluster. Raise KafkaError if Kafka does not answer."""
    async with administrator(kafka) as admin:
        return await _cluster_id(admin)


async def _cluster_id(admin: AIOKafkaAdminClient) -> str:
    return str((await admin.describe_cluster())["cluster_id"])


async def fit_changelog(
    admin: AIOKafkaAdminClient, settings: Settings, plan: TopicPlan, partitions: int, count: int | None
) -> None:
    """See to it that the changelog of a foreign topic exists, and has as many partitions as the topic.

    `count`: how many it has; None if it does not exist. Raise TopicsUnfit if it does not fit.
    """
    if count is None:
        await _create(admin, [plan], partitions, settings.kafka)
        return
    await _check(admin, [plan], settings)
    if count < partitions:
        await admin.create_partitions({plan.name: NewPartitions(partitions)})
        log.info("the worker added partitions to %s: it has %d now, as the topic has", plan.name, partitions)
    elif count > partitions:
        raise TopicsUnfit(
            f"{plan.name} has {count} partitions, but the topic has {partitions} now, and Kafka cannot remove "
            "partitions. Give the topic another name in receive.topics"
        )


async def watch_partitions(settings: Settings, partitions: int) -> None:
    """Check from time to time whether partitions were added to a topic; raise TopicsUnfit in that case.

    Records in added partitions would not be read, and keyed state cannot move. If Kafka does not answer, other parts of
    the worker log that.
    """
    keyed = sorted(plan.name for plan in planned_topics(settings) if plan.partitions is None)
    while True:
        await asyncio.sleep(_PARTITIONS_LOOK_SECONDS)
        try:
            async with administrator(settings.kafka) as admin:
                found = await described(admin, keyed)
        except (KafkaError, SettingsError):  # SettingsError: the file of a certificate is perhaps being replaced
            continue
        counts = {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}
        changed = [f"{name} has {counts[name]}" for name in sorted(counts) if counts[name] != partitions]
        if changed:
            raise TopicsUnfit(
                f"this worker started with {partitions} partitions, but now {', '.join(changed)}: records in added "
                f"partitions would not be read, and keyed state cannot move. {_WHAT_TO_DO}"
            )


async def described(admin: AIOKafkaAdminClient, names: list[str], broker: int | None = None) -> list[dict[str, Any]]:
    """Return what a broker, or any broker, says of topics. One that is missing is not created, and has an error_code.

    Only these topics are asked for, since a cluster may have thousands.
    """
    request = MetadataRequest(names, allow_auto_topic_creation=False)
    found: list[dict[str, Any]] = (await admin._send_request(request, broker)).to_object()["topics"]
    return found


async def _has_brokers(admin: AIOKafkaAdminClient) -> bool:
    """Say whether any broker counts as alive. A broker that sent no heartbeats for a while does not."""
    return bool((await admin.describe_cluster())["brokers"])


async def _counts(admin: AIOKafkaAdminClient, planned: list[TopicPlan]) -> dict[str, int]:
    """Return the partition counts of those topics that exist, by the topic's name."""
    names = {plan.name for plan in planned} & set(await admin.list_topics())
    if not names:
        return {}
    found = await admin.describe_topics(sorted(names))
    return {topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]}


async def _check(admin: AIOKafkaAdminClient, planned: list[TopicPlan], settings: Settings) -> None:
    """Raise TopicsMisconfigured, with a line for each config that does not meet its requirement, if there are any."""
    if not planned:
        return
    found = await _existing(admin, [plan.name for plan in planned])
    problems = [line for plan in planned if plan.name in found for line in checks.unfit(found[plan.name], plan.needs)]
    if problems:
        raise TopicsMisconfigured(problems)
    new = settings.kafka.retention_days * _DAY_MS
    for topic, loss in _LOSS.items():
        name, wanted = topic_name(settings.topic_prefix, topic), new
        if topic not in MUST_BE_COMPLETE:
            wanted = min(new, checks.LEAST_WAIT_MS)
        if name in found:
            for line in checks.short(found[name], wanted, loss):
                log.warning("%s", line)


async def _existing(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, checks.ExistingTopic]:
    """Return existing topics by their names, without those whose configuration the worker has no permission to see."""
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
    return {
        name: checks.ExistingTopic(name, copies[name], config) for name, config in configs.items() if name in copies
    }


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
        said = str(rest[0] or "") if rest else ""
        # A broker that has just started is fenced until the controller has heard from it.
        no_brokers = error is InvalidReplicationFactorError and (_FENCED in said or not await _has_brokers(admin))
        if error.retriable or error is TopicAuthorizationFailedError or no_brokers:
            raise error(name)
        if code and error is not TopicAlreadyExistsError:
            hint = (
                f": kafka.replication_factor is {kafka.replication_factor}, and Kafka has fewer brokers than that"
                if error is InvalidReplicationFactorError
                else ""
            )
            raise TopicsUnfit(f"{name} could not be created: {error.__name__} {said}".rstrip() + hint)
    log.info("the worker created topics: %s", ", ".join(plan.name for plan in missing))
