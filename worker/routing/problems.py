"""What is wrong with receivers, routes and calendars: names that do not exist, and routes and receivers in vain.

Each problem is one line that begins with the key of the setting.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from worker.routing.comment import plain
from worker.routing.hours import CalendarSettings
from worker.routing.matching import Matchers
from worker.routing.receiver import ReceiverSettings
from worker.routing.routing import Routing
from worker.routing.service_level import ServiceLevel
from worker.routing.tree import Node

_DAY_MINUTES = 1_440
#: The largest number of existing names that a message about a wrong one lists.
_MOST_NAMED = 10


def wrong_names(
    root: Node,
    receivers: Mapping[str, ReceiverSettings],
    calendars: Mapping[str, CalendarSettings],
    levels: Mapping[str, ServiceLevel],
) -> list[str]:
    """Return a line for each name that the settings use and do not define, and for each owner with two receivers."""
    return [
        *_unknown_receivers(root, receivers),
        *_unknown_levels(root, levels),
        *(
            f"service_levels.{level}.escalation.{place}.receivers.{number}: {_unknown(name, 'receiver', receivers)}"
            for level, settings in levels.items()
            for place, step in enumerate(settings.escalation)
            for number, name in enumerate(step.receivers)
            if name not in receivers
        ),
        *(
            f"receivers.{name}.calendar: {_unknown(receiver.calendar, 'calendar', calendars)}"
            for name, receiver in receivers.items()
            if receiver.calendar is not None and receiver.calendar not in calendars
        ),
        *_shared_owners(receivers),
    ]


def wrong_endpoints(receivers: Mapping[str, ReceiverSettings], endpoints: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a line for each endpoint that a receiver names and no channel has, and for each that no receiver names.

    `endpoints`: the names of the endpoints of each channel that has some, by the channel's name.
    """
    lines: list[str] = []
    for channel, known in endpoints.items():
        named = {name: getattr(receiver, channel) for name, receiver in receivers.items()}
        lines += [
            f"receivers.{name}.{channel}: {_unknown(endpoint, f'{channel} endpoint', known)}"
            for name, endpoint in named.items()
            if endpoint is not None and endpoint not in known
        ]
        lines += [
            f'{channel}.endpoints.{endpoint}: no receiver names this endpoint; write {channel} = "{endpoint}" in a '
            "table of receivers"
            for endpoint in known
            if endpoint not in named.values()
        ]
    return lines


def caps_in_vain(receivers: Mapping[str, ReceiverSettings]) -> list[str]:
    """Return a line for each endpoint whose receivers have different caps or groups, so that it has none."""
    lines: list[str] = []
    for channel in ("webhook", "chat"):
        named: dict[str, list[str]] = {}
        for name, receiver in receivers.items():
            if (endpoint := getattr(receiver, channel)) is not None:
                named.setdefault(endpoint, []).append(name)
        lines += [
            f"receivers.{names[0]}.{channel}: the receivers {', '.join(names)} name the same endpoint, {endpoint}, and "
            "have different caps or groups, so it gets each notice by itself"
            for endpoint, names in named.items()
            if any(receivers[name].bundling_of_posts != receivers[names[0]].bundling_of_posts for name in names)
        ]
    return lines


def routes_in_vain(root: Node) -> list[str]:
    """Return a line for each route that never takes anything."""
    return _Walk(root).lines


def receivers_in_vain(
    routing: Routing,
    receivers: Mapping[str, ReceiverSettings],
    calendars: Iterable[str],
    levels: Mapping[str, ServiceLevel],
) -> list[str]:
    """Return a line for each receiver that nothing reaches, and for whatever else has no effect."""
    walk = _Walk(routing.root)
    asked = {name for level in walk.levels for step in levels[level].escalation for name in step.receivers}
    reached = walk.reached | asked | ({*routing.owners.values()} if walk.by_owner else set())
    used = {receiver.calendar for receiver in receivers.values()}
    return [
        *(
            f"{key}.to_owner: no receiver has owners, so it changes nothing"
            for key in walk.by_owner
            if not routing.owners
        ),
        *(f"receivers.{name}: no route reaches this receiver" for name in receivers if name not in reached),
        *(f"service_levels.{name}: no alert has this service level" for name in levels if name not in walk.levels),
        *(
            f"receivers.{name}.owners: no route has to_owner, so it changes nothing"
            for name, receiver in receivers.items()
            if receiver.owners and not walk.by_owner
        ),
        *(f"calendars.{name}: no receiver has this calendar" for name in calendars if name not in used),
        *(
            f"receivers.{name}.calendar: the receiver has only a webhook, which gets events at any hour, so it changes "
            "nothing"
            for name, receiver in receivers.items()
            if receiver.calendar is not None and not receiver.email and receiver.chat is None
        ),
    ]


def times_in_vain(
    levels: Mapping[str, ServiceLevel], calendars: Iterable[CalendarSettings | None], history: int, open_days: int
) -> list[str]:
    """Return a line for each service level whose steps come when the worker has forgotten what they are about.

    `calendars`: those of the people who get alerts; None for all hours. Which of them counts depends on the alert. So
    the time between two steps is taken to be as short as it can be, without holidays and days off. `history` and
    `open_days`: the settings history.days and cases.open_days. Both are counted from the step before.
    """
    spent = [_fewest_days(calendar) for calendar in calendars] or [_fewest_days(None)]
    lines = []
    for name, level in levels.items():
        before = 0.0
        for minutes, key, is_reminder in sorted(_steps(level)):
            days = min(fewest(minutes - before) for fewest in spent)
            begin = f"service_levels.{name}.{key}: at least {days:.0f} days pass before a step of the case, and by then"
            if days > open_days:
                lines.append(f"{begin} the case is forgotten, since cases.open_days is {open_days}")
                break
            if is_reminder and days > history:
                lines.append(f"{begin} nobody is known who could be reminded, since history.days is {history}")
                break
            before = minutes
    return lines


def _steps(level: ServiceLevel) -> Iterator[tuple[float, str, bool]]:
    """Yield the steps of a case: after how many minutes, because of which setting, and whether it is a reminder."""
    early = level.remind_before_minutes
    limits = {
        "acknowledge_within_minutes": level.acknowledge_within_minutes,
        "resolve_within_hours": None if level.resolve_within_hours is None else 60 * level.resolve_within_hours,
    }
    for key, minutes in limits.items():
        if minutes is None:
            continue
        if early is not None and early < minutes:
            yield minutes - early, key, True
        if key == "resolve_within_hours":
            yield minutes, key, True
    delays = accumulate(step.after_minutes for step in level.escalation)
    for delay in delays:
        yield (level.acknowledge_within_minutes or 0.0) + delay, "escalation", False


def _fewest_days(calendar: CalendarSettings | None) -> Callable[[float], float]:
    """Return what says how many days some minutes of working time take at the least."""
    if calendar is None:
        return lambda minutes: minutes / _DAY_MINUTES
    of_week = min(sum(span.end - span.begin for day in calendar.week() for span in day), 7 * _DAY_MINUTES)
    # A further working day may have any hours.
    further = len(calendar.working_days) * _DAY_MINUTES
    return lambda minutes: max(0.0, minutes - further) / of_week * 7


def _unknown_receivers(root: Node, receivers: Mapping[str, ReceiverSettings]) -> Iterator[str]:
    inherited: list[object] = []
    for node in root.all():
        if any(node.receivers is known for known in inherited):
            continue  # the route has them from its parent, where they were looked at
        inherited.append(node.receivers)
        for place, name in enumerate(node.receivers):
            if name not in receivers:
                yield f"{node.key}.receivers.{place}: {_unknown(name, 'receiver', receivers)}"


def _unknown_levels(root: Node, levels: Mapping[str, ServiceLevel]) -> Iterator[str]:
    known = {""}  # a name that is wrong is said once, not for each route that has it from its parent
    for node in root.all():
        if node.service_level not in known and node.service_level not in levels:
            yield f"{node.key}.service_level: {_unknown(node.service_level, 'service level', levels)}"
        known.add(node.service_level)


def _unknown(name: str, what: str, known: Iterable[str]) -> str:
    """Return that a name stands for nothing of a kind, with the most similar name, or else all names, of the kind."""
    names = list(known)
    if like := difflib.get_close_matches(name, names, n=1):
        others = f"did you mean {like[0]}?"
    elif names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        others = f"these exist: {', '.join(names[:_MOST_NAMED])}{more}"
    else:
        others = "there are none"
    return f"{name!r} is not a {what}; {others}"


def _shared_owners(receivers: Mapping[str, ReceiverSettings]) -> Iterator[str]:
    found: dict[str, str] = {}
    for name, receiver in receivers.items():
        for place, owner in enumerate(receiver.owners):
            other = found.setdefault(plain(owner), name)
            if other != name:
                yield f"receivers.{name}.owners.{place}: receivers.{other} stands for this owner already"


class _Walk:
    """A walk through the tree: what the routes reach, and which of them never take anything."""

    def __init__(self, root: Node) -> None:
        #: The names of the receivers that routes reach by their names.
        self.reached: set[str] = set()
        #: The names of the service levels of alerts that routes take.
        self.levels: set[str] = set()
        #: The keys of the routes that ask for the account owner.
        self.by_owner: list[str] = []
        self.lines: list[str] = []
        self._look(root, Matchers())

    def _look(self, node: Node, above: Matchers) -> None:
        """Look at a route and those below it. `above`: the matchers of the nearest route above that has any."""
        before: list[Node] = []
        for child in node.children:
            if (line := _why_in_vain(child, above, before)) is not None:
                self.lines.append(line)
                continue
            self._look(child, child.matchers if child.tests else above)
            before.append(child)
        if not any(child.matchers.covers(node.matchers) for child in before):
            self.reached |= set(node.receivers)
            if node.service_level and _takes_alerts(node.matchers):
                self.levels.add(node.service_level)
            if node.to_owner:
                self.by_owner.append(node.key)


def _takes_alerts(matchers: Matchers) -> bool:
    return not matchers.kinds or "detractor" in matchers.kinds


def _why_in_vain(route: Node, above: Matchers, before: Iterable[Node]) -> str | None:
    """Return why a route never takes anything; None if it may. `before`: the routes that are tried before it."""
    if (key := route.matchers.excludes(above)) is not None:
        return f"{route.key}.{key}: never fits, since a route above this one takes something else"
    taker = next((one for one in before if not one.then_continue and one.matchers.covers(route.matchers)), None)
    if taker is not None:
        return f"{route.key}: this route is never reached, since {taker.key} takes everything that it would match"
    return None
