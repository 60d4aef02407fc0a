"""The answers of a segment before an event and since then, and what is left of them without those of its parts."""

from collections.abc import Iterable
from typing import NamedTuple

from worker.detect.drops import Classes


class Split(NamedTuple):
    """The answers of a segment before an event, and after it."""

    before: Classes
    after: Classes


def without(segment: Split, parts: Iterable[Split]) -> Split:
    """Return a segment's answers without those of some segments below it."""
    for part in parts:
        segment = Split(_minus(segment.before, part.before), _minus(segment.after, part.after))
    return segment


def _minus(segment: Classes, part: Classes) -> Classes:
    """Return a segment's answers less those of a part of it.

    No number is below zero: a part that has reported its hours earlier than the segment may have more answers.
    """
    return max(0.0, segment[0] - part[0]), max(0.0, segment[1] - part[1]), max(0.0, segment[2] - part[2])
