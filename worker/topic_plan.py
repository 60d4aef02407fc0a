"""The topics that the worker needs, as text and as commands of Kafka's own tools, for those who create them by hand.

Each role has permissions of its own, so that a worker that only sends mails cannot write responses. The permissions of
`publisher` are those that a survey tool needs, and those of `commander` a CRM that writes commands.
"""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from worker.board.board import Board
from worker.flow import events
from worker.kafka import ownership, topics
from worker.kafka.topics import TopicPlan
from worker.roles import names as roles_of
from worker.settings import Settings
from worker.web.following.sources import sources

#: The roles that can get permissions: those of a worker, `publisher`, and `commander`. `all` is process and notify.
Role = Literal["process", "notify", "web", "receive", "all", "publisher", "commander"]
Form = Literal["text", "kafka-topics", "kafka-configs", "kafka-acls"]

_READS = {
    "process": (
        events.RESPONSES,
        events.TALLIES,
        events.HOURS,
        events.SCORES,
        events.ALERT_COMMANDS,
        events.CASES,
        events.SILENCE_COMMANDS,
        events.SILENCES,
    ),
    "notify": (events.ALERTS, events.SILENCES),
    "receive": (),
}
_WRITES = {
    "process": (
        events.RESPONSES,  # records with a wrong key are rerouted to this topic with the right one
        events.ALERTS,
        events.INVITATIONS,
        events.DECISIONS,
        events.DEAD_LETTERS,
        events.TALLIES,
        events.HOURS,
        events.SCORES,
        events.ALERT_COMMAND_RESULTS,
        events.RECOVERIES,
        events.CASES,
        events.SILENCE_COMMANDS,  # records with a wrong key are moved
        events.SILENCE_COMMAND_RESULTS,
        events.SILENCES,
    ),
    "notify": (events.DELIVERIES, events.DEAD_LETTERS),
    "receive": (events.RESPONSES, events.DEAD_LETTERS),
}


class Grant(NamedTuple):
    """Operations that are allowed on resources."""

    #: The kind of the resources: "topic" or "group".
    kind: str
    names: list[str]
    operations: tuple[str, ...]


def shown(settings: Settings, form: Form, role: Role, principal: str) -> list[str]:
    """Return the lines of the plan in this form. `role` and `principal` only matter for permissions."""
    if form == "kafka-topics":
        foreign = (_create(plan, settings, f"as many as {at.topic} has") for at, plan in _foreign(settings))
        return [*(_create(plan, settings) for plan in topics.planned_topics(settings)), *foreign]
    if form == "kafka-configs":
        planned = [*topics.planned_topics(settings), *(plan for _, plan in _foreign(settings))]
        return [_configure(plan, settings) for plan in planned]
    if form == "kafka-acls":
        return [_allow(grant, principal, settings) for grant in grants(settings, role)]
    return list(_text(settings))


def grants(settings: Settings, role: Role) -> list[Grant]:
    """Return the permissions that a role needs."""
    if role == "publisher":
        return [Grant("topic", _named(settings, [events.RESPONSES]), ("Describe", "Write"))]
    commanding = [
        Grant("topic", _named(settings, [events.ALERT_COMMANDS]), ("Describe", "Write")),
        Grant("topic", _named(settings, [events.ALERT_COMMAND_RESULTS]), ("Describe", "Read")),
    ]
    silencing = [
        Grant("topic", _named(settings, [events.SILENCE_COMMANDS]), ("Describe", "Write")),
        Grant("topic", _named(settings, [events.SILENCE_COMMAND_RESULTS, events.SILENCES]), ("Describe", "Read")),
    ]
    if role == "commander":
        return [*commanding, *silencing]
    if role == "web":  # it creates no topics, and is no consumer group
        silences = topics.topic_name(settings.topic_prefix, events.SILENCES)
        followed = [source.topic for source in sources(settings, Board()) if source.topic != silences]
        return [
            *commanding,
            *silencing,
            Grant("topic", followed, ("Describe", "Read")),
            Grant("topic", _named(settings, [events.AUDIT]), ("Describe", "Read", "Write")),
            Grant("topic", _named(settings, [events.RESPONSES]), ("Describe", "Write")),  # corrected dead letters
        ]
    roles = roles_of(role)
    reads = {name for one in roles for name in (*_named(settings, _READS[one]), *_own(settings, one))}
    writes = {name for one in roles for name in (*_named(settings, _WRITES[one]), *_own(settings, one))}
    both = {topics.topic_name(settings.topic_prefix, ownership.TOPIC)}
    allowed = defaultdict[tuple[str, ...], list[str]](list)
    for plan in topics.planned_topics(settings):
        # Every role creates what is missing, and checks what is there.
        operations = ["Create", "Describe", "DescribeConfigs"]
        operations += ["Read"] if plan.name in reads | both else []
        operations += ["Write"] if plan.name in writes | both else []
        allowed[tuple(operations)].append(plan.name)
    groups = [topics.group_id(settings.kafka.group, group) for one in roles for group in _groups(settings, one)]
    granted = [Grant("topic", names, operations) for operations, names in allowed.items()]
    if role == "receive" and (foreign := _foreign(settings)):
        # Partitions are added to the changelog if they are added to the topic.
        own = ("Create", "Describe", "DescribeConfigs", "Read", "Write", "Alter")
        granted.append(Grant("topic", [plan.name for _, plan in foreign], own))
        granted.append(Grant("topic", [at.topic for at, _ in foreign], ("Describe", "Read")))
        groups += [topics.group_id(settings.kafka.group, at.role) for at, _ in foreign]
    return [*granted, *([Grant("group", groups, ("Describe", "Read"))] if groups else [])]


def _foreign(settings: Settings) -> list[tuple[topics.Foreign, TopicPlan]]:
    """Return the topics of other programs that are read, each with the plan of its group's changelog."""
    return [(at, topics.changelog_of(settings, at)) for at in topics.foreign_topics(settings)]


def _named(settings: Settings, short: Iterable[str]) -> list[str]:
    return [topics.topic_name(settings.topic_prefix, topic) for topic in short]


def _own(settings: Settings, role: str) -> list[str]:
    """Return the topics that only a role uses: its changelogs, and its internal topics."""
    internal = {"notify": topics.topics_of_plans, "receive": topics.topics_of_receiver}
    own = internal[role](settings) if role in internal else []
    return [*_changelogs(settings, role), *_named(settings, own)]


def _changelogs(settings: Settings, role: str) -> list[str]:
    tables = topics.tables(settings)
    groups = _groups(settings, role)
    owned = ((group, table) for group in groups for table in tables.get(group, ()))
    return [topics.changelog_name(settings.kafka.group, group, table) for group, table in owned]


def _groups(settings: Settings, role: str) -> list[str]:
    """Return what a role's consumer groups are called after the role, the channels that it serves, or its tasks."""
    in_use = topics.groups_in_use(settings)
    if role == "receive":
        return [group for group in in_use if group in {topics.MERGE, topics.FETCH}]
    return [role, *(sorted(topics.CHANNELS.keys() & set(in_use)) if role == "notify" else [])]


def _partitions(plan: TopicPlan, settings: Settings) -> int:
    return plan.partitions or settings.kafka.partitions


def _text(settings: Settings) -> Iterator[str]:
    planned, replicas = topics.planned_topics(settings), settings.kafka.replication_factor
    yield f"Partitions: as many as {planned[0].name} has; the worker creates {settings.kafka.partitions}."
    for plan in planned:
        yield ""
        yield f"{plan.name}: partitions {_partitions(plan, settings)}, replication factor {replicas}"
        yield from _configs(plan)
    for at, plan in _foreign(settings):
        yield ""
        yield f"{plan.name}: as many partitions as {at.topic} has, replication factor {replicas}"
        yield from _configs(plan)


def _configs(plan: TopicPlan) -> Iterator[str]:
    for key, value in plan.config.items():
        need = plan.needs.get(key)
        words = (
            f"  (a topic that exists already must have: {need.words})"
            if need is not None and need.words != value
            else ""
        )
        yield f"  {key} = {value}{words}"


def _create(plan: TopicPlan, settings: Settings, partitions: str = "") -> str:
    """Return the command that creates a topic. `partitions`: what to replace by a number that only Kafka knows."""
    return _line(
        "kafka-topics.sh", settings, "--create", "--if-not-exists", "--topic", plan.name,
        "--partitions", partitions or str(_partitions(plan, settings)),
        "--replication-factor", str(settings.kafka.replication_factor),
        *(word for key, value in plan.config.items() for word in ("--config", f"{key}={value}")),
    )  # fmt: skip


def _configure(plan: TopicPlan, settings: Settings) -> str:
    configs = ",".join(f"{key}={value}" for key, value in plan.config.items())
    return _line(
        "kafka-configs.sh", settings, "--alter", "--entity-type", "topics", "--entity-name", plan.name,
        "--add-config", configs,
    )  # fmt: skip


def _allow(grant: Grant, principal: str, settings: Settings) -> str:
    operations = (word for operation in grant.operations for word in ("--operation", operation))
    names = (word for name in grant.names for word in (f"--{grant.kind}", name))
    return _line("kafka-acls.sh", settings, "--add", "--allow-principal", principal, *names, *operations)


def _line(tool: str, settings: Settings, *words: str) -> str:
    return shlex.join([tool, "--bootstrap-server", settings.kafka.bootstrap_servers, *words])
