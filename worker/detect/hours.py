"""How the hours of the day of a segment differ from each other, beyond the chance of single answers.

In the evening other customers answer than in the morning. A detector that does not know this takes each evening for a
drop as soon as it has answers enough to see the difference.

A day has eight blocks of three hours, in UTC. Each block is compared with the whole of its own day, so neither the
level of a day nor its day of the week matters. The sums of these comparisons are all that is kept, and they forget.
What they say is drawn towards what is known of the segment above, or towards zero, the more so the fewer answers there
are (empirical Bayes, as in days.py).
"""

from array import array
from collections.abc import Iterator, Sequence

import msgspec

from worker.detect.days import BLOCKS, HOURS_OF_BLOCK, Days, variance_beyond_chance
from worker.nps import columns

_DAY = 24
#: A segment with fewer answers on a usual day does not learn its hours: a difference between them cannot matter there.
FEWEST_A_DAY = 20.0
#: Each day, the sums lose this part. So they are worth 40 days at most, as a baseline is.
_FORGOTTEN = 1 / 40
#: How much a block usually differs from the block of the segment above, before its own answers have shown it: the
#: variance, in squared points, and how uncertain this variance is, as a standard deviation.
_VARIANCE, _UNCERTAIN = 9.0, 20.0


class Hours(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What has been seen of the hours of the day."""

    #: The days before this one are in the sums, or are left out; counted since 1970; 0 if no day has been seen.
    until: int = 0
    #: For each block, the number of its answers, and then for each block this number times the points by which its NPS
    #: is better than that of its day. It is a column of 16 numbers of 4 bytes, or empty if nothing is known.
    sums: bytes = b""


def noted(hours: Hours, column: Sequence[int], width: int, until: int) -> Hours:
    """Return what has been seen with the days of a column before `until`, which is counted since 1970.

    `column`: `width` numbers for each hour: the hour since 1970, promoters, passives and detractors. A day that is one
    entry says nothing, since its hours are not known.
    """
    sums = columns.read_floats(hours.sums) if hours.sums else array(columns.FLOATS, [0.0] * 2 * BLOCKS)
    days = list(_days(column, width, hours.until, until))
    if not hours.until:
        # An older version may have made one entry of the first hours of a day of which it kept the others.
        days = days[1:]
    for answers, points in days:
        total = sum(answers)
        mean = sum(points) / total
        for block in range(BLOCKS):
            sums[block] = sums[block] * (1 - _FORGOTTEN) + answers[block]
            better = points[block] - answers[block] * mean
            sums[BLOCKS + block] = sums[BLOCKS + block] * (1 - _FORGOTTEN) + better
    return Hours(until, columns.write(sums) if any(sums) else b"")


def _days(column: Sequence[int], width: int, since: int, until: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the answers and the sum of their values in points of each block, of each day with several entries."""
    day, entries = -1, 0
    answers, points = [0] * BLOCKS, [0] * BLOCKS
    for hour, promoters, passives, detractors in zip(*(column[at::width] for at in range(width)), strict=True):
        if hour // _DAY >= until:
            break
        n = promoters + passives + detractors
        if hour // _DAY < since or not n:
            continue
        if hour // _DAY != day:
            if entries > 1:
                yield answers, points
            day, entries = hour // _DAY, 0
            answers, points = [0] * BLOCKS, [0] * BLOCKS
        entries += 1
        block = hour % _DAY // HOURS_OF_BLOCK
        answers[block] += n
        points[block] += 100 * (promoters - detractors)
    if entries > 1:
        yield answers, points


def blocks(hours: Hours, variance: float, parent: Days) -> tuple[float, ...]:
    """Return by how many points each block of three hours is usually better than its day, the one from 00:00 UTC first.

    It is what is known of the parent if the segment has shown nothing. `variance`: that of a single answer, in squared
    points; `parent`: how the hours of the segment above differ.
    """
    if not hours.sums:
        return parent.blocks
    sums = columns.read_floats(hours.sums)
    answers, better = sums[:BLOCKS], sums[BLOCKS:]
    total = sum(answers)
    prior = parent.blocks or (0.0,) * BLOCKS
    seen = [
        (n, points / n - before, 1 - n / total)
        for n, points, before in zip(answers, better, prior, strict=True)
        if 0 < n < total
    ]
    between = variance_beyond_chance(seen, variance, _VARIANCE, _UNCERTAIN)
    found = [
        before + between / (between + variance / n) * (points / n - before) if n and between else before
        for n, points, before in zip(answers, better, prior, strict=True)
    ]
    mean = sum(n * offset for n, offset in zip(answers, found, strict=True)) / total
    return tuple(offset - mean for offset in found)
