"""The third stage: it takes in the hours of all segments, and judges the tree at each tick (judging.py).

All of it is in one partition, since a drop is reported of the deepest segment that explains it, and a silence is found
by a segment's neighbours. The tree is judged once every partition of segments has reported everything up to the tick.
So the result does not depend on how far each partition was, and a history that is imported opens no incident of last
year.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from worker.errors import Rejected
from worker.flow import hours
from worker.flow.dead_letter import stray
from worker.flow.judging import Judge
from worker.flow.lineage import parent_of
from worker.flow.outbox import Output
from worker.flow.policy import IncidentPolicy, IntakePolicy
from worker.flow.record import Record
from worker.flow.road import Decided
from worker.nps.drops import NO_PRIOR, Prior
from worker.nps.watch import Watch
from worker.nps.windows import HOUR

#: The key of the row that says how far the tree has been judged. No path has a NUL.
CLOCK_KEY = b"\x00clock"
_INTAKE = IntakePolicy()

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Watch).decode


class Clock(msgspec.Struct, array_like=True):
    """`ticks`: the time up to which each partition of segments has told everything; `judged`: the tree's. In ms."""

    ticks: dict[int, int] = {}
    judged: int = 0


_decode_clock = msgspec.msgpack.Decoder(Clock).decode


class Watches:
    """The rows, with what a batch has changed of them."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._found: dict[str, Watch | None] = {}
        self._changed: set[str] = set()
        clock = rows.get(CLOCK_KEY)
        self.clock = Clock() if clock is None else _decode_clock(clock)

    def get(self, path: str) -> Watch | None:
        """Return what is kept of a segment."""
        if path not in self._found:
            row = self._rows.get(path.encode())
            self._found[path] = None if row is None else _decode(row)
        return self._found[path]

    def put(self, path: str, watch: Watch | None) -> None:
        """Note that it has changed; None: that it is not watched any more."""
        self._found[path] = watch
        self._changed.add(path)

    def all(self) -> dict[str, Watch]:
        """Return every segment's, by path and in its order."""
        paths = {key.decode() for key in self._rows if key != CLOCK_KEY} | self._found.keys()
        return {path: watch for path in sorted(paths) if (watch := self.get(path)) is not None}

    def changed(self) -> dict[bytes, bytes | None]:
        """Return the rows to write."""
        found = {path: self._found[path] for path in sorted(self._changed)}
        rows = {path.encode(): None if watch is None else _encode(watch) for path, watch in found.items()}
        return {**rows, CLOCK_KEY: _encode(self.clock)}


def watch(
    records: Iterable[Record],
    rows: Mapping[bytes, bytes],
    partitions: int,
    owner: Callable[[bytes], int],
    policy: IncidentPolicy,
    intake: IntakePolicy = _INTAKE,
) -> Decided:
    """Take in a batch of what `partitions` of segments tell; `owner` says which of them a segment is in.

    What is none of the worker's own messages becomes a dead letter, as `intake` says.
    """
    watches, outputs = Watches(rows), list[Output]()
    for record in records:
        try:
            told = hours.read(record.value)
        except Rejected as rejected:
            outputs.append(stray(record, rejected, intake))
            continue
        for path, column in told.segments.items():
            _take(path, column, watches)
        if told.tick is not None:
            clock = watches.clock
            clock.ticks[told.source] = max(clock.ticks.get(told.source, 0), told.tick)
            time = min((clock.ticks.get(number, 0) for number in range(partitions)), default=0)
            if time > clock.judged:
                last, clock.judged = clock.judged, time
                outputs += Judge(watches, last // HOUR, time // HOUR, record.timestamp, owner, policy).judge()
    return Decided(outputs, watches.changed(), {})


def _take(path: str, column: bytes, watches: Watches) -> None:
    watch = watches.get(path) or Watch()
    above = parent_of(path)
    parent = None if above is None else watches.get(above)
    if watch.take(column, NO_PRIOR if parent is None else _prior(parent)):
        watches.put(path, watch)


def _prior(parent: Watch) -> Prior:
    promoters, passives, detractors = parent.detector.before
    n = promoters + passives + detractors
    if not n or not parent.alike:
        return NO_PRIOR
    return Prior((promoters / n, passives / n, detractors / n), min(parent.alike, n))
