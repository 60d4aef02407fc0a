"""How often the interval of an incident's change contains the true size of the drop."""

from functools import partial
from typing import NamedTuple

import numpy as np

from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, USUAL
from schemas.alert import Severity
from worker.detect.days import Days
from worker.detect.drops import NO_PRIOR, Detector, Group, dropped
from worker.detect.sizes import SizeOfChange, fall_of_level
from worker.flow.incidents.incident import severity_of
from worker.flow.policy import IncidentPolicy

_SEED = 21
_SIZES, _RATES, _BASELINES = (10, 15, 20, 30, 40), (10, 50, 500, 5_000), (200, 1_000, 5_000)
_YEAR, _SEGMENTS = 365, 85
_THRESHOLD = _YEAR * _SEGMENTS / IncidentPolicy().false_alarms_per_year
#: Answers are kept for this many days. The drop comes within a week, and a run ends after a number of days.
_KEPT, _WEEK, _GIVEN_UP = 90, 7, 120


class Drop(NamedTuple):
    """A drop by some points, of a segment with some answers a day and in its baseline."""

    points: int
    rate: int
    baseline: int


def found(drop: Drop, seed: int) -> SizeOfChange | None:
    """Return what the incident says about the size; None if the drop is not found, or was reported before it was."""
    chance = np.random.default_rng(seed)
    detector, groups = Detector(days=Days(usual=drop.rate)), []
    days = min(_KEPT, max(1, drop.baseline // drop.rate))
    per_day = chance.multinomial(drop.baseline, [1 / days] * days)
    for day in range(days):
        counts = [int(n) for n in chance.multinomial(per_day[day], USUAL)]
        groups.append(Group((day + 1) * DAY, *counts))
    promoters, passives, detractors = (float(sum(column)) for column in list(zip(*groups, strict=True))[1:])
    detector.baseline = (promoters, passives, detractors)
    began = groups[-1].hour + DAY + int(chance.integers(_WEEK * DAY))
    for hour in range(groups[-1].hour + 1, began + _GIVEN_UP * DAY):
        shares = USUAL if hour < began else dropped(USUAL, drop.points)
        counts = [int(n) for n in chance.multinomial(chance.poisson(drop.rate / DAY), shares)]
        if sum(counts):
            groups.append(Group(hour, *counts))
            detector.take(groups[-1], NO_PRIOR)
        if detector.has_dropped(_THRESHOLD):
            return None if hour < began else fall_of_level(groups)
    return None


def sizes(drop: Drop, runs: int) -> list[SizeOfChange]:
    """Return what the incidents say about the size, in the runs in which the drop was found."""
    return [size for run in range(runs) if (size := found(drop, _SEED + run)) is not None]


def report(runs: int) -> Report:
    """Return the table, with `runs` runs for each size, rate and baseline."""
    drops = [
        Drop(points, rate, baseline)
        for points in _SIZES
        for rate in _RATES
        for baseline in _BASELINES
        if baseline >= rate // DAY
    ]
    said = dict(zip(drops, spread(partial(sizes, runs=runs), drops), strict=True))
    chosen = {f"-{points}": [drop for drop in drops if drop.points == points] for points in _SIZES}
    chosen |= {f"{rate:,} answers a day": [drop for drop in drops if drop.rate == rate] for rate in _RATES}
    chosen |= {"all": drops}
    rows, coverage = [], 0.0
    for title, some in chosen.items():
        pairs = [(drop.points, size) for drop in some for size in said[drop]]
        coverage = sum(size.low <= -points <= size.high for points, size in pairs) / max(len(pairs), 1)
        excess = sum(-size.points - points for points, size in pairs) / max(len(pairs), 1)
        critical = sum(severity_of(size) is Severity.CRITICAL for _, size in pairs) / max(len(pairs), 1)
        rows.append([title, str(len(pairs)), f"{coverage:.3f}", f"{excess:+.1f}", f"{critical:.0%}"])
    head = ["drop", "found", "interval contains it", "points too large, on average", "critical"]
    return Report([Table(head, rows)], {"change.coverage": coverage})


PART = Part("change", "how often the interval of a drop's size contains the true size", 20, report)
