"""The same routing, by the places that notices go to on a channel: an endpoint gets a notice once, whoever names it."""

from collections.abc import Mapping
from dataclasses import replace

from worker.routing.receiver import Receiver
from worker.routing.routing import Routing
from worker.routing.tree import Node

#: The channels that people read. Programs read the others, at any hour.
FOR_PEOPLE = frozenset({"email", "chat"})
#: Stands for an account owner whose receiver has no place on the channel: then nobody gets the notice there.
_NOWHERE = ""


def by_place(routing: Routing, channel: str, *, with_hours: bool) -> Routing:
    """Return a routing whose receivers are the places of a channel, each of which has one receiver or several.

    `with_hours`: whether a place has the working hours of its receivers, if all of them have the same. In the same way
    it has their caps and groups. Its language and its time zone are those of the first one that names it.
    """
    named = {name: targets[0] for name, one in routing.receivers.items() if (targets := one.targets.get(channel, ()))}
    places: dict[str, Receiver] = {}
    for name, place in named.items():
        receiver = routing.receivers[name]
        bundling = receiver.bundling_of_posts
        as_place = replace(receiver, name=place, targets={channel: [place]}, bundling=bundling, bundling_of_posts=None)
        known = places.get(place, as_place)
        if not with_hours or not _has_hours_of(known, receiver):
            as_place = replace(as_place, calendar=None, quiet_except=frozenset())
        places[place] = replace(
            known,
            calendar=as_place.calendar,
            quiet_except=as_place.quiet_except,
            bundling=bundling if known.bundling == bundling else None,
        )
    owners = {owner: named.get(name, _NOWHERE) for owner, name in routing.owners.items()}
    places[_NOWHERE] = Receiver(_NOWHERE, {})
    return replace(routing, root=_moved(routing.root, named), receivers=places, owners=owners, places=named)


def _has_hours_of(place: Receiver, receiver: Receiver) -> bool:
    return (place.calendar, place.quiet_except) == (receiver.calendar, receiver.quiet_except)


def _moved(node: Node, named: Mapping[str, str]) -> Node:
    places = dict.fromkeys(named[name] for name in node.receivers if name in named)
    return replace(node, receivers=[*places], children=[_moved(child, named) for child in node.children])
