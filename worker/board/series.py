"""The history of an NPS as a chart has it: by day, week or month, and smoothed with its interval."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from worker.nps.histogram import nps
from worker.nps.interval import interval
from worker.nps.smoothed import HALVINGS
from worker.nps.windows import Classes

#: A day and its numbers of promoters, passives and detractors. The day is counted since 1970.
Day = tuple[int, int, int, int]

WEEK = 7
#: Day 0, counted since 1970, was a Thursday. A week begins on Monday, in UTC.
_MONDAY_BEFORE_1970 = 3
_EPOCH = date(1970, 1, 1)
#: The smoothed line has no points where it rests on fewer answers than this: its interval would span 60 points or more.
ENOUGH = 20.0


class Period(NamedTuple):
    """The answers of some days."""

    #: The first and the last day, counted since 1970.
    first: int
    last: int
    classes: Classes

    @property
    def n(self) -> int:
        """The number of answers."""
        return sum(self.classes)

    @property
    def nps(self) -> float | None:
        """The NPS in points; None without an answer."""
        return nps(*self.classes)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the 95 % interval of the NPS; None without an answer."""
        return interval(*self.classes) if self.n else None


class Smooth(NamedTuple):
    """The smoothed NPS at the end of a day, with the ends of its 95 % interval, in points."""

    day: int
    nps: float
    low: float
    high: float


def total(days: Sequence[Day], first: int, last: int) -> Period:
    """Return the answers from the day `first` to the day `last`."""
    [period] = _cut(days, [(first, last)])
    return period


def by_days(days: Sequence[Day], first: int, last: int) -> list[Period]:
    """Return each day from `first` to `last`, also those without answers."""
    return _cut(days, [(day, day) for day in range(first, last + 1)])


def by_weeks(days: Sequence[Day], first: int, last: int) -> list[Period]:
    """Return the weeks from `first` to `last`, from Monday to Sunday. The first and the last one may be cut."""
    spans = []
    start = first
    while start <= last:
        sunday = start + (WEEK - 1) - (start + _MONDAY_BEFORE_1970) % WEEK
        spans.append((start, min(sunday, last)))
        start = sunday + 1
    return _cut(days, spans)


def months(last: int, number: int) -> list[tuple[int, int]]:
    """Return the first and the last day of calendar months, up to the one in which the day `last` is, in UTC.

    The last one ends with `last`.
    """
    spans: list[tuple[int, int]] = []
    end = last
    for _ in range(number):
        start = ((_EPOCH + timedelta(days=end)).replace(day=1) - _EPOCH).days
        spans.append((start, end))
        end = start - 1
    return spans[::-1]


def smoothed_line(days: Sequence[Day], life: int, first: int, last: int, step: int = 1) -> list[Smooth]:
    """Return the smoothed NPS from the day `first` to the day `last`, every `step` days, counted back from `last`.

    `days`: also those before `first`; `life`: the half-life in days. worker/nps/smoothed.py has the formula; here the
    weighted sums follow from those of the day before. Days on which the line would rest on fewer than ENOUGH equally
    weighted answers have no point.
    """
    found = []
    for day, classes, n_eff in _weighted(days, life, last):
        if day < first or (last - day) % step or n_eff < ENOUGH:
            continue
        weight = sum(classes)
        promoters, passives, detractors = (n_eff * each / weight for each in classes)
        low, high = interval(promoters, passives, detractors)
        found.append(Smooth(day, 100.0 * (promoters - detractors) / n_eff, low, high))
    return found


def _weighted(days: Sequence[Day], life: int, last: int) -> Iterator[tuple[int, tuple[float, float, float], float]]:
    """Return each day from the first one with answers on: the weighted numbers up to then, and their n_eff."""
    known = {day: classes for day, *classes in days}
    none = [0, 0, 0]
    fade, oldest = 2.0 ** (-1.0 / life), HALVINGS * life
    gone = fade ** (oldest + 1)
    promoters = passives = detractors = squares = 0.0
    n = 0
    # The three sums are written out: a chart has hundreds of days, and a page several lines.
    for day in range(min(known, default=last + 1), last + 1):
        p_new, a_new, d_new = known.get(day, none)
        p_old, a_old, d_old = known.get(day - oldest - 1, none)
        entering, leaving = p_new + a_new + d_new, p_old + a_old + d_old
        n += entering - leaving
        if n:
            promoters = promoters * fade + p_new - p_old * gone
            passives = passives * fade + a_new - a_old * gone
            detractors = detractors * fade + d_new - d_old * gone
            squares = squares * fade * fade + entering - leaving * gone * gone
        else:  # without what rounding has left
            promoters = passives = detractors = squares = 0.0
        classes = max(0.0, promoters), max(0.0, passives), max(0.0, detractors)
        weight = sum(classes)
        yield day, classes, weight * weight / squares if n else 0.0


def _cut(days: Sequence[Day], spans: Sequence[tuple[int, int]]) -> list[Period]:
    """Return the answers of spans of days, which follow one another."""
    found = []
    known = iter(sorted(days))
    entry = next(known, None)
    for first, last in spans:
        sums = [0, 0, 0]
        while entry is not None and entry[0] <= last:
            if entry[0] >= first:
                sums = [more + each for more, each in zip(sums, entry[1:], strict=True)]
            entry = next(known, None)
        promoters, passives, detractors = sums
        found.append(Period(first, last, (promoters, passives, detractors)))
    return found
