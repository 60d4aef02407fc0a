"""How often the trend is right: without a change, under a fall that goes on, after a step, and after a fall's end."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.detector.part import Part, Report, Table, spread
from worker.nps.trend import WEEKS, Direction, Weeks, trend

_SEED = 20
_WEEK, _MONTH = 7, 30
_LEVEL = 30.0
#: Half of the answers that are no passives, as a share.
_EXTREME = 0.35
#: The NPS of a day stays within this number of points, so that the shares are above zero.
_BOUND = 66.0
_FALL = -5.0
#: A year before the first look, and the weeks in which the words are looked at.
_YEAR = WEEKS

Days = NDArray[np.float64]


class Answers(NamedTuple):
    """How a segment answers when nothing changes."""

    title: str
    #: The mean number of answers a day.
    rate: float
    #: The standard deviation of the level of days, and the correlation of one day with the next.
    day_effect: float = 0.0
    correlation: float = 0.0
    #: The points by which the days of a week differ, from Monday on.
    week: tuple[float, ...] = (0.0,) * _WEEK


_CYCLE = (2.0, 2.0, 2.0, 2.0, 2.0, -5.0, -5.0)
UNCHANGED = (
    Answers("2 a day", 2),
    Answers("10 a day", 10),
    Answers("50 a day", 50),
    Answers("500 a day", 500),
    Answers("5,000 a day", 5_000),
    Answers("500 a day, weekly cycle", 500, week=_CYCLE),
    Answers("5,000 a day, weekly cycle", 5_000, week=_CYCLE),
    Answers("5,000 a day, days differ by 3", 5_000, 3.0),
    Answers("50 a day, days differ by 6", 50, 6.0),
    Answers("500 a day, days differ by 6", 500, 6.0),
    Answers("5,000 a day, days differ by 6", 5_000, 6.0),
    Answers("500 a day, days differ by 8, correlated by 0.7", 500, 8.0, 0.7),
)
FALLING = (*UNCHANGED[:5], UNCHANGED[5], UNCHANGED[9])
_FALLEN_FOR = (60, 90, 120, 180)
_STEP = -20.0


def words(answers: Answers, change: Days, seed: int) -> list[Direction]:
    """Draw days; return the word at the end of each week that has a year before it, the first such week first.

    `change`: the points by which the NPS of each day differs from the level; a year and more of whole weeks.
    """
    chance = np.random.default_rng(seed)
    days = len(change)
    effects = chance.standard_normal(days)
    for day in range(1, days):
        effects[day] = answers.correlation * effects[day - 1] + (1 - answers.correlation**2) ** 0.5 * effects[day]
    level = _LEVEL + change + np.resize(answers.week, days) + answers.day_effect * effects
    half = np.clip(level, -_BOUND, _BOUND) / 200
    n = chance.poisson(answers.rate, days)
    promoters = chance.binomial(n, _EXTREME + half)
    detractors = chance.binomial(n - promoters, (_EXTREME - half) / (1 - _EXTREME - half))
    columns = [
        [int(total) for total in kind.reshape(-1, _WEEK).sum(axis=1)[::-1]] for kind in (n, promoters, detractors)
    ]
    last = days // _WEEK - WEEKS
    found = (trend(Weeks(*(column[ago : ago + WEEKS] for column in columns))) for ago in range(last, -1, -1))
    return [Direction.UNCLEAR if one is None else one.direction for one in found]


def flat(weeks: int) -> Days:
    """Return no change for some weeks after the first year."""
    return np.zeros((_YEAR + weeks) * _WEEK)


def _share(found: list[Direction], *wanted: Direction) -> float:
    return sum(word in wanted for word in found) / len(found)


def unchanged(answers: Answers, runs: int) -> tuple[float, float, float, float]:
    """Return the shares of weeks that are said to fall, to rise and to be steady, and the wrong episodes in a year."""
    years = [words(answers, flat(_YEAR), _SEED + run) for run in range(runs)]
    found = [word for year in years for word in year]
    moves = {Direction.FALLING, Direction.RISING}
    began = sum(new is not old and new in moves for year in years for old, new in pairwise(year))
    shares = (_share(found, word) for word in (Direction.FALLING, Direction.RISING, Direction.STEADY))
    falling, rising, steady = shares
    return falling, rising, steady, began / runs


def falling(answers: Answers, runs: int) -> list[float]:
    """Return how often a fall of five points a month is said, after it has gone on for some times."""
    weeks = max(_FALLEN_FOR) // _WEEK + 1
    change = flat(weeks)
    since = np.arange(len(change)) - (len(change) - weeks * _WEEK)
    slope = -_FALL / _MONTH * weeks * _WEEK / 2 + _FALL / _MONTH * np.maximum(since, 0)
    found = [words(answers, slope, _SEED + run) for run in range(runs)]
    return [sum(one[days // _WEEK] is Direction.FALLING for one in found) / runs for days in _FALLEN_FOR]


def after(answers: Answers, runs: int, *, step: bool) -> tuple[float, float, float]:
    """Return after which week and for how many weeks 'falling' is said, and how many weeks 'rising' is, in half a year.

    `step`: a fall of 20 points within a day; otherwise a fall of five points a month for half a year has just ended.
    """
    weeks, before = 30, 26
    change = flat(weeks)
    since = np.arange(len(change)) - _YEAR * _WEEK
    change += (
        np.where(since >= 0, _STEP, 0.0) if step else _FALL / _MONTH * np.clip(since + before * _WEEK, 0, 182) + 15
    )
    found = [words(answers, change, _SEED + run) for run in range(runs)]
    firsts = [next((week for week, word in enumerate(one) if word is Direction.FALLING), weeks) for one in found]
    said = [sum(word is Direction.FALLING for word in one) for one in found]
    rising = [sum(word is Direction.RISING for word in one) for one in found]
    return float(np.median(firsts)), float(np.median(said)), float(np.mean(rising))


def report(runs: int) -> Report:
    """Return the tables; each figure is taken from `runs` runs."""
    without = spread(partial(unchanged, runs=runs), UNCHANGED)
    under = spread(partial(falling, runs=runs), FALLING)
    steps = spread(partial(after, runs=runs, step=True), UNCHANGED[1:4])
    ends = spread(partial(after, runs=runs, step=False), UNCHANGED[1:4])
    tables = [
        Table(
            ("no change", "falling", "rising", "steady", "wrong episodes a year"),
            [
                (one.title, *(f"{100 * share:.1f} %" for share in found[:3]), f"{found[3]:.2f}")
                for one, found in zip(UNCHANGED, without, strict=True)
            ],
        ),
        Table(
            ("-5 points a month", *(f"falling after {days} days" for days in _FALLEN_FOR)),
            [
                (one.title, *(f"{100 * share:.0f} %" for share in found))
                for one, found in zip(FALLING, under, strict=True)
            ],
        ),
        Table(
            ("", "falling: first said in week", "falling: weeks", "rising: weeks"),
            [
                (f"{title}, {one.title}", f"{first:.0f}", f"{said:.0f}", f"{rising:.1f}")
                for title, results in (("a step of -20", steps), ("the end of a fall of half a year", ends))
                for one, (first, said, rising) in zip(UNCHANGED[1:4], results, strict=True)
            ],
        ),
    ]
    figures = {f"falling_{one.rate:g}_a_day": found[-1] for one, found in zip(FALLING[1:4], under[1:4], strict=True)}
    figures["falsely_falling"] = max(found[0] for found in without)
    figures["falsely_rising"] = max(found[1] for found in without)
    figures["wrong_trend_episodes_a_year"] = max(found[3] for found in without)
    return Report(tables, figures)


PART = Part("trend", "how often the trend is said rightly and wrongly", 100, report)
