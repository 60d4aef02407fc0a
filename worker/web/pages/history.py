"""The chart of an NPS over time, its words and its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.board.board import Board
from worker.board.charts import Event, LineChart, bounds, drawn_values, is_long, line_chart
from worker.board.series import Day, Period, Smooth, by_days, by_weeks, smoothed_line, total
from worker.nps.interval import difference
from worker.nps.smoothed import LONGEST
from worker.nps.windows import Classes
from worker.web.notation import Notation, date_of
from worker.web.pages.choosing import RANGES, Chosen
from worker.web.view import Table
from worker.web.words.history import HistoryWords

#: The ranges whose single days are shown; in longer ones, single weeks are.
_BY_DAY = frozenset({"1"})
#: In long ranges, the smoothed line has a point for every so many days.
_EVERY = {"12": 3}
#: How long the beginning and the end of a range are, which are compared in words, in days; and fewer in short ranges.
_COMPARED, _OF_A_RANGE = 30, 3
#: With fewer answers than this at the beginning or at the end, they are not compared.
_FEWEST = 10
_HEAD = (
    "segment",
    "without",
    "first_day",
    "last_day",
    "n",
    "promoters",
    "passives",
    "detractors",
    "nps",
    "low",
    "high",
)


class Entry(NamedTuple):
    """A row of the table of a chart: some days, and the smoothed NPS at their end."""

    period: Period
    smooth: Smooth | None


@dataclass(frozen=True)
class History:
    """What a chart is made of."""

    path: str
    #: The segment whose answers are taken out; None if none is.
    without: str | None
    choice: Chosen
    days: Sequence[Day]
    #: The points of the smoothed line that are drawn.
    line: list[Smooth]
    entries: list[Entry]


@dataclass(frozen=True)
class Shown:
    """What the macro `history` shows (templates/macros/charts.html.j2)."""

    chart: LineChart
    #: Positions, texts, and whether the text can be left out.
    values: list[tuple[float, str, bool]]
    days: list[tuple[float, str, bool]]
    entries: list[Entry]
    #: The name of the chart, and the chart in words.
    title: str
    sentence: str
    #: Whether the single points are days, and not weeks.
    daily: bool


def history(board: Board, path: str, choice: Chosen, without: str | None = None) -> History:
    """Return what the chart of a segment or a survey is made of. `without`: a segment whose answers are taken out."""
    days: Sequence[Day] = board.history.days(path)
    if without is not None:
        taken: dict[int, Classes] = {day: (up, middle, down) for day, up, middle, down in board.history.days(without)}
        days = [(day, *minus((up, middle, down), taken.get(day, (0, 0, 0)))) for day, up, middle, down in days]
    cut = by_days if choice.months in _BY_DAY else by_weeks
    newest = max((day for day, *_ in days), default=choice.last)
    scores = board.scores.get(path)
    life = LONGEST if scores is None or scores.smoothed is None else scores.smoothed.half_life_days
    line = smoothed_line(days, life, choice.first, min(choice.last, newest))
    ends = {each.day: each for each in line}
    entries = [Entry(each, ends.get(min(each.last, newest))) for each in cut(days, choice.first, choice.last)]
    return History(path, without, choice, days, line[:: -_EVERY.get(choice.months, 1)][::-1], entries)


def minus(counts: Classes, part: Classes) -> Classes:
    """Return the answers of a segment without those of a part of it, of which no number becomes less than zero."""
    promoters, passives, detractors = (max(0, more - less) for more, less in zip(counts, part, strict=True))
    return promoters, passives, detractors


def shown(
    found: History,
    events: Sequence[Event],
    name: str,
    words: HistoryWords,
    notation: Notation,
    axis: tuple[float, float] | None = None,
) -> Shown:
    """Return what the macro shows. `axis`: the ends of the vertical axis; without them, they fit what is drawn."""
    choice = found.choice
    chart = line_chart(_periods(found), found.line, events, choice.first, choice.last, axis)
    return Shown(
        chart,
        [(tick.at, notation.points(tick.value), tick.spare) for tick in chart.values],
        [(tick.at, _day(round(tick.value), choice, notation), tick.spare) for tick in chart.days],
        found.entries,
        words.chart.format(name=name, first=notation.day(choice.first), last=notation.day(choice.last)),
        _sentence(found, words, notation),
        choice.months in _BY_DAY,
    )


def axis_of_histories(histories: Sequence[History]) -> tuple[float, float]:
    """Return the ends of a vertical axis that several charts can have."""
    return bounds([value for each in histories for value in drawn_values(_periods(each), each.line)])


def table(name: str, histories: Sequence[History], notation: Notation) -> Table:
    """Return the numbers of charts as a table. `name`: of the file."""
    rows: list[tuple[str | int | float | None, ...]] = []
    for each in histories:
        for period, smooth in each.entries:
            figures = (period.nps, *(period.ends or (None, None)), *((None,) * 3 if smooth is None else smooth[1:]))
            days = notation.iso(period.first), notation.iso(period.last)
            numbers = (None if figure is None else round(figure, 1) for figure in figures)
            rows.append((each.path, each.without or "", *days, period.n, *period.classes, *numbers))
    return Table(name, (*_HEAD, "smoothed", "smoothed_low", "smoothed_high"), rows)


def _periods(found: History) -> list[Period]:
    return [entry.period for entry in found.entries]


def _day(day: int, choice: Chosen, notation: Notation) -> str:
    """Return how a day below the chart is called; in a long time, its month."""
    return notation.short_month(date_of(day).month) if is_long(choice.first, choice.last) else notation.short_day(day)


def _sentence(found: History, words: HistoryWords, notation: Notation) -> str:
    """Return how the NPS at the beginning of a range differs from that at its end, in words."""
    choice, days = found.choice, found.days
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
