"""The second and the third stage again: tallies become the rows of segments, and their hours the rows of watches.

A worker judges the tree at each tick, and so opens and resolves incidents. In a rebuild, the reported steps say which
incidents are open (incidents.py). So no incident is reported a second time, and none that is open is forgotten. Ticks
only let time pass.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec

from worker.detect.watch import Watch
from worker.flow import events
from worker.flow.batch import Decided, MemoryRecord, Output, Record
from worker.flow.incidents import road as watching
from worker.flow.messages import gaming_flag, tick
from worker.flow.policy import IncidentPolicy
from worker.flow.segments import road as segments
from worker.flow.timestamps import HOUR
from worker.nps.segment import Segment
from worker.rebuild.incidents import Incidents
from worker.rebuild.records import apply, as_record

#: The number of tallies that are counted together. A row takes the same time for one answer as for a thousand.
_TOGETHER = 50
#: The number of false alarms in a year that lets a rebuild find no drop.
_NEVER = 1e-15

_decode_segment = msgspec.msgpack.Decoder(Segment).decode
_decode_watch = msgspec.msgpack.Decoder(Watch).decode
_decode_clock = msgspec.msgpack.Decoder(watching.Clock).decode


class Tree:
    """Counts tallies and, if `incidents` is given, watches over the segments.

    `owner`: returns the partition of a segment by its key; `most`: how many segments a partition may have. `segments`
    are the rows of the segments by partition, and `watches` the rows of the watches, which have one partition.
    """

    def __init__(
        self,
        partitions: int,
        owner: Callable[[bytes], int],
        policy: IncidentPolicy,
        most: int,
        incidents: Incidents | None,
    ) -> None:
        self._owner = owner
        self._most = most
        self._policy = policy.model_copy(update={"false_alarms_per_year": _NEVER})
        self._incidents = incidents
        self._waiting: list[list[Record]] = [[] for _ in range(partitions)]
        self.segments: list[dict[bytes, bytes]] = [{} for _ in range(partitions)]
        self.watches: dict[bytes, bytes] = {}

    def take(self, tallies: Iterable[Output], at: int = 0) -> None:
        """Take in tallies that were sent at a time, in ms. They are counted a little later."""
        for output in tallies:
            record = as_record(output, at)
            waiting = self._waiting[record.partition]
            waiting.append(record)
            if len(waiting) >= _TOGETHER:
                self._count(record.partition, 0)

    def tick(self, times: Mapping[int, int]) -> None:
        """Let time pass in partitions of segments; `times`: the time of each one's tick, in ms."""
        now = max(times.values(), default=0)
        self._count_all(now)
        for partition, time in times.items():
            self._waiting[partition].append(MemoryRecord(events.TALLIES, partition, 0, time, tick.KEY, b"", []))
        self._count_all(now)
        self._count_all(now)  # for the gaming flags that the tick has caused
        if self._incidents is not None:
            self._incidents.settle(self.watches, now, self._policy)

    def flag(self, watches: Mapping[bytes, bytes]) -> None:
        """Take over the gaming flags of segments from the rows of an intact table of watches."""
        for path, watch in _paths(watches):
            if watch.jump is not None:
                self.take([gaming_flag.output(path, watch.jump, self._owner(path.encode()))])
        self.tick({})

    def match_flags(self, rows: Iterable[Mapping[bytes, bytes]]) -> None:
        """Take over the gaming flags of watches from an intact table of segments; `rows`: by partition."""
        jumps = {key: _decode_segment(row).jump for part in rows for key, row in part.items() if key != segments.CLOCK}
        for path, watch in _paths(self.watches):
            watch.jump = jumps.get(path.encode())
            self.watches[path.encode()] = msgspec.msgpack.encode(watch)

    def _count_all(self, now: int) -> None:
        for partition in range(len(self._waiting)):
            self._count(partition, now)

    def _count(self, partition: int, now: int) -> None:
        records, self._waiting[partition] = self._waiting[partition], []
        if not records:
            return
        rest: Callable[[], Decided] | None = partial(
            segments.count, records, self.segments[partition], partition, self._most
        )
        while rest is not None:
            decided = rest()
            apply(self.segments[partition], decided.rows)
            if self._incidents is not None:
                self._watch([as_record(output, now) for output in decided.outputs if output.topic == events.HOURS])
            rest = decided.rest

    def _watch(self, records: list[MemoryRecord]) -> None:
        if not records:
            return
        decided = watching.watch(records, self.watches, len(self.segments), self._owner, self._policy)
        while decided.rest is not None:
            decided = decided.rest()
        apply(self.watches, decided.rows)
        for output in decided.outputs:
            if output.topic == events.TALLIES:  # a gaming flag
                record = as_record(output)
                self._waiting[record.partition].append(record)


def reported_until(rows: Iterable[Mapping[bytes, bytes]]) -> dict[int, int]:
    """Return the time, in ms, up to which each partition of segments has reported its hours.

    `rows`: by partition. A partition that has reported nothing is left out.
    """
    return {partition: time for partition, part in enumerate(rows) if (time := _reported_until(part))}


def _reported_until(rows: Mapping[bytes, bytes]) -> int:
    clock = rows.get(segments.CLOCK)
    if clock is not None and (ticked := _decode_segment(clock).last_tick):
        return ticked
    # Version 0.1.0 had no such row.
    return (max((_decode_segment(row).unreported.reported_until for row in rows.values()), default=-1) + 1) * HOUR


def counted_until(rows: Iterable[Mapping[bytes, bytes]]) -> dict[int, int]:
    """Return the highest offset of each partition of responses that segments have counted; `rows`: by partition."""
    marks: dict[int, int] = {}
    for part in rows:
        for row in part.values():
            for source, mark in _decode_segment(row).marks.items():
                marks[source] = max(marks.get(source, -1), mark)
    return marks


def learned_until(watches: Mapping[bytes, bytes]) -> dict[int, int]:
    """Return the time, in ms, up to which the watches have taken in the hours of each partition of segments."""
    clock = watches.get(watching.CLOCK_KEY)
    return {} if clock is None else _decode_clock(clock).ticks


def _paths(watches: Mapping[bytes, bytes]) -> list[tuple[str, Watch]]:
    return [(key.decode(), _decode_watch(row)) for key, row in watches.items() if key != watching.CLOCK_KEY]
