"""The one list of roles, and what a worker of some of them consists of.

A role is a function that returns its services in the order in which they start; they stop in the opposite order. It
asks its surroundings for what it needs: Kafka, or not. It may have a Faust shell, or do without one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from worker.kafka import topics
from worker.roles import Role, RoleName, names, notify, process
from worker.roles.heartbeats import watch_heartbeats
from worker.roles.surroundings import Surroundings
from worker.service import Background, Service
from worker.streams.shell import Shell

#: Returns the services of a role.
Build = Callable[[Surroundings], Awaitable[Sequence[Service]]]

ROLES: Mapping[RoleName, Build] = MappingProxyType({"process": process.build, "notify": notify.build})


async def build(role: Role, surroundings: Surroundings) -> dict[str, Sequence[Service]]:
    """Return the services of each role that `role` stands for, by the role's name, and what watches over all of them.

    Nothing is started yet. This waits for Kafka if one of the roles needs it.
    """
    built: dict[str, Sequence[Service]] = {name: await ROLES[name](surroundings) for name in names(role)}
    # Last, so that they stop first: a stop takes long while Kafka is away, and nobody has to be told that it is.
    return {**built, "watches": _watches(built, surroundings)}


def _watches(built: Mapping[str, Sequence[Service]], surroundings: Surroundings) -> list[Service]:
    """Return what watches over Kafka, as far as the roles use it."""
    settings, kafka = surroundings.settings, surroundings.kafka_found
    shells = [service for services in built.values() for service in services if isinstance(service, Shell)]
    watches: list[Service] = []
    if kafka is not None:
        watches.append(Background(partial(topics.watch_partitions, settings, kafka.partitions)))
    if shells:
        watches.append(Background(partial(watch_heartbeats, shells, settings.kafka.session_timeout_seconds)))
    return watches
