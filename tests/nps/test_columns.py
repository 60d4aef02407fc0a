"""Columns are little-endian, whatever the machine."""

import struct
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.nps import columns

Numbers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)


@given(Numbers)
def test_numbers_are_written_as_documented_and_read_again(numbers: list[int]) -> None:
    column = columns.write(array("q", numbers))

    assert struct.pack(f"<{len(numbers)}q", *numbers) == column
    assert numbers == columns.read(column).tolist()


@pytest.mark.skipif(sys.byteorder != "little", reason="pretends to be what this machine is not")
def test_on_a_big_endian_machine_they_are_turned_round(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = array("q", [1, 2**40])
    monkeypatch.setattr(sys, "byteorder", "big")
    column = columns.write(numbers)

    assert struct.pack(">2q", 1, 2**40) == column
    assert [1, 2**40] == numbers.tolist() == columns.read(column).tolist()


def test_numbers_with_a_decimal_point_come_back_and_take_four_bytes() -> None:
    numbers = array("f", (0.5, -3.25, 0.0))

    assert columns.read_floats(columns.write(numbers)) == numbers
    assert len(columns.write(numbers)) == 12
