"""The tree: the segments below one, the one that drags its NPS down the most first; and why its NPS has changed."""

from typing import NamedTuple

from schemas.scores import Scores, WindowScore
from worker.board.board import Board
from worker.board.charts import Whisker, place
from worker.board.tree import differs, drag
from worker.lineage import is_segment
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.pages.change import change_of
from worker.web.pages.choosing import (
    Chosen,
    axis_of,
    chosen,
    cut,
    figure_of,
    own_segments,
    pager,
    score_values,
    steps_to,
    whisker_of,
)
from worker.web.pages.overview import CLASSES, cells, rounded, unknown
from worker.web.view import NotFound, Table, View
from worker.web.visit import Visit
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.tree import TREE_WORDS, TreeWords

#: A drag that is rounded to zero has no effect.
_LEAST_DRAG = 0.05
_SURVEYS = "surveys"


class Placed(NamedTuple):
    """A segment in the order of the tree."""

    path: str
    #: The points that it takes from the NPS above, as a number below zero, or adds to it; None without a segment above.
    points: float | None


class Row(NamedTuple):
    """A segment as the tree shows it."""

    name: str
    #: Where one comes from here: to the segments below, or to the overview.
    address: str
    compare: str
    children: int
    figure: WindowScore
    whisker: Whisker | None
    direction: str | None
    points: float | None
    sure: bool


class Below(NamedTuple):
    """The segments of a tree, in their order."""

    placed: list[Placed]
    #: How many have no answers in the window.
    unanswered: int


def tree(visit: Visit, board: Board) -> View | NotFound:
    """Return the segments below one."""
    choice = _chosen(visit)
    if choice is None:
        return NotFound()
    notation, words = Notation(visit.language, visit.readers), TREE_WORDS[visit.language]
    is_top, surveys = _is_top(visit), _wants_surveys(visit)
    scores = board.scores.get(choice.path)
    if scores is None and not is_top:
        return unknown(visit, board, choice, notation)
    below = _below(visit, board, choice)
    part = cut(visit, len(below.placed))
    shown = [(each, known) for each in below.placed[part.first : part.last] if (known := board.scores.get(each.path))]
    figures = [figure for _, known in shown if (figure := figure_of(known, choice.window)) is not None]
    own = None if is_top else figure_of(scores, choice.window)
    axis = axis_of([*figures, *([] if own is None else [own])])
    rows = [row for each, known in shown if (row := _row(each, known, board, choice, axis, notation)) is not None]
    return View(
        "tree.html.j2",
        {
            **score_values(visit, board, choice, notation),
            "words": words,
            "views": views(choice, words, "surveys" if surveys else "tree", visit),
            "steps": steps_to(visit, choice.path, "/tree", choice.query, notation),
            "rows": rows,
            "own": own,
            "own_whisker": whisker_of(own, axis),
            "own_trend": None if scores is None or scores.trend is None or is_top else scores.trend.direction,
            "middle": None if own is None or own.nps is None else place(own.nps, axis),
            "overview_address": "" if is_top else address_of("/", choice.query),
            "is_top": is_top,
            "surveys_shown": surveys,
            "unanswered": below.unanswered,
            "pager": pager(visit, len(below.placed), notation, LAYOUT_WORDS[visit.language].page),
            "csv": address_of("/tree.csv", visit.query, page=None),
            "change": None if is_top or surveys else change_of(board, choice, words, notation),
        },
    )


def tree_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return the segments below one as a table."""
    choice = _chosen(visit)
    if choice is None:
        return NotFound()
    rows = []
    for path, points in _below(visit, board, choice).placed:
        figure = figure_of(board.scores.get(path), choice.window)
        rows.append((path, choice.window, *cells(figure), rounded(points)))
    return Table("tree", ("segment", "window", "n", *CLASSES, "nps", "low", "high", "effect"), rows)


def views(choice: Chosen, words: TreeWords, current: str, visit: Visit) -> list[tuple[str, str, bool]]:
    """Return the links between the pages about segments: label, address, and whether it is this page."""
    query = choice.query if is_segment(choice.path) else {}
    found = [(words.by_segment, address_of("/tree", query), current == "tree")]
    if visit.person.sees_all:
        found.append((words.by_survey, address_of("/tree", {"by": _SURVEYS}), current == "surveys"))
    return [
        *found,
        (words.heat, address_of("/heat", query), current == "heat"),
        (words.compare, address_of("/compare", query, a=choice.path, segment=None), current == "compare"),
    ]


def _chosen(visit: Visit) -> Chosen | None:
    """Return what is chosen; surveys have nothing below them, so the tree of one is that of all surveys."""
    choice = chosen(visit)
    return None if choice is None or not is_segment(choice.path) else choice


def _wants_surveys(visit: Visit) -> bool:
    return visit.query.get("by") == _SURVEYS and visit.person.sees_all


def _is_top(visit: Visit) -> bool:
    """Say whether the person sees several segments, and has chosen none of them."""
    return "segment" not in visit.query and not visit.person.sees_all and len(own_segments(visit)) > 1


def _children(board: Board, choice: Chosen) -> list[str]:
    return board.scores.children(choice.path)


def _below(visit: Visit, board: Board, choice: Chosen) -> Below:
    """Return the segments of the page, in their order."""
    counts = board.scores.counts
    if _is_top(visit):
        found = own_segments(visit)
        answered = [Placed(path, None) for path in found if sum(counts(path, choice.window))]
        return Below(answered, len(found) - len(answered))
    found = board.scores.surveys() if _wants_surveys(visit) else _children(board, choice)
    parent = counts("" if _wants_surveys(visit) else choice.path, choice.window)
    placed = [
        Placed(path, drag(own, parent)) for path in found if sum(own := counts(path, choice.window)) and sum(parent)
    ]
    return Below(sorted(placed, key=lambda each: (each.points, each.path)), len(found) - len(placed))


def _row(
    placed: Placed, scores: Scores, board: Board, choice: Chosen, axis: tuple[float, float], notation: Notation
) -> Row | None:
    path, figure = placed.path, figure_of(scores, choice.window)
    if figure is None:
        return None
    children = len(board.scores.children(path))
    own, parent = board.scores.counts(path, choice.window), board.scores.counts(choice.path, choice.window)
    return Row(
        notation.name(path),
        address_of("/tree" if children else "/", choice.query, segment=path),
        address_of("/compare", choice.query, segment=None, a=path),
        children,
        figure,
        whisker_of(figure, axis),
        None if scores.trend is None else scores.trend.direction,
        placed.points,
        placed.points is not None and abs(placed.points) >= _LEAST_DRAG and differs(own, parent),
    )
