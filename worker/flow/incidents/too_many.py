"""The incident that says that there are more segments and surveys than are counted (`segments.most`).

Each partition of segments has its share of that number. There is one incident for all of them, since they are full for
the same reason. It is opened when an answer was left out in any of them, and it is over when there has been room in all
of them for a day: at most nine tenths of each share were used, and no answer was left out. In between nothing is
reported, so that a tree which is full, loses some segments and is full again does not send a mail each time.
"""

from collections.abc import Mapping

import msgspec

from schemas.alert import Severity
from schemas.incident import IncidentAction, IncidentReason
from worker.detect.watch import OpenIncident
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.nps.usage import LeftOut, Usage

#: In hours: for so long there must be room, and so old may an answer that was left out be to open an incident.
_DAY = 24
#: There is room in a partition that uses at most so much of its share.
_ROOM = 0.9


class TooMany(msgspec.Struct, array_like=True, frozen=True):
    """What is known of there being too many segments. Hours are counted since 1970."""

    #: The incident, while it is open.
    open_incident: OpenIncident | None = None
    #: The hour since which there has been room; 0 if there is none.
    room_since: int = 0
    #: The hour of the last left-out answer that a rebuild knows of: only later ones open an incident.
    until: int = 0


def judge(
    known: TooMany, usages: Mapping[int, Usage], partitions: int, hour: int, now: int
) -> tuple[TooMany, list[Output]]:
    """Return what is known as of an hour, and what is to be reported; `now`: the tick's Kafka time, in ms.

    `usages`: by partition. One that has not said how many segments it has may be full.
    """
    usages = {partition: usages[partition] for partition in range(partitions) if partition in usages}
    if known.open_incident is None:
        return _opened(known, usages, hour, now)
    last = _last(usages)
    is_roomy = len(usages) == partitions and all(each.segments <= _ROOM * each.most for each in usages.values())
    if not is_roomy:
        return TooMany(known.open_incident), []
    since = max(known.room_since or hour, last + 1)
    if hour - since < _DAY:
        return TooMany(known.open_incident, since), []
    return TooMany(), [_step(known.open_incident, usages, None, IncidentAction.RESOLVED, now)]


def held(known: TooMany, usages: Mapping[int, Usage], opened: OpenIncident | None) -> TooMany:
    """Return what is known if receivers believe this incident to be open (None: no incident), whatever was found."""
    if opened is not None:
        return TooMany(opened, known.room_since if known.open_incident == opened else 0)
    return known if known.open_incident is None else TooMany(until=_last(usages))


def _opened(known: TooMany, usages: Mapping[int, Usage], hour: int, now: int) -> tuple[TooMany, list[Output]]:
    new = [
        each.left_out
        for each in usages.values()
        if each.left_out is not None and each.left_out.hour > max(known.until, hour - _DAY)
    ]
    if not new:
        return known, []
    first = min(new, key=lambda left_out: (left_out.hour, left_out.path))
    opened = OpenIncident(hour, first.hour, Severity.ERROR)
    return TooMany(opened), [_step(opened, usages, first, IncidentAction.OPENED, now)]


def _step(
    opened: OpenIncident, usages: Mapping[int, Usage], example: LeftOut | None, action: IncidentAction, now: int
) -> Output:
    segments, most = (sum(numbers) for numbers in zip(*((u.segments, u.most) for u in usages.values()), strict=True))
    reason = IncidentReason.LEFT_OUT if action is IncidentAction.OPENED else IncidentReason.ROOM_AGAIN
    return incident.too_many(opened, segments, most, None if example is None else example.path, action, reason, now)


def _last(usages: Mapping[int, Usage]) -> int:
    """Return the hour in which an answer was last left out; 0 if none was."""
    return max((each.left_out.hour for each in usages.values() if each.left_out is not None), default=0)
