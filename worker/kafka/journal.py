"""A write that is there as a whole or not at all, though it is too large for one produce batch.

Where one decision rests on many rows, a crash must not leave some of them changed and others not. So a large write is
first put down in pieces, under keys of their own, with a head row that says how many there are; then row by row, with a
head row that says there are none; then the pieces are erased. What a crash leaves is either the rows as they were, with
pieces that nothing asks for, or all that is needed to go on.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

Rows = Mapping[bytes, bytes | None]

#: No identifier has a NUL.
_KEY = b"\x00piece"
#: What one produce batch takes for certain, in bytes, and what a record has beside its row.
LARGEST = 500_000
_AROUND_A_ROW = 64

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[bytes, bytes | None]).decode


def fits(rows: Rows) -> bool:
    """Say whether rows go into one produce batch."""
    return sum(_size(key, row) for key, row in rows.items()) <= LARGEST


def portions(rows: Rows) -> Iterator[dict[bytes, bytes | None]]:
    """Return the rows in their order, in portions of which each goes into one produce batch, unless a row is larger."""
    portion: dict[bytes, bytes | None] = {}
    size = 0
    for key, row in rows.items():
        size += _size(key, row)
        if size > LARGEST and portion:
            yield portion
            portion, size = {}, _size(key, row)
        portion[key] = row
    yield portion


def pieces(rows: Rows) -> Iterator[tuple[bytes, bytes]]:
    """Return the pieces of a write with their keys; each is made when it is asked for."""
    for number, portion in enumerate(portions(rows)):
        yield _key(number), _encode(portion)


def keys(rows: Iterable[bytes]) -> list[bytes]:
    """Return the keys of pieces among others."""
    return sorted(key for key in rows if key.startswith(_KEY))


def joined(rows: Mapping[bytes, bytes], count: int) -> dict[bytes, bytes | None]:
    """Return the write that so many pieces among rows make up. Raise KeyError if one is missing."""
    return {key: row for number in range(count) for key, row in _decode(rows[_key(number)]).items()}


def _key(number: int) -> bytes:
    return b"%b %06d" % (_KEY, number)


def _size(key: bytes, row: bytes | None) -> int:
    return len(key) + len(row or b"") + _AROUND_A_ROW
