"""The second and the third stage again: tallies become the segments' rows, and their hours what is watched over.

The worker judges the tree at ticks, by which incidents open and end. Here the recorded steps say which did
(incidents.py), so that none is told a second time, and none that is open is forgotten. Ticks only let time pass.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec

from worker.detect.watch import Watch
from worker.flow import events
from worker.flow.batch import Decided, Output, Record
from worker.flow.incidents import road as watching
from worker.flow.messages import gaming_flag, tick
from worker.flow.policy import IncidentPolicy
from worker.flow.segments import road as segments
from worker.flow.timestamps import HOUR
from worker.nps.segment import Segment
from worker.rebuild.incidents import Incidents
from worker.rebuild.records import Passed, apply, passed

#: So many tallies are counted together, since a row costs the same for one answer as for a thousand.
_TOGETHER = 50
#: No drop is found by a rebuild: a false alarm after so many answers is none.
_NEVER = 1e15

_decode_segment = msgspec.msgpack.Decoder(Segment).decode
_decode_watch = msgspec.msgpack.Decoder(Watch).decode
_decode_clock = msgspec.msgpack.Decoder(watching.Clock).decode


class Tree:
    """Counts tallies and, if `incidents` is given, learns the segments' levels.

    `most`: how many segments a partition may have; `segments`: the segments' rows by partition; `watches`: the rows of
    what is watched over, all in one partition.
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
        self._policy = policy.model_copy(update={"answers_per_false_alarm": _NEVER})
        self._incidents = incidents
        self._waiting: list[list[Record]] = [[] for _ in range(partitions)]
        self.segments: list[dict[bytes, bytes]] = [{} for _ in range(partitions)]
        self.watches: dict[bytes, bytes] = {}

    def take(self, tallies: Iterable[Output], at: int = 0) -> None:
        """Take in tallies that were sent at a time, in ms; they are counted a little later."""
        for output in tallies:
            record = passed(output, at)
            waiting = self._waiting[record.partition]
            waiting.append(record)
            if len(waiting) >= _TOGETHER:
                self._count(record.partition, 0)

    def tick(self, times: Mapping[int, int]) -> None:
        """Let time pass in each partition of segments, up to a time in ms."""
        now = max(times.values(), default=0)
        self._count_all(now)
        for partition, time in times.items():
            self._waiting[partition].append(Passed(events.TALLIES, partition, 0, time, tick.KEY, b"", []))
        self._count_all(now)
        self._count_all(now)  # the gaming flags that the tick has caused
        if self._incidents is not None:
            self._incidents.settle(self.watches, now, self._policy)

    def flag(self, watches: Mapping[bytes, bytes]) -> None:
        """Take over which segments are marked by jumps, from the rows of an intact table of watches."""
        for path, watch in _paths(watches):
            if watch.jump is not None:
                self.take([gaming_flag.output(path, watch.jump, self._owner(path.encode()))])
        self.tick({})

    def match_flags(self, rows: Iterable[Mapping[bytes, bytes]]) -> None:
        """Note of each watch the jump by which its segment, in an intact table, is marked."""
        jumps = {key: _decode_segment(row).jump for of in rows for key, row in of.items() if key != segments.CLOCK}
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
                self._watch([passed(output, now) for output in decided.outputs if output.topic == events.HOURS])
            rest = decided.rest

    def _watch(self, records: list[Passed]) -> None:
        if not records:
            return
        decided = watching.watch(records, self.watches, len(self.segments), self._owner, self._policy)
        while decided.rest is not None:
            decided = decided.rest()
        apply(self.watches, decided.rows)
        for output in decided.outputs:
            if output.topic == events.TALLIES:  # a gaming flag
                record = passed(output)
                self._waiting[record.partition].append(record)


def reported_until(rows: Iterable[Mapping[bytes, bytes]]) -> dict[int, int]:
    """Return up to which time, in ms, each partition of segments has reported its hours; nothing if none has."""
    return {partition: time for partition, of in enumerate(rows) if (time := _reported_until(of))}


def _reported_until(rows: Mapping[bytes, bytes]) -> int:
    clock = rows.get(segments.CLOCK)
    if clock is not None and (ticked := _decode_segment(clock).last_tick):
        return ticked
    # Rows of a version that kept no such row.
    return (max((_decode_segment(row).unreported.reported_until for row in rows.values()), default=-1) + 1) * HOUR


def counted_until(rows: Iterable[Mapping[bytes, bytes]]) -> dict[int, int]:
    """Return the highest offset of each partition of responses that segments have counted."""
    marks: dict[int, int] = {}
    for of in rows:
        for row in of.values():
            for source, mark in _decode_segment(row).marks.items():
                marks[source] = max(marks.get(source, -1), mark)
    return marks


def learned_until(watches: Mapping[bytes, bytes]) -> dict[int, int]:
    """Return up to which time, in ms, the watches have learned the hours of each partition of segments."""
    clock = watches.get(watching.CLOCK_KEY)
    return {} if clock is None else _decode_clock(clock).ticks


def _paths(watches: Mapping[bytes, bytes]) -> list[tuple[str, Watch]]:
    return [(key.decode(), _decode_watch(row)) for key, row in watches.items() if key != watching.CLOCK_KEY]
