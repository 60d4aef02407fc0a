"""The chart of an NPS over time, its words and its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.board.board import Board
from worker.board.charts import Event, LineChart, is_long, line_chart
from worker.board.series import Day, Period, Smooth, by_days, by_weeks, smoothed_line, total
from worker.nps.interval import difference
from worker.nps.smoothed import LONGEST
from worker.web.notation import Notation, date_of
from worker.web.pages.choosing import RANGES, Chosen
from worker.web.words.overview import OverviewWords

#: The ranges whose single days are shown; in longer ones, single weeks are.
_BY_DAY = frozenset({"1"})
#: In long ranges, the smoothed line has a point for every so many days.
_EVERY = {"12": 3}
#: How long the beginning and the end of a range are, which are compared in words, in days; and fewer in short ranges.
_COMPARED, _OF_A_RANGE = 30, 3
#: With fewer answers than this at the beginning or at the end, they are not compared.
_FEWEST = 10


class Entry(NamedTuple):
    """A row of the table of a chart."""

    period: Period
    smooth: Smooth | None


@dataclass(frozen=True)
class History:
    """What a chart shows."""

    chart: LineChart
    entries: list[Entry]
    #: The chart in words.
    sentence: str
    #: Whether the single points are days, and not weeks.
    daily: bool


def history(
    board: Board, choice: Chosen, life: int | None, events: list[Event], words: OverviewWords, notation: Notation
) -> History:
    """Return the chart of what is chosen. `life`: the half-life of its smoothed score in days; None without one."""
    days = board.history.days(choice.path)
    daily = choice.months in _BY_DAY
    periods = (by_days if daily else by_weeks)(days, choice.first, choice.last)
    newest = max((day for day, *_ in days), default=choice.last)
    line = smoothed_line(days, life or LONGEST, choice.first, min(choice.last, newest), 1)
    ends = {each.day: each for each in line}
    drawn = line[:: -_EVERY.get(choice.months, 1)][::-1]
    return History(
        line_chart(periods, drawn, events, choice.first, choice.last),
        [Entry(each, ends.get(min(each.last, newest))) for each in periods],
        sentence(days, choice, words, notation),
        daily,
    )


def sentence(days: Sequence[Day], choice: Chosen, words: OverviewWords, notation: Notation) -> str:
    """Return how the NPS at the beginning of a range differs from that at its end, in words."""
    answered = [day for day, *_ in days if choice.first <= day <= choice.last]
    if not answered:
        return words.few
    first = max(choice.first, answered[0])
    length = min(_COMPARED, RANGES[choice.months] // _OF_A_RANGE, (choice.last - first + 1) // 2)
    before = total(days, first, first + length - 1)
    after = total(days, choice.last - length + 1, choice.last)
    if min(before.n, after.n) < _FEWEST or before.nps is None or after.nps is None:
        return words.few
    low, high = difference(after.classes, before.classes)
    text = words.rose if low > 0 else words.fell if high < 0 else words.unchanged
    return text.format(
        before=notation.points(before.nps),
        half_before=notation.half(*before.ends or (0, 0)),
        after=notation.points(after.nps),
        half_after=notation.half(*after.ends or (0, 0)),
        days=length,
        **{"from": notation.from_to(before.first, before.last, choice.last)},
    )


def value_ticks(chart: LineChart, notation: Notation) -> list[tuple[float, str, bool]]:
    """Return the ticks of the vertical axis with their texts."""
    return [(tick.at, notation.points(tick.value), tick.spare) for tick in chart.values]


def day_ticks(chart: LineChart, choice: Chosen, notation: Notation) -> list[tuple[float, str, bool]]:
    """Return the ticks of the horizontal axis with their texts: days, or the months that begin on these days."""
    months = is_long(choice.first, choice.last)
    days = [round(tick.value) for tick in chart.days]
    texts = [notation.short_month(date_of(day).month) if months else notation.short_day(day) for day in days]
    return [(tick.at, text, tick.spare) for tick, text in zip(chart.days, texts, strict=True)]
