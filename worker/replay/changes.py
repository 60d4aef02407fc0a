"""How two configurations differ: which settings have other values, whether that is tried, and which receivers match.

Pure. Settings are named by their keys, and their values are not shown, since some are secrets.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from worker.notify.planning import Planner
from worker.replay.comparing import Place

#: The settings of which the alerts about responses depend. If one of them differs, the responses are decided again.
OF_RESPONSES = ("intake", "history", "bursts", "alerts")
#: The keys of the settings that are tried, or the tables that they are in.
_TRIED = re.compile(
    rf"(?:{'|'.join(OF_RESPONSES)}|receivers|calendars|route|email\.(?:to|routes)"
    r"|(?:email|webhook|chat)\.actions)(?:\.|$)"
    r"|(?:webhook|chat)\.endpoints\.[^.]*$"  # of an endpoint, only whether there is one
)
#: The keys of a receiver that change how a notice looks, and not who gets it or when, those of caps and groups, and the
#: service level. That of a nested route is a part of the key route.routes, which is tried.
_UNTRIED = re.compile(
    r"receivers\.[^.]*\.(?:language|time_zone|(?:mails|notices)_per_hour|critical_per_hour|group_by|group_(?:wait|interval)_seconds)$"
    r"|route\.service_level$"
)


class Changes(NamedTuple):
    """The keys of the settings that differ, in the order of the settings."""

    tried: list[str]
    #: The others. They make no difference in the replay, whatever they do in a worker.
    not_tried: list[str]

    @property
    def decides_again(self) -> bool:
        """Whether the responses have to be decided again, since other alerts may come of them."""
        return any(key.partition(".")[0] in OF_RESPONSES for key in self.tried)


def changes(current: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    """Compare two configurations, as pydantic dumps them."""
    differing = [*_differing(current, new, "")]
    tried = [key for key in differing if _TRIED.match(key) and not _UNTRIED.match(key)]
    return Changes(tried, [key for key in differing if key not in tried])


def _differing(current: Mapping[str, Any], new: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the keys that differ. A table that only one of the configurations has is one key."""
    absent = object()
    for key in {**current, **new}:
        was, would = current.get(key, absent), new.get(key, absent)
        if isinstance(was, Mapping) and isinstance(would, Mapping):
            yield from _differing(was, would, f"{prefix}{key}.")
        elif was != would:
            yield prefix + key


class Receivers(NamedTuple):
    """How the receivers of two configurations match."""

    #: The names in the new configuration, by the place in the current one, of those that have another name now.
    names: dict[Place, str]
    #: The receivers that have other addresses in the new configuration.
    moved: list[Place]


def receivers(current: Mapping[str, Planner], new: Mapping[str, Planner]) -> Receivers:
    """Match the receivers of each channel: those of one name, and of the others those that have the same addresses."""
    names: dict[Place, str] = {}
    moved: list[Place] = []
    for channel in current.keys() & new.keys():
        was, would = _addresses(current[channel]), _addresses(new[channel])
        moved += [Place(channel, name) for name in would if name in was and was[name] != would[name]]
        gone = [name for name in was if name not in would]
        come = [name for name in would if name not in was]
        for name in gone:
            same = [other for other in come if would[other] == was[name]]
            others = [other for other in gone if was[other] == was[name]]
            if len(same) == len(others) == 1:
                names[Place(channel, name)] = same[0]
    return Receivers(names, moved)


def _addresses(planner: Planner) -> dict[str, frozenset[str]]:
    """Return the addresses of each receiver that uses the channel."""
    found: Mapping[str, Sequence[str]] = {
        name: planner.targets(receiver) for name, receiver in planner.routing.receivers.items()
    }
    return {name: frozenset(map(planner.identity, targets)) for name, targets in found.items() if targets}
