"""The geometry of charts. It knows neither SVG nor words: positions are in per cent of the frame of a chart.

Texts in a chart so keep their size, whatever the width of the screen: the frame is stretched, and what has a size is
placed in it by per cent. The horizontal axis goes to the right, the vertical one down, as in SVG.
"""

from collections.abc import Sequence
from datetime import date
from math import ceil, floor, log10
from typing import NamedTuple

from worker.board.series import Period, Smooth

#: The part of the frame in which lines are. Above it are the flags of incidents, below it the names of days, and on the
#: left the names of values, which are written above the lines of the grid.
LEFT, RIGHT, TOP, BOTTOM = 8.0, 97.0, 10.0, 88.0
#: The steps between ticks, times a power of ten.
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
#: The vertical axis spans this many points at least, so that chance does not look like drama.
_LEAST_SPAN = 20.0
_LOWEST, _HIGHEST = -100.0, 100.0
#: At most so many days are named, of a time of at most so many days; of a longer one, the months are.
_MOST_DAYS, _LONG = 8, 120
_EPOCH = date(1970, 1, 1).toordinal()
#: An NPS of fewer answers than this is drawn as uncertain.
_FEW = 10


class Scale(NamedTuple):
    """A linear scale from values to positions in per cent."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the position of a value; one outside the scale is placed at its end."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


class Dot(NamedTuple):
    """A point."""

    x: float
    y: float
    #: Whether it rests on few answers.
    few: bool = False


class Tick(NamedTuple):
    """A value that is written beside an axis."""

    at: float
    value: float
    #: Whether it can be left out where there is little room.
    spare: bool = False


class Mark(NamedTuple):
    """An event: when it began, when it ended (the end of the chart if it has not), and the number written on it."""

    x: float
    end: float
    number: int


class Event(NamedTuple):
    """An event to be marked: its first and its last day, counted since 1970; None as the last day if it goes on."""

    first: int
    last: int | None
    number: int


class LineChart(NamedTuple):
    """A chart of an NPS over time."""

    #: The NPS of single days or weeks.
    dots: list[Dot]
    #: The smoothed NPS, and the outline of its interval, as paths of SVG in a frame of 100 by 100; empty if there is
    #: none.
    line: str
    band: str
    #: The end of the smoothed line.
    last: Dot | None
    values: list[Tick]
    days: list[Tick]
    marks: list[Mark]


class Whisker(NamedTuple):
    """An NPS and its interval on a horizontal scale."""

    low: float
    point: float
    high: float


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values from `low` to `high`, evenly spaced, at most `most` of them (3 or more)."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** floor(log10(rough))
    step = next(nice * power for nice in _NICE if nice * power >= rough * (1 - 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return round ends of an axis for values in points: they hold all values, and lie at least 20 points apart."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    missing = max(0.0, _LEAST_SPAN - (high - low)) / 2
    low, high = max(_LOWEST, low - missing), min(_HIGHEST, high + missing)
    step = 10.0 if high - low <= 100.0 else 20.0
    return max(_LOWEST, step * floor(low / step)), min(_HIGHEST, step * ceil(high / step))


def drawn_values(raw: Sequence[Period], smooth: Sequence[Smooth]) -> list[float]:
    """Return the values that the vertical axis of a chart has to hold.

    Points that rest on few answers are among them only if there is nothing else.
    """
    figures = [each.nps for each in raw if each.nps is not None and each.n >= _FEW]
    reach = [end for each in smooth for end in (each.low, each.high)]
    return [*figures, *reach] or [each.nps for each in raw if each.nps is not None]


def line_chart(
    raw: Sequence[Period],
    smooth: Sequence[Smooth],
    events: Sequence[Event],
    first: int,
    last: int,
    axis: tuple[float, float] | None = None,
) -> LineChart:
    """Return the chart from the day `first` to the day `last`, both counted since 1970. `raw`, `smooth`: in order.

    `axis`: the ends of the vertical axis, in points; without them, they fit what is drawn.
    """
    across = Scale(first, max(last, first + 1), LEFT, RIGHT)
    shown = [each for each in raw if each.nps is not None]
    low, high = axis or bounds(drawn_values(raw, smooth))
    down = Scale(low, high, BOTTOM, TOP)
    places = [(across.at(each.day), each) for each in smooth]
    upper = [(x, down.at(each.high)) for x, each in places]
    lower = [(x, down.at(each.low)) for x, each in places]
    line = [(x, down.at(each.nps)) for x, each in places]
    return LineChart(
        [
            Dot(across.at((each.first + each.last) / 2), down.at(each.nps), each.n < _FEW)
            for each in shown
            if each.nps is not None
        ],
        _path(line),
        _path([*upper, *reversed(lower)], closed=True),
        Dot(*line[-1]) if line else None,
        [Tick(down.at(value), value) for value in ticks(low, high, 6)],
        _days(across, first, last),
        [
            Mark(across.at(event.first), across.at(last if event.last is None else event.last), event.number)
            for event in events
            if event.first <= last and (event.last is None or event.last >= first)
        ],
    )


def sparkline(smooth: Sequence[Smooth], first: int, last: int) -> tuple[str, Dot | None]:
    """Return the path of a small line in a frame of 100 by 100, and its end; empty and None without a line."""
    if not smooth:
        return "", None
    low, high = bounds([each.nps for each in smooth])
    across, down = Scale(first, max(last, first + 1), 2.0, 95.0), Scale(low, high, 90.0, 10.0)
    line = [(across.at(each.day), down.at(each.nps)) for each in smooth]
    return _path(line), Dot(*line[-1])


def stacked(classes: Sequence[int]) -> list[tuple[float, float]]:
    """Return where each class of answers begins, and how wide it is, in per cent of all; empty without an answer."""
    n = sum(classes)
    found = []
    start = 0.0
    for count in classes if n else ():
        width = 100.0 * count / n
        found.append((start, width))
        start += width
    return found


def whisker(nps: float, low: float, high: float, axis: tuple[float, float]) -> Whisker:
    """Return an NPS and the ends of its interval on a scale. `axis`: the ends of the scale."""
    return Whisker(place(low, axis), place(nps, axis), place(high, axis))


def place(value: float, axis: tuple[float, float]) -> float:
    """Return where a value is on the scale of `whisker`."""
    return Scale(*axis, 2.0, 98.0).at(value)


def _days(across: Scale, first: int, last: int) -> list[Tick]:
    """Return the days that are named, every second one to spare.

    In a long time, these are the first days of months. In a short one, they are evenly spaced, and the last day is
    among them.
    """
    if is_long(first, last):
        dates = (date.fromordinal(_EPOCH + day) for day in range(first, last + 1))
        named = [each.toordinal() - _EPOCH for each in dates if each.day == 1]
    else:
        step = max(1, ceil((last - first) / _MOST_DAYS))
        named = [last - step * number for number in range((last - first) // step, -1, -1)]
    return [Tick(across.at(day), day, bool((len(named) - 1 - place) % 2)) for place, day in enumerate(named)]


def is_long(first: int, last: int) -> bool:
    """Say whether months are named below a chart, and not days."""
    return last - first > _LONG


def _path(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """Return points as a path of SVG."""
    text = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return f"M{text}{'Z' if closed else ''}" if points else ""
