"""The overview: one segment's NPS now, where it is going, its history, and what is open."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.case import CaseState
from schemas.scores import Scores, WindowScore
from worker.board.board import Board
from worker.board.cases import CaseQuery
from worker.board.charts import Dot, Event, Whisker, place, sparkline, stacked, whisker
from worker.board.incidents import KnownIncident
from worker.board.series import smoothed_line
from worker.board.tree import counts_of, drag
from worker.flow.cases.case import ENDED
from worker.flow.timestamps import to_ms
from worker.lineage import is_segment
from worker.nps.smoothed import LONGEST
from worker.nps.windows import DAY, PEOPLE_WINDOWS, WINDOWS
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.pages.choosing import (
    RANGES,
    Chosen,
    alike,
    axis_of,
    chosen,
    figure_of,
    segment_text,
    steps_to,
    suggested,
    survey_choices,
)
from worker.web.pages.history import history, labelled
from worker.web.pages.incident_line import incident_line
from worker.web.view import NotFound, Table, View
from worker.web.visit import Visit
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.overview import OVERVIEW_WORDS
from worker.web.words.scores import SCORE_WORDS

#: The eleven scores: the windows in the order in which they are shown, and those in which each customer counts once.
_SHOWN = ("30d", "7d", "24h", "90d", "365d", "last_100", "all")
_SHOWN_BY_CUSTOMER = ("30d", "90d", "365d", "all")
assert set(_SHOWN) == set(WINDOWS)
assert set(_SHOWN_BY_CUSTOMER) == set(PEOPLE_WINDOWS)
#: The number of segments that drag the score down.
_DRAGS = 3
#: A drag of fewer points than this is not worth a line.
_LEAST_DRAG = 0.05
_CLASSES = ("promoters", "passives", "detractors")


class Score(NamedTuple):
    """A row of the table of the eleven scores."""

    window: str
    by_customer: bool
    #: None without an answer, or if it is not counted yet.
    figure: WindowScore | None
    whisker: Whisker | None
    counted: bool


class Drag(NamedTuple):
    """A segment that drags the score of its parent down."""

    path: str
    address: str
    points: float
    figure: WindowScore
    spark: str
    end: Dot | None


def overview(visit: Visit, board: Board) -> View | NotFound:
    """Return the overview of a segment or a survey."""
    choice = chosen(visit)
    if choice is None:
        return NotFound()
    scores = board.scores.get(choice.path)
    words, notation = OVERVIEW_WORDS[visit.language], Notation(visit.language, visit.readers)
    values = _around(visit, board, choice, notation)
    if scores is None:
        found = alike(visit, board, choice.path) if choice.path else []
        addresses = [(notation.whole_name(each), address_of("/", choice.query, segment=each)) for each in found]
        return View("unknown.html.j2", {**values, "alike": addresses}, status=404 if choice.path else 200)
    figure = figure_of(scores, choice.window)
    incidents = _incidents(visit, board, choice)
    events = [_event(each, number) for number, each in enumerate(incidents, start=1)]
    shown = history(
        board,
        choice,
        None if scores.smoothed is None else scores.smoothed.half_life_days,
        events,
        words,
        notation,
    )
    open_cases = CaseQuery(
        segment=choice.path,
        states=frozenset(set(CaseState) - ENDED),
        visible=visit.person.segments,
    )
    eleven, axis = _eleven(scores)
    return View(
        "overview.html.j2",
        {
            **values,
            "words": words,
            "scores": scores,
            "figure": figure,
            "shares": [] if figure is None else _shares(figure, notation),
            "bars": [] if figure is None else stacked(counts_of(figure)),
            "history": shown,
            "value_ticks": labelled(shown.chart.values, notation, days=False),
            "day_ticks": labelled(shown.chart.days, notation, days=True),
            "incidents": [incident_line(each, visit, words, notation) for each in incidents],
            "drags": _drags(board, choice) if is_segment(choice.path) else [],
            "cases": board.cases.totals(open_cases, visit.now) if is_segment(choice.path) else None,
            "cases_address": address_of("/cases", {}, segment=choice.path),
            "tree_address": address_of("/tree", {}, segment=choice.path),
            "eleven": eleven,
            "middle": place(0.0, axis),
            "history_csv": address_of("/history.csv", choice.query),
            "scores_csv": address_of("/scores.csv", choice.query),
        },
    )


def scores_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return the eleven scores as a table."""
    choice = chosen(visit)
    scores = None if choice is None else board.scores.get(choice.path)
    if scores is None:
        return NotFound()
    head = ("segment", "window", "each_customer_once", "n", *_CLASSES, "nps", "low", "high")
    return Table(
        "scores",
        head,
        [
            (scores.segment, row.window, int(row.by_customer), *cells(row.figure))
            for row in _eleven(scores)[0]
            if row.counted
        ],
    )


def history_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return the numbers of the chart as a table."""
    choice = chosen(visit)
    scores = None if choice is None else board.scores.get(choice.path)
    if choice is None or scores is None:
        return NotFound()
    notation = Notation(visit.language, visit.readers)
    life = None if scores.smoothed is None else scores.smoothed.half_life_days
    shown = history(board, choice, life, [], OVERVIEW_WORDS[visit.language], notation)
    head = ("segment", "first_day", "last_day", "n", *_CLASSES, "nps", "low", "high")
    rows: list[tuple[str | int | float | None, ...]] = []
    for period, smooth in shown.entries:
        ends = period.ends or (None, None)
        figures = (period.nps, *ends) if smooth is None else (period.nps, *ends, smooth.nps, smooth.low, smooth.high)
        padded = (*figures, None, None, None)[:6]
        rows.append(
            (
                choice.path,
                notation.iso(period.first),
                notation.iso(period.last),
                period.n,
                *period.classes,
                *map(rounded, padded),
            )
        )
    return Table("history", (*head, "smoothed", "smoothed_low", "smoothed_high"), rows)


def cells(figure: WindowScore | None) -> tuple[int | float | None, ...]:
    """Return the numbers of a window as a table has them."""
    if figure is None:
        return (0, 0, 0, 0, None, None, None)
    numbers = (figure.nps, figure.low, figure.high)
    return (figure.n, figure.promoters, figure.passives, figure.detractors, *map(rounded, numbers))


def rounded(value: float | None) -> float | None:
    """Return a number with one decimal."""
    return None if value is None else round(value, 1)


def _around(visit: Visit, board: Board, choice: Chosen, notation: Notation) -> dict[str, object]:
    """Return what the page of a segment has without any scores: its name and the form to choose another one."""
    return {
        "choice": choice,
        "score_words": SCORE_WORDS[visit.language],
        "notation": notation,
        "name": notation.whole_name(choice.path),
        "steps": steps_to(visit, choice.path, "/", choice.query, notation),
        "breadcrumbs": LAYOUT_WORDS[visit.language].breadcrumbs,
        "segment": segment_text(choice.path),
        "suggested": suggested(visit, board, choice.path),
        "surveys": survey_choices(visit, board, choice.path),
        "windows": [(window, SCORE_WORDS[visit.language].windows[window]) for window in _SHOWN],
        "ranges": [(months, SCORE_WORDS[visit.language].ranges[months]) for months in sorted(RANGES, key=int)],
    }


def _shares(figure: WindowScore, notation: Notation) -> list[tuple[str, str]]:
    """Return the classes of answers with their shares."""
    counts = zip(_CLASSES, counts_of(figure), strict=True)
    return [(name, notation.percent(count / figure.n)) for name, count in counts]


def _eleven(scores: Scores) -> tuple[list[Score], tuple[float, float]]:
    """Return the eleven scores, and the ends of the scale of their intervals."""
    by_customer = scores.latest_per_customer or {}
    known: list[tuple[str, bool, WindowScore | None]] = [
        *((window, False, scores.windows.get(window)) for window in _SHOWN),
        *((window, True, by_customer.get(window)) for window in _SHOWN_BY_CUSTOMER),
    ]
    figures = [figure for *_, figure in known if figure is not None and figure.n]
    axis = axis_of(figures)
    rows = []
    for window, once, figure in known:
        answered = figure if figure is not None and figure.n else None
        rows.append(Score(window, once, answered, whisker_of(answered, axis), figure is not None))
    return rows, axis


def whisker_of(figure: WindowScore | None, axis: tuple[float, float]) -> Whisker | None:
    """Return the interval of a window on a scale; None without an answer."""
    if figure is None or figure.nps is None or figure.low is None or figure.high is None:
        return None
    return whisker(figure.nps, figure.low, figure.high, axis)


def _incidents(visit: Visit, board: Board, choice: Chosen) -> Sequence[KnownIncident]:
    """Return the incidents about what is chosen that the person may see, the oldest one first."""
    found = board.incidents.of_segment(choice.path, choice.first * DAY)
    return [each for each in found if all(map(visit.person.may_see, each.segments))]


def _event(incident: KnownIncident, number: int) -> Event:
    last = None if incident.is_open else to_ms(incident.newest.occurred_at) // DAY
    return Event(to_ms(incident.newest.since) // DAY, last, number)


def _drags(board: Board, choice: Chosen) -> list[Drag]:
    """Return the segments directly below that take the most points from the NPS."""
    parent = board.scores.counts(choice.path, choice.window)
    found = [
        (drag(counts, parent), path)
        for path in board.scores.children(choice.path)
        if sum(counts := board.scores.counts(path, choice.window))
    ]
    rows = []
    for points, path in sorted(found)[:_DRAGS]:
        scores = board.scores.get(path)
        figure = figure_of(scores, choice.window)
        if points > -_LEAST_DRAG or scores is None or figure is None:
            continue
        life = LONGEST if scores.smoothed is None else scores.smoothed.half_life_days
        line = smoothed_line(board.history.days(path), life, choice.first, choice.last, 2)
        spark, end = sparkline(line, choice.first, choice.last)
        rows.append(Drag(path, address_of("/", choice.query, segment=path), points, figure, spark, end))
    return rows
