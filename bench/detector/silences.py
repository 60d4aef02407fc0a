"""How soon a segment that has stopped is found, with and without a closure before, and how seldom one falsely is."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from bench.detector.part import Part, Report, Table, spread
from bench.detector.tree import DAY, USUAL, Found, Law, Tree

_SEED = 20
_WEEK = 7 * DAY
#: A tree of 4 x 4 x 4 leaves: 85 segments with those above them. Two surveys and two sources come in addition.
LEAVES = [f"{one}/{two}/{three}" for one in "abcd" for two in "efgh" for three in "ijkl"]
OTHERS = ["/survey/spring", "/survey/autumn", "/source/typeform", "/source/delighted"]
#: The branch whose leaves answer while delays are measured, and who stops.
_BRANCH = ["a/e", "a/f", "b/e", "b/f", "/survey/spring", "/source/typeform"]
_STOPPING = {"leaf": ["a/e"], "survey": ["/survey/spring"], "source": ["/source/typeform"], "root": _BRANCH}
_NAMES = {"leaf": "a/e", "survey": "/survey/spring", "source": "/source/typeform", "root": ""}
#: When the stop comes, in days: on a Wednesday at noon, some days after the closure, whose first day this is.
_STOP, _CLOSED_FROM = 107.5, 80
_CLOSURES = {"none": 0, "3 days": 3, "3 weeks": 21}
_RATES = (1.0, 10.0, 100.0)
_GIVEN_UP = 80
_FALSE_DAYS = 365

#: How much of the mean number of answers comes in an hour since the beginning, which is a Monday.
Rhythm = Callable[[int], float]


def always(_: int) -> float:
    """Answers come day and night."""
    return 1 / DAY


def by_day(hour: int) -> float:
    """Answers come from seven to 23 o'clock, half as many at weekends."""
    weekend = hour % _WEEK >= 5 * DAY
    return (0.5 if weekend else 1.2) / 16 if 7 <= hour % DAY < 23 else 0.0


def in_office_hours(hour: int) -> float:
    """Answers come from nine to 17 o'clock, on weekdays."""
    return 7 / 40 if hour % _WEEK < 5 * DAY and 9 <= hour % DAY < 17 else 0.0


def weekly(hour: int) -> float:
    """Nearly all answers of a week come within five hours on Tuesdays."""
    return 7 / 5 if DAY + 10 <= hour % _WEEK < DAY + 15 else 0.0


class Stop(NamedTuple):
    """A stop whose delay is measured: who stops, the answers a day of each leaf, and the days of closure before."""

    who: str
    rate: float
    closed: int
    rhythm: Rhythm


def delay(stop: Stop, seed: int) -> float:
    """Return after how many days the stop was found."""
    first, until = _CLOSED_FROM * DAY, (_CLOSED_FROM + stop.closed) * DAY
    stops = round(_STOP * DAY)

    def law(leaf: str, hour: int) -> tuple[float, tuple[float, float, float]]:
        is_closed = first <= hour < until or (hour >= stops and leaf in _STOPPING[stop.who])
        return (0.0 if is_closed else stop.rate * stop.rhythm(hour)), USUAL

    tree = Tree(_BRANCH, law, seed, every=DAY)
    tree.live(_STOP - 0.5)
    tree.every = 1
    tree.live(0.5)
    while tree.hour < stops + _GIVEN_UP * DAY:
        if any(_is_silence_of(_NAMES[stop.who], found) for found in tree.live(0.25)):
            break
    return (tree.hour - stops) / DAY


def _is_silence_of(path: str, found: Found) -> bool:
    return (found.step.segment, found.step.reason) == (path, "silent")


class World(NamedTuple):
    """A tree without any stop."""

    title: str
    law: Law
    leaves: Sequence[str] = (*LEAVES, *OTHERS)


def _steady(rate: float, rhythm: Rhythm) -> Law:
    return lambda _, hour: (rate * rhythm(hour), USUAL)


def _with_holidays(_: str, hour: int) -> tuple[float, tuple[float, float, float]]:
    """Everything is closed for one to four days each month, and for three weeks in summer."""
    day = hour // DAY
    closed = day % 30 < 1 + day // 30 % 4 or 210 <= day < 231
    return (0.0 if closed else 3 * by_day(hour)), USUAL


def _mixed(leaf: str, hour: int) -> tuple[float, tuple[float, float, float]]:
    """Leaves of all kinds: busy and quiet, at all hours, in office hours, and in weekly surveys of 200 answers."""
    number = (*LEAVES, *OTHERS).index(leaf)
    rhythm, rate = (
        (by_day, 10.0),
        (always, 1.0),
        (in_office_hours, 5.0),
        (weekly, 200 / 7),
        (by_day, 0.3),
        (in_office_hours, 0.5),
        (always, 40.0),
    )[number % 7]
    return rate * rhythm(hour), USUAL


def _declining(leaf: str, hour: int) -> tuple[float, tuple[float, float, float]]:
    """Half of the leaves have ever fewer answers, a tenth after a year; the others grow as much."""
    number = (*LEAVES, *OTHERS).index(leaf)
    change = 10 ** (hour / (_FALSE_DAYS * DAY))
    return (4 / change if number % 2 else 0.5 * change) * by_day(hour), USUAL


WORLDS = (
    World("0.3 a day and leaf, by day", _steady(0.3, by_day)),
    World("3 a day and leaf, by day", _steady(3, by_day)),
    World("3 a day, holidays", _with_holidays),
    World("all kinds", _mixed),
    World("slow decline and growth", _declining),
)


def false_silences(world: int, runs: int) -> float:
    """Return how many silences were found in a year without any, in a world of WORLDS; the root's do not count.

    The root's closures for days are silences, and in most worlds it has none.
    """
    found = 0
    for run in range(runs):
        tree = Tree(WORLDS[world].leaves, WORLDS[world].law, _SEED + run, every=6)
        found += sum(step.step.reason == "silent" and step.step.segment != "" for step in tree.live(_FALSE_DAYS))
    return found / runs


def mean_delay(stop: Stop, runs: int) -> float:
    """Return after how many days the stop was found, on average."""
    return sum(delay(stop, _SEED + run) for run in range(runs)) / runs


def report(runs: int) -> Report:
    """Return the tables. Each delay is taken from `runs` runs, a world without stops from a sixth of them."""
    stops = [Stop(who, rate, closed, by_day) for who in _NAMES for rate in _RATES for closed in _CLOSURES.values()]
    found = spread(partial(mean_delay, runs=runs), stops)
    rows, ratios = [], []
    for at in range(0, len(stops), len(_CLOSURES)):
        alone, *closed = found[at : at + len(_CLOSURES)]
        ratios += [each / alone for each in closed]
        rows.append([stops[at].who, f"{stops[at].rate:g}", *(f"{days:.1f}" for days in (alone, *closed))])
    delays = Table(["who stops", "answers a day of a leaf", *(f"closed before: {name}" for name in _CLOSURES)], rows)
    years = spread(partial(false_silences, runs=max(1, runs // 6)), range(len(WORLDS)))
    lines = [[world.title, f"{each:.1f}"] for world, each in zip(WORLDS, years, strict=True)]
    figures = {"silences.delay_after_closure": max(ratios), "silences.false_a_year": max(years)}
    return Report(
        [delays, Table(["a tree of 85 segments, 2 surveys, 2 sources", "false silences a year"], lines)], figures
    )


PART = Part("silences", "after how many days a stop is found, and how many silences a year are false", 6, report)
