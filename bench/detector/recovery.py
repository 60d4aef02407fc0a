"""How a drop ends: one that lasts is not called over, one that is over is; and levels that come back or fall slowly."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, USUAL, Found, Tree, falls
from schemas.incident import IncidentReason
from worker.flow.policy import IncidentPolicy

_SEED = 30_000
_EVERY = 6
#: The default's false alarms of one segment in a tree of this many.
_SEGMENTS = 85
#: How long a lasting drop is looked at, and how long the other drop lasts until answers are as before, in days.
_LASTING, _LOW, _AFTER = 60, 40, 90

#: With fewer answers a day than this, there are this many times as many runs.
_FEW, _MORE = 50, 4

#: By how many points the NPS differs from the usual one, by the day of a run.
Level = Callable[[float], float]


class Line(NamedTuple):
    """A line of the table of drops: the answers of a day, and the size of the drop."""

    a_day: int
    points: int

    @property
    def learned(self) -> int:
        """After how many days the drop begins."""
        return 150 if self.a_day < _FEW else 60


LINES = tuple(Line(a_day, points) for a_day in (10, 50, 500, 5_000) for points in (15, 20, 30))


class Ends(NamedTuple):
    """How the drops of a line ended."""

    #: The shares of the lasting drops that were opened, and that were called recovered, within _LASTING days.
    opened: float
    recovered: float
    #: After how many days a recovery was told, in half of the runs whose drop had been opened before it.
    told: float
    #: The share of these recoveries that was told within _AFTER days.
    found: float


def live(a_day: float, level: Level, days: float, seed: int) -> list[Found]:
    """Return what is reported of one segment."""

    def law(_leaf: str, hour: int) -> tuple[float, tuple[float, float, float]]:
        return a_day / DAY, falls(USUAL, level(hour / DAY))

    budget = IncidentPolicy().false_alarms_per_year / _SEGMENTS
    tree = Tree([""], law, seed, IncidentPolicy(false_alarms_per_year=budget), every=_EVERY)
    return tree.live(days)


def after(found: Sequence[Found], day: float, reason: IncidentReason) -> float | None:
    """Return how many days after a day there is a step for the reason; None if there is none."""
    return next((each.hour / DAY - day for each in found if each.hour > day * DAY and each.step.reason == reason), None)


def ends(line: Line, runs: int) -> Ends:
    """Return how the drops of a line ended; as many runs each for lasting drops and for those that are over.

    With few answers the figures are least certain, and runs take least time, so there are _MORE times as many.
    """
    fell = line.learned
    runs *= _MORE if line.a_day < _FEW else 1
    opened = recovered = 0
    times: list[float] = []
    for seed in range(_SEED, _SEED + runs):
        found = live(line.a_day, lambda day: -line.points * (day >= fell), fell + _LASTING, seed)
        opened += after(found, fell, IncidentReason.NPS_FELL) is not None
        recovered += after(found, fell, IncidentReason.RECOVERED) is not None
        found = live(line.a_day, lambda day: -line.points * (fell <= day < fell + _LOW), fell + _LOW + _AFTER, seed)
        told = after(found, fell, IncidentReason.NPS_FELL)
        if told is not None and told < _LOW:
            back = after(found, fell + _LOW, IncidentReason.RECOVERED)
            times.append(_AFTER if back is None else back)
    half = median(times) if times else _AFTER
    return Ends(opened / runs, recovered / runs, half, sum(time < _AFTER for time in times) / max(len(times), 1))


class Course(NamedTuple):
    """A line of the table of courses: how the level moves, and when its incident would begin."""

    name: str
    title: str
    a_day: int
    level: Level
    begins: float
    days: float


def risen(day: float) -> float:
    """Return a rise for a month."""
    return 20.0 if 90 <= day < 120 else 0.0


def again(day: float) -> float:
    """Return a drop that is over, and a second one a month later."""
    return -20.0 if 90 <= day < 110 or day >= 140 else 0.0


def slowly(day: float) -> float:
    """Return a slow fall by 30 points within two months, which stays."""
    return -30 * min(max(day - 60, 0) / 60, 1)


COURSES = (
    Course("rise_50", "+20 for a month and back, 50 a day", 50, risen, 120, 180),
    Course("rise_500", "+20 for a month and back, 500 a day", 500, risen, 120, 180),
    Course("rise_5000", "+20 for a month and back, 5,000 a day", 5_000, risen, 120, 180),
    Course("again_50", "a second drop of 20 points, 50 a day", 50, again, 140, 200),
    Course("again_5000", "a second drop of 20 points, 5,000 a day", 5_000, again, 140, 200),
    Course("slowly_500", "-30 in two months, 500 a day", 500, slowly, 60, 180),
    Course("slowly_5000", "-30 in two months, 5,000 a day", 5_000, slowly, 60, 180),
)


def told(course: Course, runs: int) -> tuple[float, float, float]:
    """Return the shares of the runs in which a drop was opened and called recovered, and its median delay in days."""
    found = [live(course.a_day, course.level, course.days, seed) for seed in range(_SEED, _SEED + runs)]
    opened = [after(each, course.begins, IncidentReason.NPS_FELL) for each in found]
    over = [after(each, course.begins, IncidentReason.RECOVERED) for each in found]
    delays = [each for each in opened if each is not None]
    share = sum(each is not None for each in over) / runs
    return len(delays) / runs, share, median(delays) if delays else float("nan")


def report(runs: int) -> Report:
    """Return the tables; each figure of the first one is of `runs` runs, of the second one of a third of them."""
    rows, figures = [], {}
    for line, found in zip(LINES, spread(partial(ends, runs=runs), LINES), strict=True):
        back = f"{found.told:.1f}" if found.found >= 0.5 else f"more than {_AFTER}"
        rows.append(
            [
                f"{line.a_day:,}",
                f"-{line.points}",
                f"{found.opened:.0%}",
                f"{found.recovered:.1%}",
                back,
                f"{found.found:.0%}",
            ]
        )
        figures[f"lasting_called_recovered_{line.a_day}_{line.points}"] = found.recovered
    head = ["answers a day", "drop", "opened", "lasts, called recovered", "is over: told after, days", "told"]
    drops = Table(head, rows)
    fewer = max(runs // 3, 2)
    courses = []
    for course, (opened, recovered, delay) in zip(COURSES, spread(partial(told, runs=fewer), COURSES), strict=True):
        courses.append([course.title, f"{opened:.0%}", f"{delay:.1f}" if opened else "none", f"{recovered:.0%}"])
        figures[f"opened_{course.name}"], figures[f"recovered_{course.name}"] = opened, recovered
    return Report([drops, Table(["course", "opened", "after, days", "called recovered"], courses)], figures)


PART = Part("recovery", "lasting drops that are called recovered, and how soon a recovery is told", 30, report)
