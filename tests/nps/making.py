"""Entries for segments, and what is in them, number by number."""

from array import array
from collections.abc import Iterable

from worker.nps import columns
from worker.nps.segment import Entries, Move


def entries(put: Iterable[int] = (), moves: Iterable[Move] = ()) -> Entries:
    """Return entries; `put`: offset, time, id and score of each answer, one after the other."""
    return Entries(columns.write(array("q", put)), list(moves), b"")


def numbers(of: Entries) -> list[int]:
    """Return the numbers of the answers that are put in."""
    return columns.read(of.put).tolist()
