"""The road of an hourly report: the third stage takes in the reports of all segments, and judges the tree at each tick.

All segments are in one partition, since a drop is reported of the deepest segment that explains it, and a silence is
found by comparison with a segment's siblings. The tree is judged once every partition of segments has reported
everything up to the tick (judging.py). So the result does not depend on how far each partition was, and the import of a
history opens no incident about last year.

With 100,000 segments this takes seconds, so it is done in slices. Everything that a batch causes is returned with the
last slice. So a crash between two slices leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from zlib import crc32

import msgspec

from worker.detect.drops import NO_PRIOR
from worker.detect.watch import Watch
from worker.errors import Rejected
from worker.flow.batch import Decided, Output, Record
from worker.flow.dead_letter import dead_letter_in_place
from worker.flow.incidents.judging import Judge
from worker.flow.incidents.slices import Slices
from worker.flow.incidents.too_many import TooMany
from worker.flow.incidents.too_many import judge as judge_usages
from worker.flow.messages import hourly_report
from worker.flow.policy import IncidentPolicy, IntakePolicy
from worker.lineage import parent_of
from worker.nps.usage import Usage
from worker.nps.windows import HOUR

#: The key of the row that says how far the tree has been judged. No path has a NUL.
CLOCK_KEY = b"\x00clock"
#: The number of segments in one slice, during which the event loop waits. Each segment takes about 10 microseconds.
SLICE = 1_000
#: The hours of a week.
_WEEK = 7 * 24
_INTAKE = IntakePolicy()

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Watch).decode


class Clock(msgspec.Struct, array_like=True):
    """How far the tree has been judged, and what is known of its partitions."""

    #: For each partition of segments: the time, in ms, up to which it has reported everything.
    ticks: dict[int, int] = {}
    #: The time, in ms, up to which the tree has been judged.
    judged: int = 0
    #: How many segments each partition had at its last tick.
    usages: dict[int, Usage] = {}
    #: Whether there are too many segments, as far as is known.
    too_many: TooMany = TooMany()


_decode_clock = msgspec.msgpack.Decoder(Clock).decode


class Watches:
    """The rows of all segments, with the changes that a batch has made."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._found: dict[str, Watch | None] = {}
        self._changed: set[str] = set()
        clock = rows.get(CLOCK_KEY)
        self.clock = Clock() if clock is None else _decode_clock(clock)

    def get(self, path: str) -> Watch | None:
        """Return the watch over a segment; None if it is not watched."""
        if path not in self._found:
            row = self._rows.get(path.encode())
            self._found[path] = None if row is None else _decode(row)
        return self._found[path]

    def put(self, path: str, watch: Watch | None) -> None:
        """Note that a watch has changed; None: that the segment is not watched any more."""
        self._found[path] = watch
        self._changed.add(path)

    def load(self, slices: Slices) -> Iterator[None]:
        """Read all rows that have not been read yet, and sort the watches by their paths, in slices."""
        for key in list(self._rows):
            if key != CLOCK_KEY:
                self.get(key.decode())
                if slices.is_full():
                    yield
        paths = list(self._found)
        # Sorting takes a third of the time if it is given runs that are sorted already.
        for first in range(0, len(paths), SLICE):
            paths[first : first + SLICE] = sorted(paths[first : first + SLICE])
            if slices.is_full(len(paths[first : first + SLICE])):
                yield
        paths.sort()
        if slices.is_full(len(paths)):
            yield
        found, self._found = self._found, {}
        for path in paths:
            self._found[path] = found.pop(path)
            if slices.is_full():
                yield

    def all(self) -> dict[str, Watch]:
        """Return every segment's watch by its path, in the order of the paths; all rows must be loaded."""
        return {path: watch for path, watch in self._found.items() if watch is not None}

    def close(self, slices: Slices, rows: dict[bytes, bytes | None]) -> Iterator[None]:
        """Enter the rows to write into `rows`, in slices. No other method may be called from then on."""
        # Each watch is freed here, since to free 100,000 of them at once would take long.
        for path in list(self._found):
            watch = self._found.pop(path)
            if path in self._changed:
                rows[path.encode()] = None if watch is None else _encode(watch)
            if slices.is_full():
                yield
        rows[CLOCK_KEY] = _encode(self.clock)


def watch(
    records: Iterable[Record],
    rows: Mapping[bytes, bytes],
    partitions: int,
    owner: Callable[[bytes], int],
    policy: IncidentPolicy,
    intake: IntakePolicy = _INTAKE,
) -> Decided:
    """Take in a batch of hourly reports, and return what its first slice causes. Only the last slice has outputs.

    `rows`: of the one partition of watches; `partitions`: how many partitions of segments there are; `owner`: returns
    the partition of a segment by its key. A record that is not one of the worker's own messages becomes a dead letter,
    as `intake` says.
    """
    return _Batch(records, rows, partitions, owner, policy, intake).next()


class _Batch:
    """A batch of hourly reports that is decided in slices."""

    def __init__(
        self,
        records: Iterable[Record],
        rows: Mapping[bytes, bytes],
        partitions: int,
        owner: Callable[[bytes], int],
        policy: IncidentPolicy,
        intake: IntakePolicy,
    ) -> None:
        self._watches = Watches(rows)
        self._partitions = partitions
        self._owner = owner
        self._policy = policy
        self._intake = intake
        self._slices = Slices(SLICE)
        self._outputs: list[Output] = []
        self._rows: dict[bytes, bytes | None] = {}
        self._work = self._decide(records)

    def next(self) -> Decided:
        """Decide the next slice. With the last slice, return what all of them cause."""
        try:
            next(self._work)
        except StopIteration:
            return Decided(self._outputs, self._rows, {})
        return Decided([], {}, {}, rest=self.next)

    def _decide(self, records: Iterable[Record]) -> Iterator[None]:
        """Decide the batch. Yield after each full slice."""
        for record in records:
            try:
                report = hourly_report.read(record.value)
            except Rejected as rejected:
                self._outputs.append(dead_letter_in_place(record, rejected, self._intake))
                continue
            yield from self._take(report)
            if report.tick is not None:
                yield from self._pass_time(report.source, report.tick, report.usage, record.timestamp)
        yield from self._watches.close(self._slices, self._rows)

    def _take(self, report: hourly_report.HourlyReport) -> Iterator[None]:
        for path, column in report.segments.items():
            _take(path, column, self._watches, self._policy.least_points)
            if self._slices.is_full():
                yield

    def _pass_time(self, source: int, tick: int, usage: Usage | None, now: int) -> Iterator[None]:
        """Note up to when a partition has reported everything. Judge the tree if all partitions have come further.

        `source`: the partition of segments; `tick`: up to when, in ms; `now`: the record's Kafka time, in ms.
        """
        clock = self._watches.clock
        if tick >= clock.ticks.get(source, 0):
            clock.ticks[source] = tick
            if usage is None:
                clock.usages.pop(source, None)
            else:
                clock.usages[source] = usage
        time = min((clock.ticks.get(partition, 0) for partition in range(self._partitions)), default=0)
        if time <= clock.judged:
            return
        previous, clock.judged = clock.judged, time
        yield from self._watches.load(self._slices)
        judge = Judge(self._watches, previous // HOUR, time // HOUR, now, self._owner, self._policy)
        yield from judge.judge(self._slices)
        self._outputs += judge.outputs
        clock.too_many, outputs = judge_usages(clock.too_many, clock.usages, self._partitions, time // HOUR, now)
        self._outputs += outputs


def _take(path: str, column: bytes, watches: Watches, least_points: float) -> None:
    """Take in the reported hours of one segment; `least_points`: smaller drops are not looked for."""
    watch = watches.get(path) or Watch()
    above = parent_of(path)
    parent = None if above is None else watches.get(above)
    prior = NO_PRIOR if parent is None else parent.prior()
    if watch.take(column, prior, least_points, crc32(path.encode()) % _WEEK):
        watches.put(path, watch)
