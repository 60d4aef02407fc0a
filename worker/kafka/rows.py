"""The rows of one table partition, and how a changelog that two workers wrote to is read.

Each record on the changelog carries a *fence*, which says under which ownership it was written: before the row, or in a
header where there is none (a null value erases). A worker that takes a partition over writes a head row with a higher
fence before it does anything else. Reading the log in order, whatever comes with a lower fence after that was written
by a worker that had lost the partition without noticing (a zombie), and is left out.

A fence is the consumer group's generation, in which a partition has one owner. Should the group be deleted, its
generations begin anew: that is another *era*, which counts before the generation.

The head row also holds the *mark*, the highest source offset whose rows are all durable, and what the core notes of
records that were rerouted. It is the last row of every write, so where it is there, the others are: records at or below
the mark are replays.

Compaction knows nothing of fences: it may drop the good record of a key for a zombie's later one. So whose last record
is a zombie's is remembered (`stale`), and written anew by whoever finds it (table.py).
"""

import struct
from functools import lru_cache
from typing import NamedTuple

import msgspec

from schemas.cloudevents import Headers

#: No identifier has a NUL, so no row of the core can have this key.
HEAD_KEY = b"\x00head"

#: The header of a null value.
FENCE_HEADER = "fence"
_FENCE = struct.Struct(">II")


class Fence(NamedTuple):
    """An ownership; a later one is greater."""

    era: int
    generation: int


class Head(msgspec.Struct, array_like=True, frozen=True):
    """The head row: how far the rows of a partition have come."""

    #: The highest offset of the consumed topic whose effects are in the rows, as the core counts offsets (`base`).
    mark: int = -1
    #: As in worker.flow.responses.road.Batch; its offsets are the core's as well.
    rerouted: dict[int, int] = {}
    #: The offset at which the table's view ends (lane.py).
    view_end: int = 0
    #: The number of pieces of a large write that is not finished yet (journal.py); 0 if there is none.
    pieces: int = 0
    #: Whether a rebuild of the rows was begun and is not finished: until then no worker may go on from them.
    rebuilding: bool = False
    #: How much higher the core's offsets are than those of the topic that is consumed now. It is 0 until the topic is
    #: deleted and created again, or cut back (source.py).
    base: int = 0
    #: The Kafka timestamp of the record at the mark, in ms, by which another record at the same offset is recognised;
    #: negative if it is not known.
    marked_at: int = -1
    #: As in worker.flow.responses.road.Batch; 0 if it is not known.
    latest_time: int = 0

    @property
    def stands_at(self) -> int:
        """The first offset of the consumed topic whose effects are not durable yet."""
        return max(0, self.mark + 1 - self.base)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Head).decode

#: A record of the changelog without its place: key, value, headers.
Logged = tuple[bytes, bytes | None, Headers]


def fence_of(logged: bytes | None, headers: Headers) -> Fence | None:
    """Return the fence that a record of the changelog carries; None if no worker can have written it."""
    fenced = logged if logged is not None else dict(headers).get(FENCE_HEADER)
    return Fence(*_FENCE.unpack_from(fenced)) if fenced is not None and len(fenced) >= _FENCE.size else None


@lru_cache(maxsize=64)
def _packed(fence: Fence) -> bytes:
    return _FENCE.pack(*fence)


class Partition:
    """The state of one partition of a table, as its changelog has it."""

    def __init__(self) -> None:
        #: The rows by key, without their fences.
        self.rows: dict[bytes, bytes] = {}
        #: The head row.
        self.head = Head()
        #: The highest fence seen, and the fence under which this worker writes from its take-over on.
        self.fence = self.own = Fence(0, 0)
        #: The keys whose last record on the changelog is a zombie's.
        self.stale: set[bytes] = set()
        #: The offset of the changelog that the state has come to. If nobody else writes, this worker's next record will
        #: lie there.
        self.end = 0

    @property
    def is_overtaken(self) -> bool:
        """Whether a worker of a later ownership has written."""
        return self.fence > self.own

    def apply(self, offset: int, key: bytes, logged: bytes | None, headers: Headers) -> None:
        """Take over one record of the changelog, in the log's order.

        What is no worker's is left out like a zombie's: compaction would keep it in place of the row.
        """
        self.end = offset + 1
        fence = fence_of(logged, headers)
        if fence is None or fence < self.fence:
            self.stale.add(key)
            return
        self.fence = fence
        self.stale.discard(key)
        if logged is None:
            self.rows.pop(key, None)
        elif key == HEAD_KEY:
            self.head = _decode(logged[_FENCE.size :])
        else:
            self.rows[key] = logged[_FENCE.size :]

    def logged(self, key: bytes, row: bytes | None) -> Logged:
        """Return a row as it goes to the changelog; None erases."""
        fence = _packed(self.own)
        return (key, None, [(FENCE_HEADER, fence)]) if row is None else (key, fence + row, [])

    def logged_head(self, head: Head) -> Logged:
        """Return a head row as it goes to the changelog."""
        return self.logged(HEAD_KEY, _encode(head))

    def logged_again(self, key: bytes) -> Logged:
        """Return the record that says what this partition has under a key, be it nothing."""
        return self.logged_head(self.head) if key == HEAD_KEY else self.logged(key, self.rows.get(key))
