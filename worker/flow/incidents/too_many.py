"""The incident that says that there are more segments and surveys than are counted (`segments.most`).

Each partition of segments has a share of that number. There is one incident for all partitions, since they are full for
the same reason. It is opened when an answer was left out in any partition. It is over when there has been room in all
partitions for a day: at most nine tenths of each share were used, and no answer was left out. In between nothing is
reported. Otherwise a tree that is full, loses some segments and is full again would cause a mail each time.
"""

from collections.abc import Mapping

import msgspec

from schemas.alert import Severity
from schemas.incident import IncidentReason
from worker.detect.watch import OpenIncident
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.nps.usage import Usage

#: In hours: how long there must be room before the incident is over, and how old an answer that was left out may be to
#: open one.
_DAY = 24
#: There is room in a partition that uses at most this part of its share.
_ROOM = 0.9
#: The incident has no segment of its own, so it is about the root.
_ROOT = ""


class TooMany(msgspec.Struct, array_like=True, frozen=True):
    """Whether there are too many segments, as far as is known. Hours are counted since 1970."""

    #: The incident, while it is open.
    open_incident: OpenIncident | None = None
    #: The hour since which there has been room; 0 if there is none.
    room_since: int = 0
    #: The hour of the last left-out answer that a rebuild has found; 0 without a rebuild. Only later ones open an
    #: incident.
    until: int = 0


def judge(
    known: TooMany, usages: Mapping[int, Usage], partitions: int, hour: int, now: int
) -> tuple[TooMany, list[Output]]:
    """Return what is known as of an hour, and the events to send.

    `usages`: by partition; a partition without one may be full. `hour`: counted since 1970; `now`: the tick's Kafka
    time, in ms.
    """
    usages = {partition: usages[partition] for partition in range(partitions) if partition in usages}
    if known.open_incident is None:
        return _opened(known, usages, hour, now)
    last = _last_left_out(usages)
    is_room = len(usages) == partitions and all(each.segments <= _ROOM * each.most for each in usages.values())
    if not is_room:
        return TooMany(known.open_incident), []
    since = max(known.room_since or hour, last + 1)
    if hour - since < _DAY:
        return TooMany(known.open_incident, since), []
    step = incident.Step(_ROOT, known.open_incident, IncidentReason.ROOM_AGAIN, now)
    return TooMany(), [_event(step, usages)]


def as_reported(known: TooMany, usages: Mapping[int, Usage], reported: OpenIncident | None) -> TooMany:
    """Return what is known after a rebuild: the incident is open if and only if receivers believe so.

    `reported`: the incident that was reported as opened and not as resolved; None if there is none.
    """
    if reported is not None:
        return TooMany(reported, known.room_since if known.open_incident == reported else 0)
    return known if known.open_incident is None else TooMany(until=_last_left_out(usages))


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
    step = incident.Step(_ROOT, opened, IncidentReason.LEFT_OUT, now)
    return TooMany(opened), [_event(step, usages, first.path)]


def _event(step: incident.Step, usages: Mapping[int, Usage], example: str | None = None) -> Output:
    """Return the event of a step, with the numbers of all partitions."""
    segments = sum(usage.segments for usage in usages.values())
    most = sum(usage.most for usage in usages.values())
    return incident.too_many(step, segments, most, example)


def _last_left_out(usages: Mapping[int, Usage]) -> int:
    """Return the hour in which an answer was last left out; 0 if none was."""
    return max((each.left_out.hour for each in usages.values() if each.left_out is not None), default=0)
