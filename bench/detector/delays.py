"""How soon a drop is found on one segment's answers, and how seldom there is a false alarm."""

from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, USUAL
from worker.detect.days import BLOCKS, HOURS_OF_BLOCK, Days
from worker.detect.drops import NO_PRIOR, Detector, Group, dropped, variance_of
from worker.detect.hours import FEWEST_A_DAY, Hours, blocks, noted
from worker.flow.policy import IncidentPolicy
from worker.nps.unreported import WIDTH

_SEED = 1
_YEAR = 365
_BUDGET: float = IncidentPolicy().false_alarms_per_year
#: A run with a drop ends after this many days, and one without a drop after this many times the threshold.
_LONGEST, _GIVEN_UP = 200, 8
#: Runs without a drop take so long that there are only this many of them.
_FEWEST_RUNS = 40
#: The sizes of the drops, in points.
SIZES = (10, 20, 30)


class Line(NamedTuple):
    """A line of the table. `learned`: of how many answers the baseline is; `segments`: how many the tree has."""

    a_day: int
    learned: int
    segments: int

    @property
    def threshold(self) -> float:
        """The threshold of the worker's default, in days."""
        return _YEAR * self.segments / _BUDGET


LINES = (
    Line(10, 1_500, 1),
    Line(50, 2_000, 1),
    Line(500, 20_000, 1),
    Line(5_000, 200_000, 1),
    Line(10, 500, 1),
    Line(10, 1_500, 85),
    Line(50, 2_000, 85),
    Line(500, 20_000, 85),
    Line(5_000, 200_000, 85),
)


def learned(a_day: float, answers: int, chance: np.random.Generator) -> Detector:
    """Return a detector that has learned from some answers; `a_day`: the answers of a usual day.

    What it has learned about the hours of the day is chance alone, since they do not differ.
    """
    by_block = chance.multinomial(answers // BLOCKS, USUAL, BLOCKS)
    promoters, passives, detractors = by_block.sum(axis=0)
    baseline = float(promoters), float(passives), float(detractors)
    return Detector(baseline=baseline, days=Days(usual=a_day, blocks=_hours(by_block) if a_day >= FEWEST_A_DAY else ()))


def _hours(by_block: NDArray[np.int64]) -> tuple[float, ...]:
    """Return what is learned about the hours of the day from the promoters, passives and detractors of each block."""
    column = [
        number for block, counts in enumerate(by_block.tolist()) for number in (DAY + block * HOURS_OF_BLOCK, *counts)
    ]
    return blocks(noted(Hours(1), column, WIDTH, 2), variance_of(USUAL), Days())


def found_after(line: Line, points: float, chance: np.random.Generator) -> float:
    """Return after how many days of hours there is an alarm; `points`: the size of the drop, 0 for none."""
    detector, shares = learned(line.a_day, line.learned, chance), dropped(USUAL, points)
    limit = _LONGEST if points else _GIVEN_UP * line.threshold
    for hour in count(1):
        n = chance.poisson(line.a_day / DAY)
        if n:
            detector.take(Group(hour, *map(int, chance.multinomial(n, shares))), NO_PRIOR)
        if detector.has_dropped(line.threshold) or hour >= limit * DAY:
            return hour / DAY
    raise AssertionError


def lengths(line: Line, points: float, runs: int) -> list[float]:
    """Return after how many days each run raised an alarm, the shortest first."""
    chance = np.random.default_rng(_SEED)
    return sorted(found_after(line, points, chance) for _ in range(runs))


def cells(line: Line, runs: int) -> list[str]:
    """Return a line's figures."""
    found = "not measured"
    if line.segments == 1:
        alone = lengths(line, 0, min(_FEWEST_RUNS, runs))
        found = f"{sum(alone) / len(alone):,.0f}"
    delays = [lengths(line, points, runs) for points in SIZES]
    return [found, *(" / ".join(f"{each[int(runs * share)]:.1f}" for share in (0.1, 0.5, 0.9)) for each in delays)]


def report(runs: int) -> Report:
    """Return the table. A figure is taken from `runs` runs; without a drop there are at most _FEWEST_RUNS."""
    head = ["answers a day", "baseline of", "segments", "threshold, days", "false alarm after, days"]
    rows = [
        [f"{line.a_day:,}", f"{line.learned:,}", str(line.segments), f"{line.threshold:,.0f}", *found]
        for line, found in zip(LINES, spread(partial(cells, runs=runs), LINES), strict=True)
    ]
    return Report([Table([*head, *(f"-{points}: 10 / 50 / 90 %" for points in SIZES)], rows)], {})


PART = Part("delays", "after how many days a drop is found, and a false alarm is raised", 100, report)
