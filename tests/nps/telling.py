"""Entries for segments, and what is in them, number by number."""

from array import array
from collections.abc import Iterable

from worker.nps import columns
from worker.nps.segment import Entries, Move


def entries(put: Iterable[int] = (), moves: Iterable[Move] = ()) -> Entries:
    """Return entries; `put`: offset, time, id and score of each answer, one after the other."""
    return Entries(columns.write(array("q", put)), list(moves), b"")


def numbers(told: Entries) -> list[int]:
    """Return what is put in."""
    return columns.read(told.put).tolist()
