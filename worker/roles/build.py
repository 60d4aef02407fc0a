"""The list of all roles, and the services of a worker that has some of them.

A role is a function that returns its services in the order in which they start; they stop in the opposite order. A role
that needs Kafka asks its surroundings for it. A role may have a Faust shell, but need not.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from worker.kafka import topics
from worker.roles import Role, RoleName, names, notify, process, receive, web
from worker.roles.heartbeats import watch_heartbeats
from worker.roles.surroundings import Surroundings
from worker.service import Background, Service
from worker.streams.shell import Shell

#: Returns the services of a role.
Build = Callable[[Surroundings], Awaitable[Sequence[Service]]]

ROLES: Mapping[RoleName, Build] = MappingProxyType(
    {"process": process.build, "notify": notify.build, "web": web.build, "receive": receive.build}
)


async def build(role: Role, surroundings: Surroundings) -> dict[str, Sequence[Service]]:
    """Return the services of each role that `role` stands for, by the role's name, and those that the roles share.

    The role notify has further services by the names of its further channels, and the role receive by those of its
    further groups. No service is started. Wait for Kafka if one of the roles needs it.
    """
    built: dict[str, Sequence[Service]] = {name: await ROLES[name](surroundings) for name in names(role)}
    if notify.ROLE in built:
        built.update(await notify.build_further(surroundings))
    if receive.ROLE in built:
        built.update(await receive.build_further(surroundings))
    # What follows the silences belongs to no role: each role with a courier needs it, and all share one.
    followed = surroundings.silences_asked_for
    shared: dict[str, Sequence[Service]] = {} if followed is None else {"silences": [followed]}
    # The watches are the last ones, so that they stop first: while Kafka is away, a stop takes long, and warnings about
    # Kafka would only disturb then.
    return {**shared, **built, "watches": _watches(built, surroundings)}


def _watches(built: Mapping[str, Sequence[Service]], surroundings: Surroundings) -> list[Service]:
    """Return the services that watch Kafka; none if no role uses it."""
    settings, kafka = surroundings.settings, surroundings.kafka_found
    shells = [service for services in built.values() for service in services if isinstance(service, Shell)]
    watches: list[Service] = []
    if kafka is not None:
        watches.append(Background(partial(topics.watch_partitions, settings, kafka.partitions)))
    if shells:
        watches.append(Background(partial(watch_heartbeats, shells, settings.kafka.session_timeout_seconds)))
    return watches
