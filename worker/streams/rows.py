"""The rows of one table partition, and how a changelog that two workers wrote to is read.

Each row on the changelog begins with a *fence*, the number of the ownership it was written under. A worker that takes a
partition over writes a head row with a higher fence before it does anything else. Reading the log in order, whatever
comes with a lower fence after that was written by a worker that had lost the partition without noticing (a zombie), and
is left out.

The head row also holds the *mark*, the highest source offset whose rows are all durable, and what the core notes of
records that were sent on. It is the last row of every write, so where it is there, the others are: records at or below
the mark are replays.

This is the second line of defence, behind the lease (`lease.py`), and it has limits: a zombie's late tombstone has no
fence, and compaction may drop the good row for a zombie's later one of the same key.
"""

import struct

import msgspec

#: No identifier has a NUL, so no row of the core can have this key.
HEAD_KEY = b"\x00head"

_FENCE = struct.Struct(">I")


class Head(msgspec.Struct, array_like=True, frozen=True):
    """The head row. `sent_on`: as in worker.flow.road.Batch."""

    mark: int = -1
    sent_on: dict[int, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Head).decode


class Partition:
    """Rows by key, without their fence; the head row; `fence`: the highest seen."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.head = Head()
        self.fence = 0

    def apply(self, key: bytes, logged: bytes | None) -> None:
        """Take over one record of the changelog, in the log's order."""
        if logged is None:
            self.rows.pop(key, None)
            return
        (fence,) = _FENCE.unpack_from(logged)
        if fence < self.fence:
            return
        self.fence = fence
        row = logged[_FENCE.size :]
        if key == HEAD_KEY:
            self.head = _decode(row)
        else:
            self.rows[key] = row

    def fenced(self, row: bytes) -> bytes:
        """Return a row as it goes to the changelog under the present fence."""
        return _FENCE.pack(self.fence) + row

    def fenced_head(self, head: Head) -> bytes:
        """Return a head row as it goes to the changelog under the present fence."""
        return self.fenced(_encode(head))
