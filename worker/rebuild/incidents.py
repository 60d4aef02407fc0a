"""The incidents that were reported to receivers, as the alerts topic has them: they say which incidents are open."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from pydantic import ValidationError

from schemas.incident import Incident, IncidentAction, IncidentKind, IncidentReason
from worker.detect.drops import NO_PRIOR, Prior
from worker.detect.watch import OpenIncident, Watch
from worker.flow.batch import Record
from worker.flow.ids import make_id
from worker.flow.incidents import incident, too_many
from worker.flow.incidents import road as watching
from worker.flow.incidents.restarting import Ended, restart, suppressed_by, threshold
from worker.flow.policy import IncidentPolicy
from worker.flow.timestamps import HOUR, to_ms
from worker.lineage import is_below, is_segment, parent_of

#: The largest number of hours between the hour in which an incident is found and the record that reports it.
_LONGEST_DELAY = 24 * 30

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Watch).decode
_decode_clock = msgspec.msgpack.Decoder(watching.Clock).decode


class _Step(NamedTuple):
    """A step of an incident."""

    #: When it was reported, by Kafka's time in ms.
    at: int
    event: Incident
    #: The incident, as a watch has it while it is open.
    opened: OpenIncident


class Incidents:
    """The reported steps of all incidents, and how many of them a rebuild has applied."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._applied = 0
        #: The incidents of each kind that are open after these steps, by the path of the segment that they are about.
        self._drops: dict[str, _Step] = {}
        self._silences: dict[str, _Step] = {}
        self._too_many: dict[str, _Step] = {}
        #: The segments that reported drops are or were about, and of which nothing says that their drop is over.
        self._low: set[str] = set()

    def take(self, records: Iterable[Record]) -> None:
        """Take in records of the alerts topic. Those that are not about incidents are left out."""
        for record in records:
            if record.value is None or not (record.key or b"").startswith(incident.KEY_PREFIX.encode()):
                continue
            try:
                event = Incident.model_validate_json(record.value)
            except ValidationError:
                continue  # this is an alert, and the customer's id looks like the key of an incident
            at = to_ms(event.occurred_at)
            opened = OpenIncident(
                _hour(event, at) if event.action == IncidentAction.OPENED else at // HOUR,
                to_ms(event.since) // HOUR,
                event.severity,
                list(event.explains),
                first_segment=event.first_segment,
                updated=at // HOUR if event.action == IncidentAction.UPDATED else 0,
                also=list(event.also),
                is_mix=event.reason == IncidentReason.MIX_CHANGED,
                merged=list(event.merged_segments),
            )
            self._steps.append(_Step(at, event, opened))

    def settle(self, watches: MutableMapping[bytes, bytes], now: int, policy: IncidentPolicy) -> None:
        """Bring the rows of watches in line with the steps that were reported up to a time, in ms."""
        if not self._applied:
            self._steps.sort(key=lambda step: step.at)
        while self._applied < len(self._steps) and self._steps[self._applied].at <= now:
            self._apply(self._steps[self._applied], watches, policy)
            self._applied += 1
        for key in [key for key in watches if key != watching.CLOCK_KEY]:
            _change(watches, key.decode(), self._set_open_incidents)
        if (row := watches.get(watching.CLOCK_KEY)) is not None:
            clock = _decode_clock(row)
            clock.too_many = too_many.as_reported(clock.too_many, clock.usages, _opened(self._too_many, ""))
            watches[watching.CLOCK_KEY] = _encode(clock)

    def finish(self, watches: MutableMapping[bytes, bytes], policy: IncidentPolicy) -> None:
        """Bring the rows of watches in line with all steps that were reported."""
        self.settle(watches, max((step.at for step in self._steps), default=0), policy)

    def _apply(self, step: _Step, watches: MutableMapping[bytes, bytes], policy: IncidentPolicy) -> None:
        """Note that a step opens, changes or resolves its incident. Restart the detectors if a drop is over."""
        path, event = step.event.segment, step.event
        by_kind: dict[str, dict[str, _Step]] = {
            IncidentKind.SEGMENT_DROP: self._drops,
            IncidentKind.NO_RESPONSES: self._silences,
            IncidentKind.TOO_MANY_SEGMENTS: self._too_many,
        }
        open_ones = by_kind.get(event.kind, {})  # a later version may have other kinds
        if event.action == IncidentAction.OPENED:
            open_ones[path] = step
            self._open_detectors(step, watches)
            return
        # The incident may have been about another segment until now. Another incident may be about this one.
        place = next((one for one, last in open_ones.items() if last.event.alert_id == event.alert_id), None)
        before = None if place is None else open_ones.pop(place)
        if event.action == IncidentAction.UPDATED:
            if before is not None:  # otherwise its opening is too old to be on the topic, or it is over
                open_ones[path] = _changed(before, step)
                self._open_detectors(open_ones[path], watches)
                self._let_fall_further(step, watches, policy)
                self._end_parts(before, step, watches, policy)
            return
        # A drop that has become part of another one goes on. It is over when the other one is.
        if event.kind == IncidentKind.SEGMENT_DROP and event.reason != IncidentReason.MERGED:
            self._end_drop(step, watches, policy)

    def _open_detectors(self, step: _Step, watches: MutableMapping[bytes, bytes]) -> None:
        """Let the detectors of the segments that an open drop is about know of it, as the judge does."""
        if step.event.kind != IncidentKind.SEGMENT_DROP:
            return

        def opened(_: str, watch: Watch) -> None:
            if watch.detector.open_size is None:
                watch.detector.open_drop(watch.split(step.opened.since)[1], step.opened.hour)

        for path in (step.event.segment, *step.event.also):
            self._low.add(path)
            _change(watches, path, opened)

    def _let_fall_further(self, step: _Step, watches: MutableMapping[bytes, bytes], policy: IncidentPolicy) -> None:
        """Let the detector of a segment know that a further fall was reported, as the judge does."""
        # Older versions did not say whether a further fall was found.
        if step.event.reason != IncidentReason.WORSE or step.event.fell_further is False:
            return

        def fallen(_: str, watch: Watch) -> None:
            # Otherwise the rebuild has found it by itself, or nothing says that there was one.
            further = watch.detector.further
            if further is not None and watch.detector.has_fallen_further(policy.least_points):
                watch.detector.fall_further(watch.split(further.likely_start)[1], step.at // HOUR)

        _change(watches, step.event.segment, fallen)

    def _end_drop(self, step: _Step, watches: MutableMapping[bytes, bytes], policy: IncidentPolicy) -> None:
        """Let the detectors begin again that a drop has kept silent, as the judge does.

        They are those of its segments, of the segments that it explains, and of all segments below its own.
        """
        event, hour = step.event, step.at // HOUR
        is_recovered = event.reason == IncidentReason.RECOVERED
        own = _watch(watches, event.segment)
        since, segments = step.opened.since, _segments(watches)
        suppressed = suppressed_by(
            event.segment, step.opened, lambda path: [one for one in segments if _is_under(one, path)]
        )
        ended = None
        # If the rebuild's own judgement has ended the drop already, it has restarted the other detectors as well.
        if own is not None and own.detector.open_size is not None:
            better_since = (own.detector.recovering_since or since) if is_recovered else None
            limit = threshold(_learned(watches, segments), policy)
            ended = Ended(since, better_since, hour, suppressed, limit, policy.least_points)

        def end(path: str, watch: Watch) -> None:
            if ended is not None:
                restart(watch, _prior(watches, path), ended)
            elif watch.detector.open_size is not None:
                watch.end_drop(since, hour, recovered=is_recovered)

        def end_own(_: str, watch: Watch) -> None:
            if ended is not None:
                watch.end_drop(since, hour, recovered=is_recovered)
            watch.drop, watch.rests_until = None, max(watch.rests_until, hour + policy.rest_hours)

        for path in suppressed:
            if self._about(path) is None:
                self._low.discard(path)
                _change(watches, path, end)
        if self._about(event.segment) is None:
            self._low.discard(event.segment)
            _change(watches, event.segment, end_own)

    def _end_parts(
        self, before: _Step, update: _Step, watches: MutableMapping[bytes, bytes], policy: IncidentPolicy
    ) -> None:
        """Let the detectors begin again of those segments of a drop that have recovered, while others have not.

        `before`: the last step of the incident. Segments that it is not about any more since it has moved above or
        below them have not recovered. One that has fallen further becomes the first one, and the others stay.
        """
        first, hour = before.event.segment, update.at // HOUR
        is_same = update.event.reason in {IncidentReason.PARTLY_RECOVERED, IncidentReason.WORSE}
        if not is_same and update.event.segment != first:
            return

        def end(path: str, watch: Watch) -> None:
            if watch.detector.open_size is not None:  # otherwise the rebuild has seen by itself that it has recovered
                watch.end_drop(before.opened.since, hour, recovered=True)
            if path == first:
                watch.drop, watch.rests_until = None, max(watch.rests_until, hour + policy.rest_hours)

        for path in (first, *before.event.also):
            if self._about(path) is None:
                self._low.discard(path)
                _change(watches, path, end)

    def _about(self, path: str) -> OpenIncident | None:
        """Return the open drop that a segment is part of; None if there is none."""
        also = (step.opened for step in self._drops.values() if path in step.opened.also)
        return _opened(self._drops, path) or next(also, None)

    def _set_open_incidents(self, path: str, watch: Watch) -> None:
        """Let a watch have those incidents open that receivers believe to be open, and no others."""
        watch.silence = _opened(self._silences, path)
        watch.drop, about = _opened(self._drops, path), self._about(path)
        if about is not None and watch.detector.open_size is None:
            watch.detector.open_drop(watch.split(about.since)[1], about.hour)
        elif about is None and path not in self._low and watch.detector.open_size is not None:
            watch.detector.restart(watch.detector.pending)  # nobody was told of this drop


def _opened(steps: Mapping[str, _Step], path: str) -> OpenIncident | None:
    return None if (step := steps.get(path)) is None else step.opened


def _changed(before: _Step, update: _Step) -> _Step:
    """Return an update, whose incident knows what its event does not say. `before`: the last step of the incident."""
    event, opened = update.event, before.opened
    is_there = event.segment == before.event.segment
    stays = is_there and event.reason in {IncidentReason.WIDER, IncidentReason.WORSE}
    is_mix = update.opened.is_mix or (opened.is_mix and stays)
    return update._replace(opened=replace(update.opened, hour=opened.hour, is_mix=is_mix))


def _watch(watches: Mapping[bytes, bytes], path: str) -> Watch | None:
    return None if (row := watches.get(path.encode())) is None else _decode(row)


def _prior(watches: Mapping[bytes, bytes], path: str) -> Prior:
    """Return what the parent of a segment says about it."""
    above = parent_of(path)
    parent = None if above is None else _watch(watches, above)
    return NO_PRIOR if parent is None else parent.prior()


def _segments(watches: Mapping[bytes, bytes]) -> list[str]:
    """Return the paths of all segments, in their order, without the surveys and the sources."""
    return sorted(path for key in watches if key != watching.CLOCK_KEY and is_segment(path := key.decode()))


def _learned(watches: Mapping[bytes, bytes], segments: Sequence[str]) -> int:
    """Return in how many segments a drop can be found."""
    priors: dict[str | None, Prior] = {}
    learned = 0
    for path in segments:
        above = parent_of(path)
        if (prior := priors.get(above)) is None:
            prior = priors[above] = _prior(watches, path)
        learned += (watch := _watch(watches, path)) is not None and watch.detector.is_learned(prior)
    return learned


def _is_under(path: str, above: str) -> bool:
    return path != above and is_below(path, above)


def _change(watches: MutableMapping[bytes, bytes], path: str, how: Callable[[str, Watch], None]) -> None:
    row = watches.get(path.encode())
    if row is not None:
        watch = _decode(row)
        how(path, watch)
        watches[path.encode()] = _encode(watch)


def _hour(event: Incident, at: int) -> int:
    """Return the hour in which an incident was found, counted since 1970. The incident's id is made of this hour.

    `event`: its opening; `at`: when this was reported, in ms.
    """
    latest = at // HOUR
    hours = range(latest, latest - _LONGEST_DELAY, -1)
    return next((hour for hour in hours if make_id(event.kind, event.segment, hour) == event.alert_id), latest)
