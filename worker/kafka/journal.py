"""A journal for atomic writes: all rows of a write are there or no row, also if one produce batch is too small.

If one decision depends on many rows, a crash must not leave some of them changed and others not. So a large write has
three steps. First, the rows are written in pieces, under keys of their own, with a head row that says how many pieces
there are. Then they are written row by row, with a head row that says that there are no pieces. Then the pieces are
erased. After a crash, either the old rows are there, and perhaps pieces that no head row refers to, or everything that
is needed to complete the write.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

Rows = Mapping[bytes, bytes | None]

#: The beginning of the pieces' keys. No identifier has a NUL.
_KEY = b"\x00piece"
#: The size that one produce batch can certainly hold, in bytes.
LARGEST = 500_000
#: What a record adds to the size of its key and its row, in bytes.
_RECORD_OVERHEAD = 64

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[bytes, bytes | None]).decode


def fits(rows: Rows) -> bool:
    """Say whether the rows fit one produce batch."""
    return total_size(rows) <= LARGEST


def size(key: bytes, row: bytes | None) -> int:
    """Return what a row takes in a produce batch at most, without compression, in bytes."""
    return len(key) + len(row or b"") + _RECORD_OVERHEAD


def total_size(rows: Rows) -> int:
    """Return what rows take in a produce batch at most, without compression, in bytes."""
    return sum(size(key, row) for key, row in rows.items())


def portions(rows: Rows) -> Iterator[dict[bytes, bytes | None]]:
    """Yield the rows in order, in portions that fit one produce batch each. A larger row is a portion of its own."""
    portion: dict[bytes, bytes | None] = {}
    portion_size = 0
    for key, row in rows.items():
        portion_size += size(key, row)
        if portion_size > LARGEST and portion:
            yield portion
            portion, portion_size = {}, size(key, row)
        portion[key] = row
    yield portion


def pieces(rows: Rows) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pieces of a write with their keys. Each piece is encoded only when it is asked for."""
    for number, portion in enumerate(portions(rows)):
        yield _key(number), _encode(portion)


def keys(rows: Iterable[bytes]) -> list[bytes]:
    """Return those of the keys that are keys of pieces."""
    return sorted(key for key in rows if key.startswith(_KEY))


def joined(rows: Mapping[bytes, bytes], count: int) -> dict[bytes, bytes | None]:
    """Return the rows of a write that has `count` pieces, which are among `rows`. Raise KeyError if one is missing."""
    return {key: row for number in range(count) for key, row in _decode(rows[_key(number)]).items()}


def _key(number: int) -> bytes:
    return b"%b %06d" % (_KEY, number)
