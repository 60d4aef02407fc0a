"""The open incidents about drops: which segments each of them is about, and how they change while they are open.

There is one incident for each cause. It is kept in the watch of the segment that it is about. If more becomes known, it
moves to a segment above (`wider`) or below (`deeper`), or further segments join it. Its id and its key stay those of
the segment that it was opened about.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from schemas.alert import Severity
from schemas.incident import IncidentReason
from worker.detect.watch import OpenIncident, Watch
from worker.lineage import is_below, parent_of
from worker.routing.matching import RANK

_DAY = 24
#: Falls that began within this many hours of each other began at about the same time. The beginning is an estimate,
#: which chance moves by some days in a small segment.
_SAME_TIME = 3 * _DAY
#: An incident changes at most once in this many hours, so that nobody gets more than one update of it a day.
_UPDATE = _DAY


class Table(Protocol):
    """The table that keeps the watches."""

    def put(self, path: str, watch: Watch | None) -> None:
        """Note that a watch has changed."""


class Merged(NamedTuple):
    """An incident that has become part of another one."""

    #: The segment that it was about.
    path: str
    drop: OpenIncident
    #: The first segment and the hour of the other one. They stay the same, wherever it moves.
    into: tuple[str, int]


class OpenDrops:
    """The open incidents about drops, as of an hour, and the steps of these incidents that have to be reported.

    `table`: of the watches; `watches`: all of them, by path; `hour`: counted since 1970.
    """

    def __init__(self, table: Table, watches: Mapping[str, Watch], hour: int) -> None:
        self._table = table
        self._watches = watches
        self._hour = hour
        # The segments that incidents are about, and for each of them the segment whose watch has the incident.
        self._places: dict[str, str] = {}
        #: Why a step has to be reported, by the segment that the incident is about.
        self.steps: dict[str, IncidentReason] = {}
        #: The incidents that are now part of another one, and whose ends have to be reported.
        self.merged: list[Merged] = []

    def note(self, path: str, drop: OpenIncident) -> None:
        """Note an open incident. `path`: the segment whose watch has it."""
        for segment in (path, *drop.also):
            self._places.setdefault(segment, path)

    def place_of(self, path: str) -> str | None:
        """Return the segment whose watch has the incident that is about a segment; None if there is none."""
        return self._places.get(path)

    def at(self, path: str) -> OpenIncident | None:
        """Return the open incident that is about a segment, perhaps among others; None if there is none."""
        place = self._places.get(path)
        return None if place is None else self._watches[place].drop

    def all(self) -> list[tuple[str, OpenIncident]]:
        """Return all open incidents, each with the segment that it is about, in the order of these segments."""
        places = sorted(set(self._places.values()))
        return [(place, drop) for place in places if (drop := self._watches[place].drop) is not None]

    def segments(self) -> list[str]:
        """Return the segments that open incidents are about, in their order."""
        return sorted(self._places)

    def is_current(self, place: str, drop: OpenIncident) -> bool:
        """Say whether an incident is still as it was, in the watch of the same segment."""
        return self._watches[place].drop is drop

    def below(self, path: str) -> list[str]:
        """Return the segments below one that incidents are about, in their order."""
        return sorted(place for place in self._places if place != path and is_below(place, path))

    def may_change(self, drop: OpenIncident) -> bool:
        """Say whether an incident may change now. One that is opened now may."""
        return drop.hour == self._hour or not drop.updated or self._hour - drop.updated >= _UPDATE

    def open(self, path: str, drop: OpenIncident) -> None:
        """Open an incident."""
        self._open_detector(path, drop.since, drop.hour)
        self._keep(path, drop)
        self.steps[path] = _opening(drop)

    def explain(self, path: str, alarmed: str) -> None:
        """Note that the incident about a segment explains the alarm of another one."""
        place, drop = self._places[path], self.at(path)
        if drop is not None and alarmed not in drop.explains and self._places.get(alarmed) != place:
            self._keep(place, replace(drop, explains=[*drop.explains, alarmed]))

    def begun_with(self, path: str, since: int) -> list[tuple[str, OpenIncident]]:
        """Return the incidents below a segment that began at about the same time as its fall, the oldest first."""
        found = [(place, drop) for place, drop in self.all() if place != path and is_below(place, path)]
        same = [(place, drop) for place, drop in found if _is_same_time(drop.since, since)]
        return sorted(same, key=lambda each: (each[1].hour, each[0]))

    def begun_at_other_times(self, path: str, since: int) -> set[str]:
        """Return the segments of incidents which did not begin together with the fall of a segment."""
        return {
            segment
            for place, drop in self.all()
            if not _is_same_time(drop.since, since)
            for segment in (place, *drop.also)
            if not is_below(path, segment)
        }

    def sibling(self, path: str, since: int) -> str | None:
        """Return the segment of an incident about siblings of a segment whose falls began at about the same time."""
        above = parent_of(path)
        return next(
            (
                place
                for place, drop in self.all()
                if _is_same_time(drop.since, since) and any(parent_of(one) == above for one in (place, *drop.also))
            ),
            None,
        )

    def join(self, place: str, path: str, severity: Severity, *, is_mix: bool) -> None:
        """Let an incident be about a further segment as well. `is_mix`: whether only the mix of its answers changed."""
        drop = self._watches[place].drop
        if drop is not None:
            self._open_detector(path, drop.since, drop.hour)
            joined = replace(drop, also=[*drop.also, path], severity=_severer(drop.severity, severity))
            if drop.hour == self._hour:  # its opening says what is true of all its segments
                joined = replace(joined, is_mix=drop.is_mix and is_mix)
            self._keep(place, self._as_updated(joined))
            self._table.put(path, self._watches[path])
            self._note_step(place, joined, IncidentReason.WIDER)

    def widen(self, path: str, below: Iterable[tuple[str, OpenIncident]], severity: Severity, since: int) -> None:
        """Let the first of some incidents below a segment be about this segment. The others become part of it."""
        (place, first), *others = below
        parts = list(first.merged)
        for other, drop in others:
            self._drop(other)
            severity = _severer(severity, drop.severity)
            if drop.hour != self._hour:  # otherwise nothing has been reported about it yet
                self.merged.append(Merged(other, drop, _identity(place, first)))
                parts += [one for one in (other, *drop.also, *drop.merged) if one not in parts]
        self._watches[place].drop = replace(first, merged=parts)
        self.move(place, path, [], IncidentReason.WIDER, severity, since)

    def other_incident(self, merged: Merged) -> tuple[str, OpenIncident] | None:
        """Return the open incident that one is part of now, with its segment; None if it is over already."""
        into = {_identity(one.path, one.drop): one.into for one in self.merged}
        found = merged.into
        while found in into:
            found = into[found]
        return next((each for each in self.all() if _identity(*each) == found), None)

    def move(
        self, place: str, path: str, also: list[str], reason: IncidentReason, severity: Severity, since: int
    ) -> None:
        """Let an incident be about other segments. `also`: those besides the first one; `since`: when this one fell."""
        drop = self._watches[place].drop
        if drop is None:
            return
        self._drop(place)
        for segment in (path, *also):
            if self._watches[segment].detector.open_size is None:
                self._open_detector(segment, since, drop.hour)
                self._table.put(segment, self._watches[segment])
        above = [] if is_below(place, path) else [place]
        moved = replace(
            drop,
            first_segment=drop.opened_about(place),
            since=min(drop.since, since),
            severity=_severer(drop.severity, severity),
            explains=[one for one in (*drop.explains, *above) if one != path and is_below(path, one)],
            also=also,
            is_mix=False,
        )
        if drop.hour == self._hour:  # nothing has been reported about it yet
            moved = replace(moved, first_segment=None)
        self._keep(path, self._as_updated(moved))
        self._note_step(path, moved, reason)

    def worsen(self, place: str, drop: OpenIncident, severity: Severity) -> None:
        """Say that the drop of an incident has become worse. Its severity rises if the given one is higher."""
        worse = replace(drop, severity=_severer(drop.severity, severity))
        self._keep(place, self._as_updated(worse))
        self._note_step(place, worse, IncidentReason.WORSE)

    def explain_by_mix(self, place: str, drop: OpenIncident) -> None:
        """Say that the mix of the answers explains an incident, which was opened as a fall. It is a warning then."""
        mixed = replace(drop, severity=Severity.WARNING, is_mix=True)
        self._keep(place, self._as_updated(mixed))
        self._note_step(place, mixed, IncidentReason.MIX_CHANGED)

    def leave(self, path: str) -> None:
        """Let an incident no longer be about a segment which has recovered, and which is not its first one."""
        place, drop = self._places.pop(path, None), None
        if place is not None and place != path:
            drop = self._watches[place].drop
        if place is not None and drop is not None:
            self._keep(place, replace(drop, also=[one for one in drop.also if one != path]))

    def end(self, path: str) -> None:
        """Note that the incident of a segment's watch is over."""
        self._drop(path)

    def _open_detector(self, path: str, since: int, hour: int) -> None:
        """Let a segment's detector know that its drop was reported, and what was answered since the drop began.

        `since`: the hour in which the drop began; `hour`: in which the incident was opened.
        """
        watch = self._watches[path]
        watch.detector.open_drop(watch.split(since)[1], hour)

    def _drop(self, place: str) -> None:
        self._watches[place].drop = None
        self.steps.pop(place, None)
        self._table.put(place, self._watches[place])
        self._places = {segment: one for segment, one in self._places.items() if one != place}

    def _keep(self, path: str, drop: OpenIncident) -> None:
        """Keep an incident in the watch of a segment, which must not have another one: that would never end."""
        kept = self._watches[path].drop
        if kept is not None and _identity(path, kept) != _identity(path, drop):
            raise ValueError(f"two incidents about one segment, opened in the hours {kept.hour} and {drop.hour}")
        self._watches[path].drop = drop
        self._table.put(path, self._watches[path])
        self.note(path, drop)

    def _as_updated(self, drop: OpenIncident) -> OpenIncident:
        return drop if drop.hour == self._hour else replace(drop, updated=self._hour)

    def _note_step(self, path: str, drop: OpenIncident, reason: IncidentReason) -> None:
        """Note the step to report. Whatever happens to an incident in the hour in which it is opened, it is opened."""
        self.steps[path] = _opening(drop) if drop.hour == self._hour else reason


def _identity(path: str, drop: OpenIncident) -> tuple[str, int]:
    """Return the first segment and the hour of an incident, of which its id is made."""
    return drop.opened_about(path), drop.hour


def _opening(drop: OpenIncident) -> IncidentReason:
    """Return why an incident is opened."""
    return IncidentReason.MIX_CHANGED if drop.is_mix else IncidentReason.NPS_FELL


def _is_same_time(one: int, other: int) -> bool:
    return abs(one - other) <= _SAME_TIME


def _severer(one: Severity, other: Severity) -> Severity:
    return max(one, other, key=RANK.__getitem__)
