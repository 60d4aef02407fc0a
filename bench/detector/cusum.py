"""The delay of a drop of 20 points, compared with a plain CUSUM that is made for this size.

Both see the same answers and the same baseline, and both have as many false alarms: each one's threshold is the value
that it exceeds in a part of the runs without a drop.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from bench.detector.delays import learned
from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, USUAL
from worker.detect.drops import NO_PRIOR, Group, dropped, log_ratios

_SEED = 2
_SIZE = 20
#: How long a run without a drop lasts, and one with a drop at most, in days.
_ALONE, _DROPPED = 120, 80
#: The share of the runs without a drop that may have a false alarm: one in 120 days / 5 %, that is in 2,400 days.
_FALSE = 0.05


class Line(NamedTuple):
    """A line of the table: the answers of a day, and of how many answers the baseline is."""

    a_day: int
    learned: int


LINES = (Line(10, 1_500), Line(50, 2_000), Line(200, 8_000))


class Path(NamedTuple):
    """The statistics of a run, the highest so far at the end of each hour."""

    worker: list[float]
    cusum: list[float]


def path(line: Line, points: float, days: int, chance: np.random.Generator) -> Path:
    """Return the statistics of a run; `points`: the size of its drop, 0 for none."""
    detector, shares = learned(line.a_day, line.learned, chance), dropped(USUAL, points)
    found, cusum = Path([0.0], [0.0]), 0.0
    for hour in range(1, days * DAY + 1):
        n = chance.poisson(line.a_day / DAY)
        if n:
            group = Group(hour, *map(int, chance.multinomial(n, shares)))
            own = sum(detector.baseline)
            promoters, passives, detractors = detector.baseline
            usual = promoters / own, passives / own, detractors / own
            cusum = max(0.0, cusum + log_ratios(usual, group.classes, (_SIZE,))[0])
            detector.take(group, NO_PRIOR)
        found.worker.append(max(found.worker[-1], detector.r))
        found.cusum.append(max(found.cusum[-1], cusum))
    return found


def delays(alone: Sequence[float], paths: Sequence[Sequence[float]]) -> Iterator[float]:
    """Yield after how many days the statistic of each path exceeds the threshold that `alone` exceeds seldom."""
    threshold = float(np.quantile(alone, 1 - _FALSE))
    for values in paths:
        yield int(np.searchsorted(np.asarray(values), threshold)) / DAY


def compare(line: Line, runs: int) -> tuple[float, float]:
    """Return the mean delay of the worker's statistic and of the CUSUM, in days."""
    chance = np.random.default_rng(_SEED)
    alone = [path(line, 0, _ALONE, chance) for _ in range(2 * runs)]
    fallen = [path(line, _SIZE, _DROPPED, chance) for _ in range(runs)]
    means = [
        float(np.mean(list(delays([each[which][-1] for each in alone], [each[which] for each in fallen]))))
        for which in (0, 1)
    ]
    return means[0], means[1]


def report(runs: int) -> Report:
    """Return the table, from `runs` runs with a drop and twice as many without one."""
    rows, figures = [], {}
    for line, (worker, cusum) in zip(LINES, spread(partial(compare, runs=runs), LINES), strict=True):
        rows.append([f"{line.a_day:,}", f"{line.learned:,}", f"{worker:.1f}", f"{cusum:.1f}", f"{worker / cusum:.2f}"])
        figures[f"delay_to_cusum_{line.a_day}"] = worker / cusum
    head = ["answers a day", "baseline of", "worker: mean delay, days", "CUSUM: mean delay, days", "ratio"]
    return Report([Table(head, rows)], figures)


PART = Part("cusum", "the delay of a drop of 20 points, compared with a CUSUM that is made for it", 200, report)
