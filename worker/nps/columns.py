"""Columns: numbers one after the other, as rows and messages hold them.

If numbers were packed one by one, that would be most of the cost of reading and writing a segment's row.
"""

import sys
from array import array
from collections.abc import Iterable
from typing import TypeVar

Number = TypeVar("Number", int, float)

#: The type code of numbers of 8 bytes with a sign.
SIGNED = "q"
#: The type codes of numbers of 1, 2, 4 and 8 bytes without a sign.
WIDTHS = "BHIQ"
#: The type code of numbers of 4 bytes with a decimal point.
FLOATS = "f"


def read(column: bytes, code: str = SIGNED) -> "array[int]":
    """Return the numbers of a column."""
    return _ordered(array(code, column))


def write(numbers: "array[Number]") -> bytes:
    """Return numbers as a column, which is little-endian on every machine."""
    return numbers.tobytes() if sys.byteorder == "little" else _ordered(numbers[:]).tobytes()


def wider(numbers: "Iterable[int]", most: int) -> "array[int]":
    """Return the numbers in the narrowest type that can hold `most`, which is the largest of them."""
    return array(next(code for code in WIDTHS if most >> 8 * array(code).itemsize == 0), numbers)


def read_floats(column: bytes) -> "array[float]":
    """Return the numbers of 4 bytes with a decimal point of a column."""
    return _ordered(array(FLOATS, column))


def _ordered(numbers: "array[Number]") -> "array[Number]":
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers
