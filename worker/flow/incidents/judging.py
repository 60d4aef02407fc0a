"""The tree is judged at each tick: incidents open and are resolved, and gaming flags are set and taken back.

When a segment's detector raises an alarm, the incident is about the segments that explain the drop best
(worker/detect/culprits.py). While this incident is open, the alarms of these segments' ancestors are suppressed. A drop
below an open incident is not reported either, unless it is worse: when a country has fallen, so has everything below
it. An alarm that has the same cause as an open incident changes this incident (open_drops.py), which is also looked at
again each day of its first two weeks. When an incident is over, the detectors whose alarms were suppressed restart
(restarting.py).

Segments are judged in slices, since there may be many (road.py).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from schemas.alert import Severity
from schemas.incident import IncidentReason
from worker.detect.culprits import better, deepest_of_hours, fell_further, is_little
from worker.detect.drops import NO_PRIOR, Detector, Prior
from worker.detect.jumps import jump
from worker.detect.likeness import likeness
from worker.detect.mix import Mix, fallen, mix_of
from worker.detect.silences import is_silent, missed, noted
from worker.detect.sizes import SizeOfChange
from worker.detect.split import Split, without
from worker.detect.watch import KEPT, OpenIncident, Watch
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.flow.incidents.open_drops import OpenDrops
from worker.flow.incidents.restarting import Ended, restart, suppressed_by, threshold
from worker.flow.incidents.slices import Slices
from worker.flow.messages import gaming_flag
from worker.flow.policy import IncidentPolicy
from worker.lineage import SEPARATOR, is_below, is_segment, lineage, parent_of
from worker.nps.interval import chance_of_drop
from worker.nps.jump import Jump
from worker.routing.matching import RANK

_DAY = 24
#: Of a drop whose parts have other causes, chance explains what is left if it makes such a drop more often than this.
_CHANCE = 0.001
#: For so many hours after it was opened, an incident may become wider or deeper. Later, too much else has happened.
_SETTLING = 14 * _DAY
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
        self._drops = OpenDrops(watches, self._watches, hour)
        #: The hours in which the further falls began by which incidents have become worse, by the segments that these
        #: are about. Of all others that have become worse, only the size is better known.
        self._further: dict[str, int] = {}

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
        """Return the segments directly below one."""
        return self._children.get(path, [])

    def split(self, path: str, hour: int) -> Split:
        """Return a segment's answers before an hour, counted since 1970, and from that hour on."""
        return Split(*self._watches[path].split(hour))

    def _list_segments(self, slices: Slices) -> Iterator[None]:
        """List the segments without the surveys and the sources, and the children of each."""
        priors, judged = dict[str, Prior](), 0
        for path in self._watches:
            if slices.is_full():
                yield
            if not is_segment(path):
                continue
            self._segments.append(path)
            if (drop := self._watches[path].drop) is not None:
                self._drops.note(path, drop)
                self._date(path, drop)
            prior = NO_PRIOR
            if (above := parent_of(path)) is not None:
                if (known := priors.get(above)) is None and (parent := self._watches.get(above)) is not None:
                    known = priors[above] = parent.prior()
                prior = known or NO_PRIOR
                self._children.setdefault(above, []).append(path)
            judged += self._watches[path].detector.is_learned(prior)
        self._threshold = threshold(judged, self._policy)

    def _date(self, path: str, drop: OpenIncident) -> None:
        """Let detectors whose rows an older version wrote know since when the drop of their incident is open."""
        for segment in (path, *drop.also):
            watch = self._watches[segment]
            if watch.detector.open_size is not None and not watch.detector.open_since:
                watch.detector.date_open_drop(drop.hour)
                self._table.put(segment, watch)

    def _end_drops(self, slices: Slices) -> Iterator[None]:
        """Resolve the drops that are over, and restart the detectors of levels that are new, or as they used to be."""
        for path in self._segments:
            if slices.is_full():
                yield
            watch = self._watches[path]
            if watch.detector.has_dropped(self._threshold):
                self._pass_over_return(path, watch)
            recovered = self._is_as_before(path)
            if not recovered and not self._has_settled(path):
                continue
            if (drop := watch.drop) is not None:
                if recovered and (left := [one for one in drop.also if not self._has_recovered(one)]):
                    if not self._drops.may_change(drop):
                        continue
                    self._drops.move(
                        path, left[0], left[1:], IncidentReason.PARTLY_RECOVERED, drop.severity, drop.since
                    )
                else:
                    self._report_drop(path, drop, IncidentReason.RECOVERED if recovered else IncidentReason.NEW_LEVEL)
                    self._drops.end(path)
                    ended = Ended(
                        drop.since,
                        (watch.detector.recovering_since or drop.since) if recovered else None,
                        self._hour,
                        suppressed_by(path, drop, self._all_below),
                        self._threshold,
                        self._policy.least_points,
                    )
                    yield from self._restart(ended, slices)
                watch.end_drop(drop.since, self._hour, recovered=recovered)
                watch.rests_until = self._hour + self._policy.rest_hours
            elif (drop := self._drops.at(path)) is not None:
                self._drops.leave(path)
                watch.end_drop(drop.since, self._hour, recovered=recovered)
            else:
                watch.detector.restart(None if recovered else watch.level_now())
            self._table.put(path, watch)

    def _has_settled(self, path: str) -> bool:
        """Say whether the lower level of a segment is its level now.

        The segments of an incident settle together: while one of them has fallen further lately, its level is unknown.
        """
        drop = self._drops.at(path)
        if drop is None:
            return self._watches[path].detector.has_settled(self._hour)
        detectors = [self._watches[one].detector for one in (path, *drop.also)]
        is_settled = all(one.open_size is None or one.has_settled(self._hour) for one in detectors)
        return self._watches[path].drop is drop and is_settled

    def _pass_over_return(self, path: str, watch: Watch) -> None:
        """Restart a detector that has found a drop which is only the return to a level of before."""
        level = watch.level_before_rise(self._policy.least_points)
        if level is not None:
            watch.detector.return_to(level.points, level.answers)
            self._table.put(path, watch)

    def _has_recovered(self, path: str) -> bool:
        """Say whether a segment of an open incident has recovered, now or before."""
        detector = self._watches[path].detector
        return detector.open_size is None or self._is_as_before(path)

    def _is_as_before(self, path: str) -> bool:
        """Say whether the open drop of a segment is over, and not only smaller than it was."""
        detector = self._watches[path].detector
        least = self._policy.least_points
        if detector.has_vanished and not detector.is_lower(detector.pending, least):
            return True
        # With many answers, some good hours would be enough. They show little about the level of the days to come.
        if not detector.has_recovered or self._hour - detector.recovering_since < _DAY:
            return False
        whole = self._since_better(path, detector)
        if detector.is_as_before(whole.after, least):
            return True
        # What a few segments below it are still low by is a drop of their own.
        parts = (self._since_better(child, detector) for child in self.children(path))
        low = [part for part in parts if fell_further(part, without(whole, [part]))]
        return bool(low) and detector.is_as_before(without(whole, low).after, least)

    def _since_better(self, path: str, detector: Detector) -> Split:
        """Return a segment's answers before a drop was reported, and since they are better, both by its detector."""
        before, _ = self.split(path, detector.open_since)
        return Split(before, self.split(path, detector.recovering_since).after)

    def _is_low(self, path: str, since: int) -> bool:
        """Say whether a segment's NPS since an hour is lower than usual by as much as the least drop."""
        return self._watches[path].detector.is_lower(self.split(path, since).after, self._policy.least_points)

    def _restart(self, ended: Ended, slices: Slices) -> Iterator[None]:
        """Restart the detectors whose alarms an incident that is over has suppressed, or would have suppressed."""
        for path in ended.suppressed:
            watch = self._watches.get(path)
            if watch is not None and self._drops.at(path) is None:
                parent = self._parent(path)
                restart(watch, NO_PRIOR if parent is None else parent.prior(), ended)
                self._table.put(path, watch)
            if slices.is_full():
                yield

    def _find_drops(self, slices: Slices) -> Iterator[None]:
        """Open and change the incidents about the segments that explain the alarms."""
        for path in self._segments:
            since = self._alarmed_since(path)
            if since is None:
                if slices.is_full():
                    yield
                continue
            if not self._is_reported_above(path, since) and not self._is_explained_below(path):
                self._explain(path, since)
            # This search may take as long as a whole slice of segments without an alarm.
            yield
        yield from self._find_further_falls(slices)
        if self._hour // _DAY > self._previous_hour // _DAY:
            for path, drop in self._drops.all():
                # A step of one incident may have changed another one since this list was made.
                if self._drops.is_current(path, drop):
                    self._look_again(path, drop)
                yield
        self._report_steps()

    def _alarmed_since(self, path: str) -> int | None:
        """Return the hour in which the drop began of which a segment raises an alarm; None if it raises none.

        A segment whose incident has moved to another one raises an alarm if it has fallen further.
        """
        detector = self._watches[path].detector
        if detector.has_dropped(self._threshold):
            return detector.likely_start if self._is_low(path, detector.likely_start) else None
        if detector.further is None or self._drops.at(path) is not None:
            return None
        is_further = detector.has_fallen_further(self._policy.least_points)
        return detector.further.likely_start if is_further else None

    def _find_further_falls(self, slices: Slices) -> Iterator[None]:
        """Let incidents about segments that have fallen further say so.

        Such a segment becomes the first one of its incident, since the figures of a step are those of the first one.
        If two have fallen further, the next update says so of the other one.
        """
        for path in self._drops.segments():
            if slices.is_full():
                yield
            place, drop, watch = self._drops.place_of(path), self._drops.at(path), self._watches[path]
            further = watch.detector.further
            if place is None or drop is None or further is None or not self._drops.may_change(drop):
                continue
            if not watch.detector.has_fallen_further(self._policy.least_points):
                continue
            is_mix = drop.is_mix and path == place
            began = further.likely_start
            severity = Severity.WARNING if is_mix else self._severity(path, began)
            watch.detector.fall_further(self.split(path, began).after, self._hour)
            self._table.put(path, watch)
            if drop.hour == self._hour:
                continue
            self._further[path] = began
            if path == place:
                self._drops.worsen(place, drop, severity)
            else:
                also = [place, *(one for one in drop.also if one != path)]
                self._drops.move(place, path, also, IncidentReason.WORSE, severity, drop.since)

    def _explain(self, path: str, since: int) -> None:
        """Open or change the incidents about the segments that explain a segment's alarm."""
        others = self._drops.begun_at_other_times(path, since)
        above = self._above(path)
        starts = [self._watches[one].detector.likely_start for one in above]
        hours = sorted({since, *(start for start in starts if start and abs(start - since) <= _SETTLING)})
        culprits, since = deepest_of_hours(path, hours, self, above, others)
        for culprit in culprits:
            if self._drops.at(culprit) is not None:
                self._drops.explain(culprit, path)
                continue
            began = self._began(culprit, since)
            if self._watches[culprit].rests_until > self._hour or self._is_reported_above(culprit, began):
                continue
            if not self._is_low(culprit, began):
                continue
            if self._is_left_by_chance(culprit, began, others):
                continue
            explains = [path] if culprit != path and is_below(culprit, path) else []
            below, sibling = self._drops.begun_with(culprit, began), self._drops.sibling(culprit, began)
            severity = self._severity(culprit, began)
            if below:
                if all(self._drops.may_change(drop) for _, drop in below):
                    self._drops.widen(culprit, below, severity, began)
            elif sibling is not None:
                drop = self._drops.at(sibling)
                if drop is not None and self._drops.may_change(drop):
                    self._drops.join(sibling, culprit, severity, is_mix=self._is_mix(culprit, began))
                    self._drops.explain(sibling, path)
            else:
                is_mix = self._is_mix(culprit, began)
                self._drops.open(culprit, OpenIncident(self._hour, began, severity, explains, is_mix=is_mix))

    def _is_left_by_chance(self, culprit: str, since: int, others: set[str]) -> bool:
        """Say whether chance explains what is left of a drop without those below it that have other causes."""
        parts = [other for other in others if is_below(other, culprit) and others.isdisjoint(lineage(other)[1:])]
        if not parts:
            return False
        left = without(self.split(culprit, since), [self.split(part, since) for part in sorted(parts)])
        return chance_of_drop(*left) > _CHANCE

    def _began(self, culprit: str, since: int) -> int:
        """Return the hour in which a culprit's drop began. `since`: the hour that the alarm's detector says."""
        own = self._watches[culprit].detector.likely_start
        return own if own and abs(own - since) <= 3 * _DAY else since

    def _above(self, path: str) -> list[str]:
        return [above for above in lineage(path)[1:] if above in self._watches]

    def _look_again(self, path: str, drop: OpenIncident) -> None:
        """Change an incident if other segments explain its drop clearly better by now, or if it has become worse."""
        if not self._drops.may_change(drop) or drop.hour == self._hour:
            return
        if self._hour - drop.hour <= _SETTLING:
            found = better(
                path, drop.since, self, self._above(path), self._drops.begun_at_other_times(path, drop.since)
            )
            # A segment that has an incident of its own keeps it. If that one is just over, it would be wrong news that
            # the segment has fallen.
            if found and all(self._may_open(segment) for segment in found):
                if is_below(path, found[0]):
                    others = self._with_others(path, drop, found[0])
                    self._drops.widen(found[0], others, drop.severity, drop.since)
                    return
                severity = self._severity(found[0], drop.since)
                also = [*found[1:], *(one for one in drop.also if one not in found)]
                self._drops.move(path, found[0], also, IncidentReason.DEEPER, severity, drop.since)
                return
            if not drop.is_mix and not drop.also and self._is_mix(path, drop.since):
                self._drops.explain_by_mix(path, drop)
                return
        severity = Severity.WARNING if drop.is_mix else incident.sure_severity_of(self._size(path))
        if RANK[severity] > RANK[drop.severity]:
            self._drops.worsen(path, drop, severity)

    def _may_open(self, path: str) -> bool:
        """Say whether an incident may become one about a segment: it has none now, and none was over lately."""
        return self._drops.at(path) is None and self._watches[path].rests_until <= self._hour

    def _with_others(self, path: str, drop: OpenIncident, above: str) -> list[tuple[str, OpenIncident]]:
        """Return an incident, and those others below a segment that began with it, the oldest first."""
        found = dict([(path, drop), *self._drops.begun_with(above, drop.since)])
        return sorted(found.items(), key=lambda each: (each[1].hour, each[0]))

    def _report_steps(self) -> None:
        for merged in sorted(self._drops.merged, key=lambda one: one.path):
            other = self._drops.other_incident(merged)
            self._report_drop(merged.path, merged.drop, IncidentReason.MERGED, other)
        for path, reason in sorted(self._drops.steps.items()):
            if (changed := self._watches[path].drop) is not None:
                self._report_drop(path, changed, reason)

    def _severity(self, path: str, since: int) -> Severity:
        """Return how severe a drop is. If only the mix of the answers changed, nobody has done worse: a warning."""
        return Severity.WARNING if self._is_mix(path, since) else incident.severity_of(self._size(path))

    def _size(self, path: str) -> SizeOfChange | None:
        """Return the size of a segment's drop that goes on until now."""
        return self._watches[path].fall()

    def _is_mix(self, path: str, since: int) -> bool:
        """Say whether a segment fell since an hour because the mix of its answers changed."""
        mixed = self.mix(path, since)
        return mixed is not None and mixed.is_cause

    def mix(self, path: str, since: int) -> Mix | None:
        """Return how much of a segment's change since an hour is a change of the mix of its answers."""
        return mix_of(self.split(path, since), self._splits_below(path, since))

    def _splits_below(self, path: str, since: int) -> dict[str, Split]:
        """Return the answers of the segments directly below one before an hour, and from that hour on."""
        return {child: self.split(child, since) for child in self.children(path)}

    def _is_explained_below(self, path: str) -> bool:
        """Say whether open incidents below a segment explain its alarm. If so, note that in one of them."""
        dropped = self._drops.below(path)
        drops = [drop for below in dropped if (drop := self._drops.at(below)) is not None]
        if any(path in drop.explains for drop in drops):
            return True
        if not drops:
            return False
        since = min(self._watches[path].detector.likely_start, *(drop.since for drop in drops))
        segment = self.split(path, since)
        uppermost = [below for below in dropped if set(dropped).isdisjoint(lineage(below)[1:])]
        if not is_little(without(segment, [self.split(below, since) for below in uppermost]), segment):
            return False
        self._drops.explain(dropped[0], path)
        return True

    def _all_below(self, path: str) -> list[str]:
        return _below(path, self._segments)

    def _is_reported_above(self, path: str, since: int) -> bool:
        """Say whether the open incident of the nearest ancestor that has one also covers this segment's drop.

        `since`: the hour in which the segment's drop began.
        """
        for ancestor in lineage(path)[1:]:
            drop = self._drops.at(ancestor)
            if drop is not None:
                since = max(since, drop.since)
                return not fell_further(self.split(path, since), self.split(ancestor, since))
        return False

    def _report_drop(
        self, path: str, drop: OpenIncident, reason: IncidentReason, other: tuple[str, OpenIncident] | None = None
    ) -> None:
        """Report a step of an incident. `other`: the one that it has become part of, and the segment of that one."""
        split, above = self.split(path, drop.since), parent_of(path)
        size, mixed, hidden = None, None, None
        if reason is IncidentReason.RECOVERED:
            better_since = self._watches[path].detector.recovering_since or drop.since
            split = Split(split.before, self.split(path, better_since).after)
        else:
            # The estimate looks for a beginning within the last 60 days, and this drop began before.
            size = None if reason is IncidentReason.NEW_LEVEL else self._size(path)
            mixed = self.mix(path, drop.since)
            hidden = None if above is None else self.mix(above, drop.since)
        if not sum(split.before):
            # The drop is older than the answers that are kept, but the baseline is still that from before it.
            promoters, passives, detractors = self._watches[path].detector.baseline
            split = Split((round(promoters), round(passives), round(detractors)), split.after)
        hidden_in = above if hidden is not None and hidden.hides else None
        below: list[str] = []
        if drop.is_mix and mixed is not None:
            below = fallen(self._splits_below(path, drop.since))
        began = self._further.get(path) if reason is IncidentReason.WORSE else None
        further = None if began is None else incident.FurtherFall(began, self.split(path, began).after)
        step = incident.Step(path, drop, reason, self._now)
        found = incident.Findings(size, mixed, hidden_in, below, further, other)
        self.outputs.append(incident.drop(step, split, found))

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
            watch.silence, watch.heard_until = None, self._hour + self._policy.rest_hours
            self._table.put(path, watch)

    def _find_silences(self, slices: Slices) -> Iterator[None]:
        """Open incidents about the segments that have become silent."""
        for path, watch in self._watches.items():
            if slices.is_full():
                yield
            parent = self._parent(path)
            if watch.silence is not None or watch.heard_until > self._hour or self._is_forgotten(watch):
                continue
            if is_silent(watch, parent, self._hour):
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
            if self._is_forgotten(watch) and self._drops.at(path) is None:
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
