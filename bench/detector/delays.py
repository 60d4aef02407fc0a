"""How soon a drop is found on one segment's answers, and how seldom there is a false alarm."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from math import exp
from typing import NamedTuple

from bench.detector.part import Part, Report, Table, spread
from worker.detect.drops import DROPS, NO_PRIOR, Classes, Detector, Group, dropped, log_ratios
from worker.flow.policy import IncidentPolicy

_MIX: Classes = (0.5, 0.3, 0.2)
_SEED = 1
_ANSWERS: int = IncidentPolicy().answers_per_false_alarm
#: A run ends after this many times the answers that a false alarm should take. It then counts for less than it is.
_GIVEN_UP = 10
#: Runs without a drop take the longer the more segments there are.
_FEWEST_RUNS = 60
#: Answers of a weekly survey that come at once.
_BATCH = 200
#: Answers a week, and how many points better or worse than the mean its first and second half are.
_WEEK, _SWING = 70, 5.0

#: The classes' shares at the answer of a number.
Mix = Callable[[int], Classes]
Size = Callable[[random.Random], int]


def known(mix: Mix, threshold: float, chance: random.Random, limit: int) -> int:
    """Return after how many answers an alarm is raised, with the true baseline and an answer at a time."""
    ratios = [tuple(exp(logs[size]) for logs in _by_class(_MIX)) for size in range(len(DROPS))]
    grown = [0.0] * len(DROPS)
    for number, kind in enumerate(_kinds(mix, chance, limit), start=1):
        grown = [(ratio + 1) * factors[kind] for ratio, factors in zip(grown, ratios, strict=True)]
        if sum(grown) >= len(DROPS) * threshold:
            return number
    return limit


def learned(mix: Mix, answers: int, threshold: float, chance: random.Random, limit: int, size: Size) -> int:
    """Return the same of a detector that has learned from `answers` answers, with groups whose sizes `size` draws."""
    kinds = chance.choices(range(3), _MIX, k=answers)
    detector = Detector(baseline=(float(kinds.count(0)), float(kinds.count(1)), float(kinds.count(2))))
    number, coming = 0, _kinds(mix, chance, limit)
    while number < limit:
        counts = [0, 0, 0]
        for _ in range(min(size(chance), limit - number)):
            counts[next(coming)] += 1
        if not sum(counts):
            continue
        number += sum(counts)
        detector.take(Group(number, *counts), NO_PRIOR)
        if detector.has_dropped(threshold):
            return number
    return limit


def _by_class(shares: Classes) -> list[list[float]]:
    return [log_ratios(shares, (float(kind == 0), float(kind == 1), float(kind == 2))) for kind in range(3)]


def _kinds(mix: Mix, chance: random.Random, limit: int) -> Iterator[int]:
    for number in range(limit):
        promoters, passives, _ = mix(number)
        drawn = chance.random()
        yield 0 if drawn < promoters else 1 if drawn < promoters + passives else 2


def steady(points: float) -> Mix:
    """Return the mix after a drop of this many points; zero for no drop."""
    mix = dropped(_MIX, points) if points else _MIX
    return lambda _: mix


def weekly(points: float) -> Mix:
    """Return the same with a week's cycle."""
    promoters, passives, detractors = steady(points)(0)
    swing = _SWING / 200
    better = promoters + swing, passives, detractors - swing
    worse = promoters - swing, passives, detractors + swing
    return lambda number: better if number % _WEEK < _WEEK / 2 else worse


def singly(_: random.Random) -> int:
    """Return the size of a group: an answer at a time."""
    return 1


def hourly(chance: random.Random) -> int:
    """Return the size of a group: none to eight answers an hour."""
    return chance.randrange(9)


def in_batches(chance: random.Random) -> int:
    """Return the size of a group: a survey's answers at once, and single ones in between."""
    return _BATCH if chance.random() < 1 / _BATCH else 1


class Line(NamedTuple):
    """A line of the table. `learned`: answers of the baseline, None for the true one."""

    title: str
    learned: int | None
    segments: int
    mix: Callable[[float], Mix]
    size: Size


LINES = (
    Line("known baseline", None, 1, steady, singly),
    Line("known baseline, weekly cycle", None, 1, weekly, singly),
    Line("known baseline, 20 segments", None, 20, steady, singly),
    Line("known baseline, 200 segments", None, 200, steady, singly),
    Line("of 2,000 answers", 2_000, 1, steady, singly),
    Line("of 500 answers", 500, 1, steady, singly),
    Line("of 200 answers", 200, 1, steady, singly),
    Line("of 500, 0 to 8 answers an hour", 500, 1, steady, hourly),
    Line("of 500, hourly, weekly cycle", 500, 1, weekly, hourly),
    Line("of 500, surveys of 200 at once", 500, 1, steady, in_batches),
    Line("of 500, 20 segments", 500, 20, steady, singly),
    Line("of 500, 200 segments", 500, 200, steady, singly),
    Line("of 200, 20 segments, hourly", 200, 20, steady, hourly),
)


def lengths(line: Line, points: float, runs: int) -> list[int]:
    """Return after how many answers each run raised an alarm, the shortest first."""
    chance, mix = random.Random(_SEED), line.mix(points)  # noqa: S311 - the same at each run
    threshold = float(_ANSWERS * line.segments)
    limit = round(_GIVEN_UP * threshold)
    if line.learned is None:
        return sorted(known(mix, threshold, chance, limit) for _ in range(runs))
    return sorted(learned(mix, line.learned, threshold, chance, limit, line.size) for _ in range(runs))


def cells(line: Line, runs: int) -> list[str]:
    """Return a line's figures."""
    alone = lengths(line, 0, max(_FEWEST_RUNS, runs // line.segments))
    found = [f"{sum(alone) / len(alone):,.0f}", f"{alone[len(alone) // 10]:,}"]
    for points in DROPS:
        delays = lengths(line, points, runs)
        found.append(" / ".join(f"{delays[int(runs * share)]:,}" for share in (0.1, 0.5, 0.9)))
    return found


def report(runs: int) -> Report:
    """Return the table. A figure is taken from `runs` runs; without a drop there are at least _FEWEST_RUNS."""
    head = [
        "baseline",
        "false alarm after: mean",
        "a tenth before",
        *(f"-{points}: 10 / 50 / 90 %" for points in DROPS),
    ]
    rows = [[line.title, *found] for line, found in zip(LINES, spread(partial(cells, runs=runs), LINES), strict=True)]
    return Report([Table(head, rows)], {})


PART = Part("delays", "after how many answers a drop is found, and a false alarm is raised", 400, report)
