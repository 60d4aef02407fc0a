"""What a tick's judgement of the tree comes to: incidents that open and are resolved, and gaming flags.

When a segment's detector raises an alarm, the incident is about the deepest segment that explains the drop
(worker/detect/culprits.py). As long as this incident is open, the alarms of that segment's ancestors are held back. A
drop below an open incident is not reported either, unless it is worse: when a country has fallen, so has everything
below it. When an incident is over, the detectors whose alarms were held back for it start again.

Segments are looked at in slices, since there may be many (watching.py).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from schemas.alert import Severity
from schemas.incident import IncidentAction, IncidentReason
from worker.detect.culprits import Split, deepest, fell_further, is_little, without
from worker.detect.drops import NO_PRIOR
from worker.detect.jumps import jump
from worker.detect.likeness import likeness
from worker.detect.silences import is_silent, missed
from worker.detect.watch import KEPT, OpenIncident, Watch
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.flow.incidents.slices import Slices
from worker.flow.lineage import SEPARATOR, lineage, parent_of, survey_of
from worker.flow.messages import gaming_flag
from worker.flow.policy import IncidentPolicy
from worker.nps.jump import Jump

_DAY = 24
#: What follows the separator: paths below a segment are, in their order, from the one to the other.
_AFTER_SEPARATOR = chr(ord(SEPARATOR) + 1)


class Watches(Protocol):
    """What is judged."""

    def all(self) -> dict[str, Watch]:
        """Return every segment's watch, by path and in its order."""

    def put(self, path: str, watch: Watch | None) -> None:
        """Note that one has changed; None: that it is not watched any more."""


class Judge:
    """Judges the tree as of an hour, all answers before which are known.

    `last`: the hour as of which it was judged before; `now`: the tick's Kafka time, in ms; `owner`: says in which
    partition a segment is; `outputs`: the incidents to report, once it has judged.
    """

    def __init__(
        self, watches: Watches, last: int, hour: int, now: int, owner: Callable[[bytes], int], policy: IncidentPolicy
    ) -> None:
        self._kept = watches
        self._watches = watches.all()
        self._segments: list[str] = []
        self._last = last
        self._hour = hour
        self._now = now
        self._owner = owner
        self._policy = policy
        self.outputs: list[Output] = []
        self._threshold = 0
        self._below: dict[str, list[str]] = {}

    def judge(self, slices: Slices) -> Iterator[None]:
        """Find what is to be reported, and change the watches accordingly; stop after each full slice."""
        yield from self._look_round(slices)
        yield from self._end_drops(slices)
        yield from self._find_drops(slices)
        yield from self._end_silences(slices)
        yield from self._find_silences(slices)
        if self._hour // _DAY > self._last // _DAY:
            yield from self._flag_jumps(slices)
        yield from self._compare_siblings(slices)
        yield from self._forget(slices)

    def children(self, path: str) -> Iterable[str]:
        """Return the segments right below one that have a level of their own."""
        return [child for child in self._below.get(path, []) if self._watches[child].detector.is_learned(NO_PRIOR)]

    def split(self, path: str, hour: int) -> Split:
        """Return a segment's answers before an hour, and since."""
        return Split(*self._watches[path].split(hour))

    def _look_round(self, slices: Slices) -> Iterator[None]:
        """Find out which segments there are, without the surveys, and which lie right below which."""
        for path in self._watches:
            if slices.is_full():
                yield
            if survey_of(path) is not None:
                continue
            self._segments.append(path)
            if (above := parent_of(path)) is not None:
                self._below.setdefault(above, []).append(path)
        self._threshold = self._policy.answers_per_false_alarm * len(self._segments)

    def _end_drops(self, slices: Slices) -> Iterator[None]:
        for path in self._segments:
            if slices.is_full():
                yield
            watch = self._watches[path]
            recovered = watch.detector.has_recovered
            if not recovered and not watch.detector.has_settled(self._hour):
                continue
            if watch.drop is not None:
                reason = IncidentReason.RECOVERED if recovered else IncidentReason.NEW_LEVEL
                self._report_drop(path, watch.drop, IncidentAction.RESOLVED, reason)
                held = [*watch.drop.explains, *self._all_below(path)]
                yield from self._begin_anew(held, slices, recovered=recovered)
                watch.drop = None
                watch.rests_until = self._hour + self._policy.rest_hours
            watch.detector.restart(recovered=recovered)
            self._kept.put(path, watch)

    def _begin_anew(self, held: Iterable[str], slices: Slices, *, recovered: bool) -> Iterator[None]:
        """Let the segments begin anew whose alarms were held back, or would have been, for an incident that is over."""
        for path in held:
            watch = self._watches.get(path)
            if watch is not None and watch.drop is None:
                watch.detector.restart(recovered=recovered)
                self._kept.put(path, watch)
            if slices.is_full():
                yield

    def _find_drops(self, slices: Slices) -> Iterator[None]:
        found: dict[str, list[str]] = {}
        yield from self._explain(found, slices)
        for culprit, alarmed in sorted(found.items()):
            if slices.is_full():
                yield
            watch, detector = self._watches[culprit], self._watches[culprit].detector
            since = detector.likely_start or self._watches[alarmed[0]].detector.likely_start
            if watch.drop is None and watch.rests_until <= self._hour and not self._is_reported_above(culprit, since):
                severity = incident.severity_of(self.split(culprit, since))
                watch.drop = OpenIncident(self._hour, since, severity, [path for path in alarmed if path != culprit])
                detector.open_drop()
                self._kept.put(culprit, watch)
                self._report_drop(culprit, watch.drop, IncidentAction.OPENED, IncidentReason.NPS_FELL)

    def _explain(self, found: dict[str, list[str]], slices: Slices) -> Iterator[None]:
        """Enter the segments that explain alarms into `found`, and whose alarms each explains."""
        for path in self._segments:
            detector = self._watches[path].detector
            if detector.has_dropped(self._threshold) and not self._is_explained_below(path):
                for culprit in deepest(path, detector.likely_start, self):
                    found.setdefault(culprit, []).append(path)
                # Looking for it may take as long as a slice of segments that are as usual.
                yield
            elif slices.is_full():
                yield

    def _is_explained_below(self, path: str) -> bool:
        """Say whether open incidents below a segment explain its alarm."""
        drops = [(below, drop) for below in self._all_below(path) if (drop := self._watches[below].drop) is not None]
        if any(path in drop.explains for _, drop in drops):
            return True
        if not drops:
            return False
        since = min(self._watches[path].detector.likely_start, *(drop.since for _, drop in drops))
        whole = self.split(path, since)
        names = {below for below, _ in drops}
        uppermost = [below for below, _ in drops if names.isdisjoint(lineage(below)[1:])]
        if not is_little(without(whole, [self.split(below, since) for below in uppermost]), whole):
            return False
        below, drop = drops[0]
        self._watches[below].drop = OpenIncident(drop.hour, drop.since, drop.severity, [*drop.explains, path])
        self._kept.put(below, self._watches[below])
        return True

    def _all_below(self, path: str) -> list[str]:
        return _below(path, self._segments)

    def _is_reported_above(self, path: str, since: int) -> bool:
        """Say whether the nearest ancestor's open incident says all of it."""
        for ancestor in lineage(path)[1:]:
            drop = self._watches[ancestor].drop if ancestor in self._watches else None
            if drop is not None:
                since = max(since, drop.since)
                return not fell_further(self.split(path, since), self.split(ancestor, since))
        return False

    def _report_drop(self, path: str, opened: OpenIncident, action: IncidentAction, reason: IncidentReason) -> None:
        split = self.split(path, opened.since)
        if reason is IncidentReason.RECOVERED:
            split = Split(split.before, self.split(path, self._watches[path].detector.recovering_since or opened.since).after)
        self.outputs.append(incident.drop(path, opened, split, action, reason, self._now))

    def _end_silences(self, slices: Slices) -> Iterator[None]:
        for path, watch in self._watches.items():
            if slices.is_full():
                yield
            if watch.silence is None or (watch.last_hour == watch.silence.since and not self._is_forgotten(watch)):
                continue
            again = watch.last_hour != watch.silence.since
            reason = IncidentReason.ANSWERED_AGAIN if again else IncidentReason.RETIRED
            resolved = IncidentAction.RESOLVED
            self.outputs.append(incident.silence(path, watch.silence, None, resolved, reason, self._now))
            watch.silence = None
            self._kept.put(path, watch)

    def _find_silences(self, slices: Slices) -> Iterator[None]:
        for path, watch in self._watches.items():
            if slices.is_full():
                yield
            parent = self._parent(path)
            if watch.silence is None and not self._is_forgotten(watch) and is_silent(watch, parent, self._hour):
                watch.silence = OpenIncident(self._hour, watch.last_hour, Severity.ERROR)
                expected = missed(watch, parent, self._hour)
                opened, reason = IncidentAction.OPENED, IncidentReason.SILENT
                self.outputs.append(incident.silence(path, watch.silence, expected, opened, reason, self._now))
                self._kept.put(path, watch)

    def _flag_jumps(self, slices: Slices) -> Iterator[None]:
        """Flag the deepest segments in which alone promoters have risen; take the flag back where this is over."""
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
                self._kept.put(path, watch)
                self.outputs.append(gaming_flag.output(path, flagged, self._owner(path.encode())))

    def _compare_siblings(self, slices: Slices) -> Iterator[None]:
        for path, children in self._below.items():
            watch = self._watches.get(path)
            alike = likeness([self._watches[child].detector.baseline for child in children])
            if watch is not None and watch.likeness != alike:
                watch.likeness = alike
                self._kept.put(path, watch)
            if slices.is_full(1 + len(children)):
                yield

    def _forget(self, slices: Slices) -> Iterator[None]:
        for path, watch in self._watches.items():
            if slices.is_full():
                yield
            if self._is_forgotten(watch) and watch.drop is None:
                self._kept.put(path, None)

    def _is_forgotten(self, watch: Watch) -> bool:
        return self._hour - watch.last_hour > KEPT

    def _parent(self, path: str) -> Watch | None:
        above = parent_of(path)
        return None if above is None else self._watches.get(above)


def _below(path: str, among: Sequence[str]) -> list[str]:
    """Return the segments below one, among others that are in order."""
    if not path:
        return [other for other in among if other]
    first = bisect_left(among, path + SEPARATOR)
    return list(among[first : bisect_left(among, path + _AFTER_SEPARATOR, first)])
