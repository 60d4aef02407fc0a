"""Checks of existing topics: which configuration the worker's results require, and where a topic differs from it.

A topic may have been created by hand, or by an older version. A difference by which nothing is lost, such as a longer
retention of decisions, is not an error. It is an error if something would be lost or counted twice: for instance if a
changelog is deleted instead of compacted, if tallies are deleted before they are counted, or if the timestamps are not
the broker's.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

#: The least value of max.message.bytes, which is Kafka's default. The worker's produce batches, and single records of
#: the core, are smaller.
LEAST_MESSAGE_BYTES = 1_048_588
#: The least retention of records that wait to be counted, in ms. With a shorter one they are lost in an ordinary
#: outage.
LEAST_WAIT_MS = 7 * 86_400_000
#: The least retention of other records that a worker reads, in ms. With a shorter one, they are lost if the worker does
#: not run for a night.
LEAST_READ_MS = 86_400_000
#: The number of replicas from which on two must have a record before it is acknowledged, since one broker may be away.
_MANY_COPIES = 3

CLEANUP = "cleanup.policy"
RETENTION_MS = "retention.ms"
RETENTION_BYTES = "retention.bytes"
SHORTEST_LAG_MS = "min.compaction.lag.ms"
LONGEST_LAG_MS = "max.compaction.lag.ms"
TIMESTAMP = "message.timestamp.type"
IN_SYNC = "min.insync.replicas"
MESSAGE_BYTES = "max.message.bytes"


class Need(NamedTuple):
    """A requirement for one config of a topic."""

    #: The requirement in words, which follow "must be".
    words: str
    #: Says whether a value meets the requirement.
    holds: Callable[[str], bool]


#: Requirements by the key of the config.
Needs = Mapping[str, Need]


def exactly(value: str) -> Need:
    """Require this value."""
    return Need(value, lambda found: found == value)


def at_least(value: int) -> Need:
    """Require this number or a larger one."""
    return Need(f"at least {value}", lambda found: int(found) >= value)


def at_most(value: int) -> Need:
    """Require this number or a smaller one."""
    return Need(f"at most {value}", lambda found: int(found) <= value)


#: Requires that there is no limit of time or size; Kafka's value for that is -1.
FOR_EVER = exactly("-1")


def for_at_least(value: int) -> Need:
    """Require a limit of at least this number, or no limit (-1)."""
    return Need(f"at least {value}, or -1", lambda found: int(found) == -1 or int(found) >= value)


def in_sync(copies: int) -> Need:
    """Require a min.insync.replicas by which the loss of one broker loses no record, and that `copies` can reach."""
    least = 2 if copies >= _MANY_COPIES else 1
    return Need(f"{least} to {copies}" if least < copies else f"{least}", lambda found: least <= int(found) <= copies)


class ExistingTopic(NamedTuple):
    """A topic that exists."""

    name: str
    #: The number of replicas of each partition.
    copies: int
    #: The configs that are in force, by their keys.
    configs: Mapping[str, str]


def unfit(topic: ExistingTopic, needs: Needs) -> list[str]:
    """Return a line for each config that does not meet its requirement."""
    wanted = {**needs, MESSAGE_BYTES: at_least(LEAST_MESSAGE_BYTES), IN_SYNC: in_sync(topic.copies)}
    return [
        f"{topic.name}: {key} is {topic.configs[key]}, and must be {need.words}"
        for key, need in sorted(wanted.items())
        if key in topic.configs and not need.holds(topic.configs[key])
    ]


def short(topic: ExistingTopic, wanted_ms: int, loss: str) -> list[str]:
    """Return a line for each limit by which records may be deleted too early, although the worker may start.

    `wanted_ms`: how long the records should be kept, in ms. `loss`: what happens to records that are deleted earlier.
    """
    lines = []
    kept, size = int(topic.configs.get(RETENTION_MS, "-1")), int(topic.configs.get(RETENTION_BYTES, "-1"))
    if 0 <= kept < wanted_ms:
        lines.append(f"{topic.name}: {RETENTION_MS} is {kept}: {loss}. Set it to {wanted_ms} or more")
    if size >= 0:
        lines.append(f"{topic.name}: {RETENTION_BYTES} is {size}: with more than that, {loss}. Set it to -1")
    return lines
