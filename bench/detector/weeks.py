"""False incidents of a tree whose answers never change, but whose days differ from each other."""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import NamedTuple

import numpy as np

from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, USUAL, Law, Tree, falls
from worker.detect.drops import Classes
from worker.flow.policy import IncidentPolicy

#: The days of a run that count, after those in which the levels are learned.
_LEARNED, _DAYS = 60, 300
#: How many hours are judged at once, if the hours of a day are alike.
_EVERY = 6
_YEAR = 365
_SEED = 70_000
#: By how many points working days and weekends differ from the mean, as it was measured at a shop.
_WORKING_DAY, _WEEKEND = 2.0, -5.0
#: By how many points evenings are worse than the rest of the day.
_EVENING = 12.0
#: By how many points two hours of the night are worse than the mean of a day.
_NIGHT = 15.0
_BUDGET: float = IncidentPolicy().false_alarms_per_year

#: The shares of the classes in an hour of a run, which its seed names.
Shares = Callable[[int, int], Classes]


class Line(NamedTuple):
    """A line of the table. `a_day`: the answers of a day of the whole tree; `leaves`: their paths."""

    name: str
    title: str
    a_day: float
    leaves: tuple[str, ...]
    shares: Shares
    #: How many hours are judged at once.
    every: int = _EVERY


def steady(_hour: int, _seed: int) -> Classes:
    """Return the shares where all days are alike."""
    return USUAL


def weekly(hour: int, _seed: int) -> Classes:
    """Return the shares with a weekly cycle."""
    return falls(USUAL, _WORKING_DAY if hour // DAY % 7 < 5 else _WEEKEND)


def evenings(hour: int, _seed: int) -> Classes:
    """Return the shares where the last eight hours of each day are worse than the others."""
    return falls(USUAL, -_EVENING * 2 / 3 if hour % DAY >= 16 else _EVENING / 3)


def weekend_evenings(hour: int, seed: int) -> Classes:
    """Return the shares where only the evenings of weekends are worse."""
    return evenings(hour, seed) if hour // DAY % 7 >= 5 else USUAL


def nights(hour: int, _seed: int) -> Classes:
    """Return the shares where two hours of each night are worse than the other hours."""
    return falls(USUAL, -_NIGHT if hour % DAY in (2, 3) else _NIGHT / 11)


def by_days(points: float, hour: int, seed: int) -> Classes:
    """Return the shares where each day has an effect of its own, the same in all leaves.

    `points`: its standard deviation.
    """
    return falls(USUAL, points * _drawn(seed, hour // DAY))


def _drawn(seed: int, day: int) -> float:
    """Return the effect of a day: standard normal, but at most 2.5."""
    return float(np.clip(np.random.default_rng((seed, day)).standard_normal(), -2.5, 2.5))


_ONE = ("",)
_SIXTY_FOUR = tuple(f"{country}/{region}/{shop}" for country in "abcd" for region in "efgh" for shop in "ijkl")
_SIXTEEN = tuple(f"{region}/{shop}" for region in "abcd" for shop in "efgh")
LINES = (
    Line("steady_85_segments", "64 leaves, 640 a day, all days alike", 640, _SIXTY_FOUR, steady),
    Line("steady_10", "10 a day, all days alike", 10, _ONE, steady),
    Line("steady_500", "500 a day, all days alike", 500, _ONE, steady),
    Line("steady_5000", "5,000 a day, all days alike", 5_000, _ONE, steady),
    Line("steady_tree", "16 leaves, 320 a day, all days alike", 320, _SIXTEEN, steady),
    Line("week_5000", "5,000 a day, weekly cycle +2 and -5", 5_000, _ONE, weekly),
    Line("week_tree", "16 leaves, 5,000 a day, weekly cycle", 5_000, _SIXTEEN, weekly),
    Line("evenings_50", "50 a day, evenings 12 points worse", 50, _ONE, evenings, 1),
    Line("evenings_500", "500 a day, evenings 12 points worse", 500, _ONE, evenings, 1),
    Line("evenings_5000", "5,000 a day, evenings 12 points worse", 5_000, _ONE, evenings, 1),
    Line("weekend_evenings_5000", "5,000 a day, only evenings of weekends so", 5_000, _ONE, weekend_evenings, 1),
    Line("nights_500", "500 a day, two hours at night 15 points worse", 500, _ONE, nights, 1),
    Line("nights_5000", "5,000 a day, two hours at night 15 points worse", 5_000, _ONE, nights, 1),
    Line("evenings_tree", "16 leaves, 5,000 a day, evenings 12 points worse", 5_000, _SIXTEEN, evenings, 1),
    Line("days_3_5000", "5,000 a day, day effect of 3 points", 5_000, _ONE, partial(by_days, 3)),
    Line("days_6_500", "500 a day, day effect of 6 points", 500, _ONE, partial(by_days, 6)),
    Line("days_3_tree", "16 leaves, 5,000 a day, day effect of 3 points", 5_000, _SIXTEEN, partial(by_days, 3)),
)


def law(line: Line, seed: int) -> Law:
    """Return how the leaves of a line answer."""

    def answers(_leaf: str, hour: int) -> tuple[float, Classes]:
        return line.a_day / DAY / len(line.leaves), line.shares(hour, seed)

    return answers


def incidents(line: Line, seed: int) -> int:
    """Return how many drops a run opened after its levels were learned."""
    tree = Tree(line.leaves, law(line, seed), seed, every=line.every)
    tree.live(_LEARNED)
    return sum(each.step.reason == "nps_fell" for each in tree.live(_DAYS))


def _of(place: tuple[int, int]) -> int:
    number, seed = place
    return incidents(LINES[number], seed)


def report(runs: int) -> Report:
    """Return the table: the false incidents of a year, and the standard error of this figure."""
    rows, figures = [], {}
    places = [(number, _SEED + run) for number in range(len(LINES)) for run in range(runs)]
    counted = spread(_of, places)
    for number, line in enumerate(LINES):
        found = counted[number * runs : (number + 1) * runs]
        a_year = sum(found) / len(found) / _DAYS * _YEAR
        error = sqrt(max(sum(found), 1)) / len(found) / _DAYS * _YEAR
        rows.append([line.title, f"{a_year:.1f} ± {error:.1f}", f"{_BUDGET:.0f}"])
        figures[f"false_incidents_a_year_{line.name}"] = a_year
    return Report([Table(["answers", "false incidents a year", "budget"], rows)], figures)


PART = Part("weeks", "how many false incidents a year a tree has whose days differ", 6, report)
