"""The tree is judged at each tick: incidents open and are resolved, and gaming flags are set and taken back.

When a segment's detector raises an alarm, the incident is about the deepest segment that explains the drop
(worker/detect/culprits.py). While this incident is open, the alarms of that segment's ancestors are suppressed. A drop
below an open incident is not reported either, unless it is worse: when a country has fallen, so has everything below
it. When an incident is over, the detectors whose alarms were suppressed restart.

Segments are judged in slices, since there may be many (road.py).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from schemas.alert import Severity
from schemas.incident import IncidentReason
from worker.detect.culprits import Split, deepest, fell_further, is_little, without
from worker.detect.drops import NO_PRIOR
from worker.detect.jumps import jump
from worker.detect.likeness import likeness
from worker.detect.silences import is_silent, missed, noted
from worker.detect.sizes import fall_of_level
from worker.detect.watch import KEPT, OpenIncident, Watch
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.flow.incidents.slices import Slices
from worker.flow.messages import gaming_flag
from worker.flow.policy import IncidentPolicy
from worker.lineage import SEPARATOR, is_segment, lineage, parent_of
from worker.nps.jump import Jump

#: A year in days.
_YEAR = 365
_DAY = 24
#: The character after the separator. In sorted order, the paths below a segment lie between the segment's path followed
#: by the separator, and the path followed by this character.
_AFTER_SEPARATOR = chr(ord(SEPARATOR) + 1)


class Watches(Protocol):
    """The watches that are judged, and the table that keeps them."""

    def all(self) -> dict[str, Watch]:
        """Return every segment's watch by its path, in the order of the paths."""

    def put(self, path: str, watch: Watch | None) -> None:
        """Note that a watch has changed; None: that the segment is not watched any more."""


class Judge:
    """Judges the tree as of an hour. All answers before that hour must be known.

    `previous_hour`: as of which the tree was last judged; `hour`: as of which it is judged now, both counted since
    1970; `now`: the tick's Kafka time, in ms; `owner`: returns the partition of a segment by its key; `outputs`: the
    events to send, once the tree is judged.
    """

    def __init__(
        self,
        watches: Watches,
        previous_hour: int,
        hour: int,
        now: int,
        owner: Callable[[bytes], int],
        policy: IncidentPolicy,
    ) -> None:
        self._table = watches
        self._watches = watches.all()
        #: The paths of all segments, in their order, without the surveys and the sources.
        self._segments: list[str] = []
        self._previous_hour = previous_hour
        self._hour = hour
        self._now = now
        self._owner = owner
        self._policy = policy
        self.outputs: list[Output] = []
        #: The mean number of days between two false alarms of a segment.
        self._threshold = 0.0
        #: The segments directly below each segment.
        self._children: dict[str, list[str]] = {}

    def judge(self, slices: Slices) -> Iterator[None]:
        """Judge the tree: make the events, and change the watches accordingly. Yield after each full slice."""
        yield from self._list_segments(slices)
        yield from self._end_drops(slices)
        yield from self._find_drops(slices)
        yield from self._end_silences(slices)
        yield from self._find_silences(slices)
        if self._hour // _DAY > self._previous_hour // _DAY:
            yield from self._flag_jumps(slices)
        yield from self._compare_siblings(slices)
        yield from self._forget(slices)

    def children(self, path: str) -> Iterable[str]:
        """Return the segments directly below one that have a baseline of their own."""
        return [child for child in self._children.get(path, []) if self._watches[child].detector.is_learned(NO_PRIOR)]

    def split(self, path: str, hour: int) -> Split:
        """Return a segment's answers before an hour, counted since 1970, and from that hour on."""
        return Split(*self._watches[path].split(hour))

    def _list_segments(self, slices: Slices) -> Iterator[None]:
        """List the segments without the surveys and the sources, and the children of each."""
        for path in self._watches:
            if slices.is_full():
                yield
            if not is_segment(path):
                continue
            self._segments.append(path)
            if (above := parent_of(path)) is not None:
                self._children.setdefault(above, []).append(path)
        # The false alarms of a year are shared out among the segments in which a drop can be found.
        judged = sum(self._watches[path].detector.is_learned(NO_PRIOR) for path in self._segments)
        self._threshold = _YEAR * max(judged, 1) / self._policy.false_alarms_per_year

    def _end_drops(self, slices: Slices) -> Iterator[None]:
        """Resolve the drops that are over, and restart the detectors of levels that are new, or as they used to be."""
        for path in self._segments:
            if slices.is_full():
                yield
            watch = self._watches[path]
            if watch.detector.has_dropped(self._threshold):
                self._pass_over_return(path, watch)
            recovered = watch.detector.has_recovered
            if not recovered and not watch.detector.has_settled(self._hour):
                continue
            if watch.drop is None:
                watch.detector.restart(recovered=recovered)
            else:
                reason = IncidentReason.RECOVERED if recovered else IncidentReason.NEW_LEVEL
                self._report_drop(path, watch.drop, reason)
                suppressed = [*watch.drop.explains, *self._all_below(path)]
                yield from self._restart(suppressed, watch.drop.since, slices, recovered=recovered)
                watch.end_drop(watch.drop.since, self._hour, recovered=recovered)
                watch.drop = None
                watch.rests_until = self._hour + self._policy.rest_hours
            self._table.put(path, watch)

    def _pass_over_return(self, path: str, watch: Watch) -> None:
        """Restart a detector that has found a drop which is only the return to a level of before."""
        level = watch.level_before_rise(self._policy.least_points)
        if level is not None:
            watch.detector.return_to(level.points, level.answers)
            self._table.put(path, watch)

    def _restart(self, suppressed: Iterable[str], since: int, slices: Slices, *, recovered: bool) -> Iterator[None]:
        """Restart the detectors whose alarms an incident that is over has suppressed, or would have suppressed.

        `since`: the hour in which the incident's drop began.
        """
        for path in suppressed:
            watch = self._watches.get(path)
            if watch is not None and watch.drop is None:
                watch.end_drop(since, self._hour, recovered=recovered)
                self._table.put(path, watch)
            if slices.is_full():
                yield

    def _find_drops(self, slices: Slices) -> Iterator[None]:
        """Open incidents about the segments that explain the alarms."""
        alarms: dict[str, list[str]] = {}
        yield from self._explain_alarms(alarms, slices)
        for culprit, alarmed in sorted(alarms.items()):
            if slices.is_full():
                yield
            watch, detector = self._watches[culprit], self._watches[culprit].detector
            since = detector.likely_start or self._watches[alarmed[0]].detector.likely_start
            if watch.drop is None and watch.rests_until <= self._hour and not self._is_reported_above(culprit, since):
                severity = incident.severity_of(fall_of_level(watch.groups()))
                watch.drop = OpenIncident(self._hour, since, severity, [path for path in alarmed if path != culprit])
                detector.open_drop(self.split(culprit, since).after)
                self._table.put(culprit, watch)
                self._report_drop(culprit, watch.drop, IncidentReason.NPS_FELL)

    def _explain_alarms(self, alarms: dict[str, list[str]], slices: Slices) -> Iterator[None]:
        """Enter into `alarms`, for each segment that explains alarms, the segments that raised them."""
        for path in self._segments:
            detector = self._watches[path].detector
            if detector.has_dropped(self._threshold) and not self._is_explained_below(path):
                for culprit in deepest(path, detector.likely_start, self):
                    alarms.setdefault(culprit, []).append(path)
                # This search may take as long as a whole slice of segments without an alarm.
                yield
            elif slices.is_full():
                yield

    def _is_explained_below(self, path: str) -> bool:
        """Say whether open incidents below a segment explain its alarm. If so, note that in one of them."""
        drops = [(below, drop) for below in self._all_below(path) if (drop := self._watches[below].drop) is not None]
        if any(path in drop.explains for _, drop in drops):
            return True
        if not drops:
            return False
        since = min(self._watches[path].detector.likely_start, *(drop.since for _, drop in drops))
        segment = self.split(path, since)
        dropped = {below for below, _ in drops}
        uppermost = [below for below, _ in drops if dropped.isdisjoint(lineage(below)[1:])]
        if not is_little(without(segment, [self.split(below, since) for below in uppermost]), segment):
            return False
        below, drop = drops[0]
        self._watches[below].drop = OpenIncident(drop.hour, drop.since, drop.severity, [*drop.explains, path])
        self._table.put(below, self._watches[below])
        return True

    def _all_below(self, path: str) -> list[str]:
        return _below(path, self._segments)

    def _is_reported_above(self, path: str, since: int) -> bool:
        """Say whether the open incident of the nearest ancestor that has one also covers this segment's drop.

        `since`: the hour in which the segment's drop began.
        """
        for ancestor in lineage(path)[1:]:
            drop = self._watches[ancestor].drop if ancestor in self._watches else None
            if drop is not None:
                since = max(since, drop.since)
                return not fell_further(self.split(path, since), self.split(ancestor, since))
        return False

    def _report_drop(self, path: str, drop: OpenIncident, reason: IncidentReason) -> None:
        split, size = self.split(path, drop.since), None
        if reason is IncidentReason.RECOVERED:
            better_since = self._watches[path].detector.recovering_since or drop.since
            split = Split(split.before, self.split(path, better_since).after)
        else:
            size = fall_of_level(self._watches[path].groups())
        self.outputs.append(incident.drop(incident.Step(path, drop, reason, self._now), split, size))

    def _end_silences(self, slices: Slices) -> Iterator[None]:
        """Take in the segments' rhythms. Resolve the silences of those that have answers again, or are forgotten."""
        for path, watch in self._watches.items():
            if slices.is_full():
                yield
            rhythm = noted(watch, self._parent(path), self._hour)
            if rhythm is not watch.rhythm:
                watch.rhythm = rhythm
                self._table.put(path, watch)
            if watch.silence is None or (watch.last_hour == watch.silence.since and not self._is_forgotten(watch)):
                continue
            is_answered = watch.last_hour != watch.silence.since
            reason = IncidentReason.ANSWERED_AGAIN if is_answered else IncidentReason.RETIRED
            self.outputs.append(incident.silence(incident.Step(path, watch.silence, reason, self._now)))
            watch.silence = None
            self._table.put(path, watch)

    def _find_silences(self, slices: Slices) -> Iterator[None]:
        """Open incidents about the segments that have become silent."""
        for path, watch in self._watches.items():
            if slices.is_full():
                yield
            parent = self._parent(path)
            if watch.silence is None and not self._is_forgotten(watch) and is_silent(watch, parent, self._hour):
                watch.silence = OpenIncident(self._hour, watch.last_hour, Severity.ERROR)
                step = incident.Step(path, watch.silence, IncidentReason.SILENT, self._now)
                self.outputs.append(incident.silence(step, missed(watch, parent, self._hour)))
                self._table.put(path, watch)

    def _flag_jumps(self, slices: Slices) -> Iterator[None]:
        """Flag the segments whose promoters alone have risen, the deepest ones only; take back flags that are over."""
        found: dict[str, Jump] = {}
        for path in self._segments:
            parent = self._parent(path)
            if parent is not None and (jumped := jump(self._watches[path], parent, self._hour // _DAY * _DAY)):
                found[path] = jumped
            if slices.is_full():
                yield
        jumping = list(found)
        for path in self._segments:
            if slices.is_full():
                yield
            watch = self._watches[path]
            flagged = None if _below(path, jumping) else found.get(path)
            if flagged != watch.jump:
                watch.jump = flagged
                self._table.put(path, watch)
                self.outputs.append(gaming_flag.output(path, flagged, self._owner(path.encode())))

    def _compare_siblings(self, slices: Slices) -> Iterator[None]:
        """Note in each watch how alike the segments below it are."""
        for path, children in self._children.items():
            watch = self._watches.get(path)
            found = likeness([self._watches[child].detector.baseline for child in children])
            if watch is not None and watch.likeness != found:
                watch.likeness = found
                self._table.put(path, watch)
            if slices.is_full(1 + len(children)):
                yield

    def _forget(self, slices: Slices) -> Iterator[None]:
        """Stop watching the segments that have had no answers for a long time."""
        for path, watch in self._watches.items():
            if slices.is_full():
                yield
            if self._is_forgotten(watch) and watch.drop is None:
                self._table.put(path, None)

    def _is_forgotten(self, watch: Watch) -> bool:
        return self._hour - watch.last_hour > KEPT

    def _parent(self, path: str) -> Watch | None:
        above = parent_of(path)
        return None if above is None else self._watches.get(above)


def _below(path: str, among: Sequence[str]) -> list[str]:
    """Return the segments below one; `among`: the paths to choose from, in their order."""
    if not path:
        return [other for other in among if other]
    first = bisect_left(among, path + SEPARATOR)
    return list(among[first : bisect_left(among, path + _AFTER_SEPARATOR, first)])
