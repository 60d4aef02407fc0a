"""How the days of a segment differ from each other, beyond the chance of single answers.

Two things make the answers of a day alike. Days of the week differ: at weekends other customers answer. And each day
has an effect of its own, such as a delivery that is late everywhere. A detector that knows neither takes a bad weekend
for a drop as soon as there are answers enough to see it.

Each day is compared with the seven days around it. So a level that moves slowly, or moved once, says little about
either of the two. A segment with few answers does not know its own week. Its offsets are therefore drawn towards those
of its parent, and its variance between days towards its parent's, the more so the fewer answers there are (empirical
Bayes, as in likeness.py).
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

import msgspec

_WEEK = 7
#: A week is known only after this many days, so that each day of the week was there twice.
_FEWEST_DAYS = 14
#: How much the offset of a day of the week usually differs from its parent's: the variance, in squared points.
_OFFSETS = 9.0
#: The variance between days of a segment without a parent, in squared points, before its own days have shown it.
_VARIANCE = 4.0
#: How uncertain this variance is: its standard deviation, in squared points.
_UNCERTAIN = 20.0
#: 1970-01-01 was a Thursday, and Monday is the first day.
_THURSDAY = 3
_HOURS = 24
#: A day has this many blocks of hours (hours.py), each as long as this.
BLOCKS, HOURS_OF_BLOCK = 8, 3


class Days(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How the days of a segment differ. By default nothing is known of it."""

    #: The number of answers on a usual day; 0 if it is not known.
    usual: float = 0.0
    #: The variance of a day's NPS that answers alone do not explain, in squared points. It leaves out the offsets.
    variance: float = 0.0
    #: By how many points each day of the week is usually better than the mean, Monday first; empty if not known.
    offsets: tuple[float, ...] = ()
    #: By how many points each block of hours is usually better than its day, the one from 00:00 UTC first; empty if not
    #: known (hours.py).
    blocks: tuple[float, ...] = ()

    def offset(self, hour: int) -> float:
        """Return by how many points an hour (since 1970, UTC) is usually better than the mean, by its day and time."""
        return self.offset_of_day(hour) + (self.blocks[hour % _HOURS // HOURS_OF_BLOCK] if self.blocks else 0.0)

    def offset_of_day(self, hour: int) -> float:
        """Return by how many points the whole day of an hour (since 1970, UTC) is usually better than the mean."""
        return self.offsets[(hour // _HOURS + _THURSDAY) % _WEEK] if self.offsets else 0.0

    def inflation(self, variance: float) -> float:
        """Return by which factor the variance of a mean is larger than if each answer were drawn alone (1 or more).

        `variance`: that of a single answer, in squared points. It must not be zero.
        """
        return 1.0 + self.usual * self.variance / variance


class Day(msgspec.Struct, gc=False):
    """The answers of a day: how many, and the sum of their values in points (100, 0 or -100)."""

    n: int = 0
    points: int = 0


def by_day(column: Sequence[int], width: int, until: int) -> list[Day]:
    """Return the days of a column, one after the other, from its first one to the one before `until`.

    `column`: `width` numbers for each hour: the hour since 1970, promoters, passives and detractors; `until`: a day
    since 1970.
    """
    first = column[0] // _HOURS if column else until
    days = [Day() for _ in range(first, until)]
    for hour, promoters, passives, detractors in zip(*(column[at::width] for at in range(width)), strict=True):
        place = hour // _HOURS - first
        if place >= len(days):
            break
        day = days[place]
        day.n += promoters + passives + detractors
        day.points += 100 * (promoters - detractors)
    return days


def study(days: Sequence[Day], first: int, variance: float, parent: Days, blocks: tuple[float, ...] = ()) -> Days:
    """Return how days differ.

    `days`: one after the other; `first`: the number of the first one since 1970; `variance`: that of a single answer,
    in squared points; `parent`: how the days of the segment's parent differ; `blocks`: how the segment's hours differ.
    """
    answers = sum(day.n for day in days)
    if not answers:
        return parent
    usual = sum(day.n * day.n for day in days) / answers
    expected = parent.variance if parent.offsets else _VARIANCE
    if len(days) < _FEWEST_DAYS:
        return Days(usual, expected, parent.offsets, blocks)
    seen = list(_against_their_week(days, first))
    counts, raw = [0] * _WEEK, [0.0] * _WEEK
    for weekday, n, better in seen:
        counts[weekday] += n
        raw[weekday] += n * better
    raw = [total / n if n else 0.0 for total, n in zip(raw, counts, strict=True)]
    # A day is part of the week that it is compared with.
    share = 1 - 1 / _WEEK
    differing = ((n, better - raw[weekday], share) for weekday, n, better in seen)
    between = variance_beyond_chance(differing, variance, expected, _UNCERTAIN)
    times = len(days) / _WEEK
    offsets = []
    for weekday, n in enumerate(counts):
        prior = parent.offsets[weekday] if parent.offsets else 0.0
        trust = _OFFSETS / (_OFFSETS + variance / n + between / times) if n else 0.0
        offsets.append(prior + trust * (raw[weekday] - prior))
    total = sum(counts)
    mean = sum(n * offset for n, offset in zip(counts, offsets, strict=True)) / total if total else 0.0
    return Days(usual, between, tuple(offset - mean for offset in offsets), blocks)


def _against_their_week(days: Sequence[Day], first: int) -> Iterable[tuple[int, int, float]]:
    """Yield the weekday, the answers and the NPS less that of the seven days around it, of each day with answers."""
    numbers = list(accumulate((day.n for day in days), initial=0))
    points = list(accumulate((day.points for day in days), initial=0))
    half = _WEEK // 2
    for at in range(half, len(days) - half):
        day, start, end = days[at], at - half, at + half + 1
        if day.n:
            around = (points[end] - points[start]) / (numbers[end] - numbers[start])
            yield (first + at + _THURSDAY) % _WEEK, day.n, day.points / day.n - around


def variance_beyond_chance(
    seen: Iterable[tuple[float, float, float]], variance: float, expected: float, uncertain: float
) -> float:
    """Return the variance of some effects, in squared points: the expected one, corrected by what was seen.

    `seen`: the answers of each effect, by how many points they were better than expected, and the share that is left of
    the variance of this difference, since the answers are part of those that they are compared with; `variance`: that
    of a single answer, in squared points; `expected`, `uncertain`: the variance that the effects usually have, and the
    standard deviation of this variance.
    """
    total = weights = 0.0
    for n, better, share in seen:
        alone = variance / n
        weight = 1 / (expected + alone) ** 2
        total += weight * (better * better / share - alone)
        weights += weight
    if not weights:
        return expected
    trust = uncertain**2 / (uncertain**2 + 2 / weights)
    return max(0.0, expected + trust * (total / weights - expected))
