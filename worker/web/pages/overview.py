"""The overview: one segment's NPS now, where it is going, its history, and what is open."""

from typing import NamedTuple

from schemas.case import CaseState
from schemas.scores import Scores, WindowScore
from worker.board.board import Board
from worker.board.cases import CaseQuery
from worker.board.charts import Dot, Event, Whisker, place, sparkline, stacked
from worker.board.incidents import KnownIncident
from worker.board.series import smoothed_line
from worker.board.tree import counts_of, dragging
from worker.flow.cases.case import ENDED
from worker.flow.timestamps import to_ms
from worker.lineage import is_below, is_segment
from worker.nps.smoothed import LONGEST
from worker.nps.windows import DAY, PEOPLE_WINDOWS
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.pages.change import change_of
from worker.web.pages.choosing import (
    WINDOW_ORDER,
    Chosen,
    alike,
    axis_of,
    chosen,
    figure_of,
    score_values,
    whisker_of,
)
from worker.web.pages.history import history, shown, table
from worker.web.pages.incident_line import incident_line
from worker.web.view import NotFound, Table, View
from worker.web.visit import Visit
from worker.web.words.history import HISTORY_WORDS
from worker.web.words.overview import OVERVIEW_WORDS
from worker.web.words.tree import TREE_WORDS

#: The windows in which each customer counts once, in the order in which they are shown.
_SHOWN_BY_CUSTOMER = ("30d", "90d", "365d", "all")
assert set(_SHOWN_BY_CUSTOMER) == set(PEOPLE_WINDOWS)
#: The number of segments that drag the score down.
_DRAGS = 3
#: The largest number of incidents that are marked on the line.
_MARKED = 12
#: The number of open incidents.
_INCIDENTS = 5
#: A drag of fewer points than this is not worth a line.
_LEAST_DRAG = 0.05
CLASSES = ("promoters", "passives", "detractors")


class Score(NamedTuple):
    """A row of the table of the eleven scores."""

    window: str
    by_customer: bool
    #: None without an answer, or if it is not counted yet.
    figure: WindowScore | None
    whisker: Whisker | None
    counted: bool
    #: Whether it has the answers of the row "all time", because there are no others. That row itself has not.
    is_whole: bool


class Drag(NamedTuple):
    """A segment that drags the score of the chosen one down."""

    name: str
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
    words, history_words = OVERVIEW_WORDS[visit.language], HISTORY_WORDS[visit.language]
    tree_words = TREE_WORDS[visit.language]
    notation = Notation(visit.language, visit.readers)
    values = score_values(visit, board, choice, notation)
    if scores is None:
        return unknown(visit, board, choice, notation)
    figure = figure_of(scores, choice.window)
    incidents, all_incidents = board.incidents.of_segment(
        choice.path, choice.first * DAY, _MARKED, visit.person.segments
    )
    events = [_event(each, number) for number, each in enumerate(incidents, start=1)]
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
            "tree_words": tree_words,
            "change": change_of(board, choice, tree_words, notation),
            "scores": scores,
            "figure": figure,
            "shares": [] if figure is None else _shares(figure, notation),
            "bars": [] if figure is None else stacked(counts_of(figure)),
            "history": shown(
                history(board, choice.path, choice), events, notation.whole_name(choice.path), history_words, notation
            ),
            "not_marked": all_incidents - len(incidents),
            "incidents": [incident_line(each, visit, history_words, notation) for each in incidents],
            "open_incidents": [
                incident_line(each, visit, history_words, notation) for each in _open_incidents(visit, board, choice)
            ],
            "has_children": bool(board.scores.children(choice.path)),
            "drags": _drags(board, choice, notation) if is_segment(choice.path) else [],
            "cases": board.cases.totals(open_cases, visit.now) if is_segment(choice.path) else None,
            "cases_address": address_of("/cases", {}, segment=choice.path),
            "tree_address": address_of("/tree", {}, segment=choice.path),
            "eleven": eleven,
            "middle": place(0.0, axis),
            "history_csv": address_of("/history.csv", choice.query),
            "scores_csv": address_of("/scores.csv", choice.query),
        },
    )


def unknown(visit: Visit, board: Board, choice: Chosen, notation: Notation) -> View:
    """Return the page of a segment that has no scores, or of a board that has none yet."""
    found = alike(visit, board, choice.path) if choice.path else []
    values = {
        **score_values(visit, board, choice, notation),
        "alike": [(notation.whole_name(each), address_of("/", choice.query, segment=each)) for each in found],
    }
    return View("unknown.html.j2", values, status=404 if choice.path else 200)


def scores_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return the eleven scores as a table."""
    choice = chosen(visit)
    scores = None if choice is None else board.scores.get(choice.path)
    if scores is None:
        return NotFound()
    head = ("segment", "window", "each_customer_once", "n", *CLASSES, "nps", "low", "high")
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
    if choice is None or board.scores.get(choice.path) is None:
        return NotFound()
    return table("history", [history(board, choice.path, choice)], Notation(visit.language, visit.readers))


def cells(figure: WindowScore | None) -> tuple[int | float | None, ...]:
    """Return the numbers of a window as a table has them."""
    if figure is None:
        return (0, 0, 0, 0, None, None, None)
    numbers = (figure.nps, figure.low, figure.high)
    return (figure.n, figure.promoters, figure.passives, figure.detractors, *map(rounded, numbers))


def rounded(value: float | None) -> float | None:
    """Return a number with one decimal."""
    return None if value is None else round(value, 1)


def _shares(figure: WindowScore, notation: Notation) -> list[tuple[str, str]]:
    """Return the classes of answers with their shares."""
    counts = zip(CLASSES, counts_of(figure), strict=True)
    return [(name, notation.percent(count / figure.n)) for name, count in counts]


def _eleven(scores: Scores) -> tuple[list[Score], tuple[float, float]]:
    """Return the eleven scores, and the ends of the scale of their intervals."""
    by_customer = scores.latest_per_customer or {}
    known: list[tuple[str, bool, WindowScore | None]] = [
        *((window, False, scores.windows.get(window)) for window in WINDOW_ORDER),
        *((window, True, by_customer.get(window)) for window in _SHOWN_BY_CUSTOMER),
    ]
    figures = [figure for *_, figure in known if figure is not None and figure.n]
    axis = axis_of(figures)
    rows, whole = [], scores.windows.get("all")
    for window, once, figure in known:
        answered = figure if figure is not None and figure.n else None
        is_other = once or window != "all"
        # A row has no answers that "all time" has not, so as many answers are the same ones.
        is_whole = is_other and answered is not None and whole is not None and answered.n == whole.n
        rows.append(Score(window, once, answered, whisker_of(answered, axis), figure is not None, is_whole))
    return rows, axis


def _open_incidents(visit: Visit, board: Board, choice: Chosen) -> list[KnownIncident]:
    """Return the latest open incidents about what is chosen, or about a segment below it."""
    found = board.incidents.open(visit.person.segments)
    return [each for each in found if any(is_below(path, choice.path) for path in each.segments)][:_INCIDENTS]


def _event(incident: KnownIncident, number: int) -> Event:
    last = None if incident.is_open else to_ms(incident.newest.occurred_at) // DAY
    return Event(to_ms(incident.newest.since) // DAY, last, number)


def _drags(board: Board, choice: Chosen, notation: Notation) -> list[Drag]:
    """Return the segments below that take the most points from the NPS."""
    rows = []
    found = dragging(choice.path, board.scores.children, lambda path: board.scores.counts(path, choice.window), _DRAGS)
    for path, points in found:
        scores = board.scores.get(path)
        figure = figure_of(scores, choice.window)
        if points > -_LEAST_DRAG or scores is None or figure is None:
            continue
        life = LONGEST if scores.smoothed is None else scores.smoothed.half_life_days
        line = smoothed_line(board.history.days(path), life, choice.first, choice.last, 2)
        spark, end = sparkline(line, choice.first, choice.last)
        name = notation.name_below(path, choice.path)
        rows.append(Drag(name, address_of("/", choice.query, segment=path), points, figure, spark, end))
    return rows
