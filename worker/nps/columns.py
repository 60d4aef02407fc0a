"""Columns: whole numbers side by side, as a row or a message holds them.

Numbers that are packed one by one are most of what reading and writing a segment's row costs.
"""

import sys
from array import array
from collections.abc import Iterable

#: What a number takes, by type code: 8 bytes with a sign; 1, 2, 4 or 8 bytes, from 0 on.
SIGNED = "q"
WIDTHS = "BHIQ"


def read(column: bytes, code: str = SIGNED) -> "array[int]":
    """Return the numbers of a column."""
    return _ordered(array(code, column))


def write(numbers: "array[int]") -> bytes:
    """Return numbers as a column: little-endian, on every machine."""
    return numbers.tobytes() if sys.byteorder == "little" else _ordered(numbers[:]).tobytes()


def wider(numbers: "Iterable[int]", most: int) -> "array[int]":
    """Return the numbers as wide as the largest of them must be."""
    return array(next(code for code in WIDTHS if most >> 8 * array(code).itemsize == 0), numbers)


def _ordered(numbers: "array[int]") -> "array[int]":
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers
