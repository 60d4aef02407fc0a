"""The incidents that were reported to receivers, as the alerts topic has them: they say which incidents are open."""

from collections.abc import Callable, Iterable, MutableMapping
from typing import NamedTuple

import msgspec
from pydantic import ValidationError

from schemas.incident import Incident, IncidentAction, IncidentKind, IncidentReason
from worker.detect.watch import OpenIncident, Watch
from worker.flow.batch import Record
from worker.flow.ids import make_id
from worker.flow.incidents import incident, too_many
from worker.flow.incidents import road as watching
from worker.flow.policy import IncidentPolicy
from worker.flow.timestamps import HOUR, to_ms

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
        #: The incidents of each kind that are open after these steps, by the segment's path.
        self._drops: dict[str, OpenIncident] = {}
        self._silences: dict[str, OpenIncident] = {}
        self._too_many: dict[str, OpenIncident] = {}

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
                _hour(event, at),
                to_ms(event.since) // HOUR,
                event.severity,
                list(event.explains),
                first_segment=event.first_segment,
                updated=at // HOUR if event.action == IncidentAction.UPDATED else 0,
                also=list(event.also),
                is_mix=event.reason == IncidentReason.MIX_CHANGED,
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
            clock.too_many = too_many.as_reported(clock.too_many, clock.usages, self._too_many.get(""))
            watches[watching.CLOCK_KEY] = _encode(clock)

    def finish(self, watches: MutableMapping[bytes, bytes], policy: IncidentPolicy) -> None:
        """Bring the rows of watches in line with all steps that were reported."""
        self.settle(watches, max((step.at for step in self._steps), default=0), policy)

    def _apply(self, step: _Step, watches: MutableMapping[bytes, bytes], policy: IncidentPolicy) -> None:
        """Note whether a step opens or resolves its incident, and restart the detectors if a drop is over."""
        path, event = step.event.segment, step.event
        by_kind: dict[str, dict[str, OpenIncident]] = {
            IncidentKind.SEGMENT_DROP: self._drops,
            IncidentKind.NO_RESPONSES: self._silences,
            IncidentKind.TOO_MANY_SEGMENTS: self._too_many,
        }
        open_ones = by_kind.get(event.kind, {})  # a later version may have other kinds
        if event.action == IncidentAction.OPENED:
            open_ones[path] = step.opened
            return
        known = [place for place, opened in open_ones.items() if _is_same(opened, place, step)]
        for place in known:
            del open_ones[place]
        if event.action == IncidentAction.UPDATED:
            if known:  # otherwise its opening is too old to be on the topic, or it is over
                open_ones[path] = step.opened
            return
        since = step.opened.since
        if event.kind == IncidentKind.SEGMENT_DROP:
            recovered = event.reason == IncidentReason.RECOVERED
            rest = step.at // HOUR + policy.rest_hours

            def end(path: str, watch: Watch) -> None:
                watch.end_drop(since, step.at // HOUR, recovered=recovered)
                if path == event.segment:
                    watch.drop, watch.rests_until = None, max(watch.rests_until, rest)

            for ended in (path, *event.also, *event.explains):
                if ended not in self._drops:
                    _change(watches, ended, end)

    def _set_open_incidents(self, path: str, watch: Watch) -> None:
        """Let a watch have those incidents open that receivers believe to be open, and no others."""
        watch.silence = self._silences.get(path)
        opened = self._drops.get(path)
        about = opened or next((drop for drop in self._drops.values() if path in drop.also), None)
        if about is not None and watch.detector.open_size is None:
            watch.detector.open_drop(watch.split(about.since)[1])
        elif opened is None and watch.drop is not None:
            watch.detector.restart(recovered=False)
        watch.drop = opened


def _is_same(opened: OpenIncident, path: str, step: _Step) -> bool:
    """Say whether a step is one of an open incident. `path`: the segment that this incident was last about."""
    first = path if opened.first_segment is None else opened.first_segment
    return (first, opened.hour) == (_first_segment(step.event), step.opened.hour)


def _first_segment(event: Incident) -> str:
    return event.segment if event.first_segment is None else event.first_segment


def _change(watches: MutableMapping[bytes, bytes], path: str, how: Callable[[str, Watch], None]) -> None:
    row = watches.get(path.encode())
    if row is not None:
        watch = _decode(row)
        how(path, watch)
        watches[path.encode()] = _encode(watch)


def _hour(event: Incident, at: int) -> int:
    """Return the hour in which an incident was found, counted since 1970. The incident's id is made of this hour.

    `at`: when the incident was reported, in ms.
    """
    latest = at // HOUR
    hours = range(latest, latest - _LONGEST_DELAY, -1)
    return next((hour for hour in hours if make_id(event.kind, _first_segment(event), hour) == event.alert_id), latest)
