"""The one list of roles, and what a worker of some of them consists of.

A role is a function that returns its services in the order in which they start; they stop in the opposite order. It
may have a Faust shell, or do without one.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from worker.clock import Clock
from worker.kafka import topics
from worker.roles import Role, RoleName, names, notify, process
from worker.roles.heartbeats import watch_heartbeats
from worker.service import Background, Service
from worker.settings import Settings
from worker.streams.shell import Shell

#: Returns the services of a role.
Build = Callable[[Settings, topics.Found, Clock], Sequence[Service]]

ROLES: Mapping[RoleName, Build] = MappingProxyType({"process": process.build, "notify": notify.build})


def build(role: Role, settings: Settings, kafka: topics.Found, clock: Clock) -> dict[str, Sequence[Service]]:
    """Return the services of each role that `role` stands for, by the role's name, and what watches over all of them.

    Nothing is started yet.
    """
    built: dict[str, Sequence[Service]] = {name: ROLES[name](settings, kafka, clock) for name in names(role)}
    shells = [service for services in built.values() for service in services if isinstance(service, Shell)]
    # Last, so that they stop first: a stop takes long while Kafka is away, and nobody has to be told that it is.
    watches = [partial(topics.watch_partitions, settings, kafka.partitions)]
    if shells:
        watches.append(partial(watch_heartbeats, shells, settings.kafka.session_timeout_seconds))
    return {**built, "watches": [Background(watch) for watch in watches]}
