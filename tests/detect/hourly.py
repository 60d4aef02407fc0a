"""Hours as a segment reports them, and a watch that took them in."""

from array import array
from collections.abc import Iterable

from worker.detect.drops import NO_PRIOR
from worker.detect.watch import Watch
from worker.nps import columns

#: Which hour since 1970, and its promoters, passives and detractors.
Hour = tuple[int, int, int, int]


def column(reported: Iterable[Hour]) -> bytes:
    """Return hours as a message has them."""
    return columns.write(array("q", [number for hour in reported for number in hour]))


def hours(reported: bytes, code: str = columns.SIGNED) -> list[Hour]:
    """Return the hours of a message, or of a row, whose numbers take what `code` says."""
    numbers = columns.read(reported, code).tolist()
    return list(zip(numbers[::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True))


def watching(reported: Iterable[Hour]) -> Watch:
    """Return the watch over a segment that had these hours."""
    watch = Watch()
    watch.take(column(reported), NO_PRIOR)
    return watch
