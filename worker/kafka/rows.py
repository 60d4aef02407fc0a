"""The state of one table partition, and how a changelog is read to which two workers have written.

Each record on the changelog carries a *fence*, which says under which ownership it was written. It stands before the
row, or in a header if there is no row (a null value erases). A worker that takes a partition over first writes a head
row with a higher fence. When the changelog is read in order, every later record with a lower fence comes from a worker
that had lost the partition without noticing it (a zombie), and is skipped.

A fence holds the generation of the consumer group, in which a partition has one owner. If the group is deleted, its
generations start from the beginning. This starts another *era*, and a higher era counts more than any generation.

The head row also holds the *mark*, the highest source offset whose effects are durable together with those of all
earlier offsets, and the notes of the core (the pure code in worker/flow) about records that were rerouted. It is the
last row of every write, so if it is there, the others are too: records at or below the mark are replays.

Compaction knows nothing of fences: it may drop the valid record of a key and keep a zombie's later one. So a key whose
last record is a zombie's is remembered as *stale*, and the worker that finds it writes its row again (table.py).

Any program may write to a changelog by mistake. A record that no worker has written is a *stray*: it is skipped, and
its key is stale. It is recognised by its fence. No group reaches the limits of eras and generations below, so a fence
of a worker has a zero at its first, second and fifth byte. No text has, and hardly any other format.
"""

import struct
from functools import lru_cache
from typing import NamedTuple

import msgspec

from schemas.cloudevents import Headers

#: The key of the head row. No identifier has a NUL, so no row of the core can have this key.
HEAD_KEY = b"\x00head"

#: The header that carries the fence of a null value.
FENCE_HEADER = "fence"
_FENCE = struct.Struct(">II")


#: There are fewer eras than this: each needs a rebuild, a new epoch, or a consumer group that is deleted.
_ERAS = 1 << 16
#: The generations of a fence are below this. The generation that comes after them begins another era.
GENERATIONS = 1 << 24


class Fence(NamedTuple):
    """One worker's ownership of a partition. A later ownership has a greater fence."""

    era: int
    generation: int


class Head(msgspec.Struct, array_like=True, frozen=True):
    """The head row, which says how far a partition's state is. Its stored form depends on the order of the fields."""

    #: The highest offset of the consumed topic whose effects are in the rows, as the core counts offsets (`base`).
    mark: int = -1
    #: As in worker.flow.responses.road.Batch. Its offsets are the core's too.
    rerouted: dict[int, int] = {}
    #: The offset at which the table's view ends (lane.py).
    view_end: int = 0
    #: The number of pieces of a large write that is not complete yet (journal.py); 0 if there is no such write.
    pieces: int = 0
    #: Whether a rebuild of the rows has begun and is not complete. Until it is, no worker may use the rows.
    rebuilding: bool = False
    #: The difference between the core's offsets and those of the topic that is consumed now. It is 0 until the topic is
    #: deleted and created again, or cut back (source.py).
    base: int = 0
    #: The Kafka timestamp of the record at the mark, in ms; negative if it is not known. If the record at that offset
    #: has another timestamp, it is another record.
    marked_at: int = -1
    #: As in worker.flow.responses.road.Batch; 0 if it is not known.
    latest_time: int = 0
    #: The changelog's first offset when a rebuild made the rows again. The state does not rest on records before it.
    front: int = 0

    @property
    def stands_at(self) -> int:
        """The first offset of the consumed topic whose effects are not durable yet; not the core's offset."""
        return max(0, self.mark + 1 - self.base)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Head).decode

#: A record of the changelog, without its partition and offset: key, value, headers.
ChangelogRecord = tuple[bytes, bytes | None, Headers]


def fence_of(value: bytes | None, headers: Headers) -> Fence | None:
    """Return the fence that a record of the changelog carries; None if no worker can have written it."""
    fenced = value if value is not None else dict(headers).get(FENCE_HEADER)
    if fenced is None or len(fenced) < _FENCE.size:
        return None
    fence = Fence(*_FENCE.unpack_from(fenced))
    return fence if fence.era < _ERAS and fence.generation < GENERATIONS else None


@lru_cache(maxsize=64)
def _packed(fence: Fence) -> bytes:
    return _FENCE.pack(*fence)


class PartitionState:
    """The state of one partition of a table, as its changelog holds it."""

    def __init__(self) -> None:
        #: The rows by key, without their fences. A running worker changes them by `put` only.
        self.rows: dict[bytes, bytes] = {}
        #: The size of all keys and rows in bytes, as `put` keeps it.
        self.size = 0
        #: The head row.
        self.head = Head()
        #: The highest fence read, and the fence under which this worker writes after its take-over.
        self.fence = self.own = Fence(0, 0)
        #: The keys whose last record on the changelog is a zombie's.
        self.stale: set[bytes] = set()
        #: The number of strays that nobody has been told of yet, and the offset of the last one.
        self.strays = 0
        self.last_stray = -1
        #: The offset up to which the changelog has been read or written. This worker's next record gets this offset, if
        #: no other worker writes.
        self.end = 0
        #: The end of the records that were deleted before they could be read; 0 if there were none.
        self.deleted_until = 0

    @property
    def is_cut(self) -> bool:
        """Whether rows may be missing, since the first records of the changelog were deleted.

        Compaction alone never moves the first offset of a log. Only retention and DeleteRecords do, and Kafka permits
        neither while cleanup.policy is "compact".
        """
        return self.deleted_until > self.head.front

    @property
    def is_overtaken(self) -> bool:
        """Whether a worker of a later ownership has written."""
        return self.fence > self.own

    def begin(self, first: int) -> None:
        """Note the first offset that the changelog has, before it is read from `end` on."""
        if first > self.end:
            self.deleted_until = first

    def apply(self, offset: int, key: bytes, value: bytes | None, headers: Headers) -> None:
        """Apply one record of the changelog. Records are applied in the order of their offsets.

        A record that no worker wrote makes its key stale, as a zombie's does: compaction would keep it in place of the
        row.
        """
        self.end = offset + 1
        fence = fence_of(value, headers)
        if fence is None:
            self.strays += 1
            self.last_stray = offset
        if fence is None or fence < self.fence:
            self.stale.add(key)
            return
        self.fence = fence
        self.stale.discard(key)
        if value is None:
            self.put(key, None)
        elif key == HEAD_KEY:
            self.head = _decode(value[_FENCE.size :])
        else:
            self.put(key, value[_FENCE.size :])

    def put(self, key: bytes, row: bytes | None) -> None:
        """Replace a row in memory; None removes it."""
        previous = self.rows.get(key)
        if previous is not None:
            self.size -= len(key) + len(previous)
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row
            self.size += len(key) + len(row)

    def record(self, key: bytes, row: bytes | None) -> ChangelogRecord:
        """Return the changelog record of a row. A row of None makes a record that erases the key."""
        fence = _packed(self.own)
        return (key, None, [(FENCE_HEADER, fence)]) if row is None else (key, fence + row, [])

    def head_record(self, head: Head) -> ChangelogRecord:
        """Return the changelog record of a head row."""
        return self.record(HEAD_KEY, _encode(head))

    def current_record(self, key: bytes) -> ChangelogRecord:
        """Return the changelog record of the current row under a key. The record erases if there is no row."""
        return self.head_record(self.head) if key == HEAD_KEY else self.record(key, self.rows.get(key))
