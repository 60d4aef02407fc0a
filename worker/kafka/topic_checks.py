"""What the configuration of a topic that exists must be, so that the worker's results are correct; and what is wrong.

A topic may have been made by hand, or by an older version. A difference is no error if nothing is lost by it, such as a
longer retention of decisions. It is an error if something would be lost or counted twice: a changelog that forgets its
front, tallies that are deleted before they are counted, times that are not the broker's.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

#: The worker's produce batches, and any single record that the core makes, are smaller; it is Kafka's default.
LEAST_MESSAGE_BYTES = 1_048_588
#: Tallies that are deleted after a shorter time than this are lost in an ordinary outage.
LEAST_WAIT_MS = 7 * 86_400_000
#: From this many copies on, one broker may be away, and two copies must have a record before it counts.
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
    """What a topic's config must be: in words, and as a test of its value."""

    words: str
    holds: Callable[[str], bool]


#: Needs by the config's key.
Needs = Mapping[str, Need]


def exactly(value: str) -> Need:
    """Need this value."""
    return Need(value, lambda found: found == value)


def at_least(value: int) -> Need:
    """Need so much or more."""
    return Need(f"at least {value}", lambda found: int(found) >= value)


def at_most(value: int) -> Need:
    """Need so much or less."""
    return Need(f"at most {value}", lambda found: int(found) <= value)


#: Time limits and sizes for which -1 means that there is none.
FOR_EVER = exactly("-1")


def for_at_least(value: int) -> Need:
    """Need a limit that is not reached before so much; -1 is none."""
    return Need(f"at least {value}, or -1", lambda found: int(found) == -1 or int(found) >= value)


def in_sync(copies: int) -> Need:
    """Need as many copies in sync as are enough for one broker to be lost, and no more than there are."""
    least = 2 if copies >= _MANY_COPIES else 1
    return Need(f"{least} to {copies}" if least < copies else f"{least}", lambda found: least <= int(found) <= copies)


class Found(NamedTuple):
    """A topic that is there: how many copies its partitions have, and its configs as they are in force."""

    name: str
    copies: int
    configs: Mapping[str, str]


def unfit(topic: Found, needs: Needs) -> list[str]:
    """Return a line for each config that is not as it must be: topic, key, what it is, and what it should be."""
    wanted = {**needs, MESSAGE_BYTES: at_least(LEAST_MESSAGE_BYTES), IN_SYNC: in_sync(topic.copies)}
    return [
        f"{topic.name}: {key} is {topic.configs[key]}, and must be {need.words}"
        for key, need in sorted(wanted.items())
        if key in topic.configs and not need.holds(topic.configs[key])
    ]
