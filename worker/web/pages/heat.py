"""The heat map: the NPS of a segment and of those below it, month by month."""

from collections.abc import Sequence
from typing import NamedTuple

from worker.board.board import Board
from worker.board.series import Period, months
from worker.board.tree import drag
from worker.lineage import is_segment
from worker.web.layout import address_of
from worker.web.notation import Notation, date_of
from worker.web.pages.choosing import Chosen, chosen, cut, pager, score_values, steps_to
from worker.web.pages.overview import CLASSES, rounded, unknown
from worker.web.pages.tree import views
from worker.web.view import NotFound, Table, View
from worker.web.visit import Visit
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.tree import TREE_WORDS

#: The months that are shown; the history goes back as far.
_MONTHS = 12
#: The window by which the segments are in order, which has the same time.
_WINDOW = "365d"
#: A month with fewer answers than this says little.
FEW = 10
#: The classes of cells by how many points they are above or below, beginning with the largest difference.
_LEVELS = ((30, "3"), (15, "2"), (5, "1"))


class Cell(NamedTuple):
    """A month of a segment."""

    text: str
    #: The class that colours the cell; empty without answers.
    level: str
    few: bool
    n: int


class Row(NamedTuple):
    """A segment."""

    name: str
    address: str
    cells: list[Cell]


def heat(visit: Visit, board: Board) -> View | NotFound:
    """Return the months of a segment and of the segments below it."""
    choice = chosen(visit)
    if choice is None or not is_segment(choice.path):
        return NotFound()
    notation, words = Notation(visit.language, visit.readers), TREE_WORDS[visit.language]
    if board.scores.get(choice.path) is None:
        return unknown(visit, board, choice, notation)
    own = _months(board, choice.path, choice)
    whole = Period(own[0].first, own[-1].last, _sum(own))
    children = _in_order(board, choice.path)
    part = cut(visit, len(children))
    shown = [(path, _months(board, path, choice)) for path in children[part.first : part.last]]
    reference = whole.nps or 0.0
    own_row = _row(choice.path, own, reference, choice, notation)
    rows = [_row(path, found, reference, choice, notation) for path, found in shown]
    cells = [cell for row in (own_row, *rows) for cell in row.cells]
    return View(
        "heat.html.j2",
        {
            **score_values(visit, board, choice, notation),
            "words": words,
            "views": views(choice, words, "heat", visit),
            "steps": steps_to(visit, choice.path, "/heat", choice.query, notation),
            "months": [_month(each, notation) for each in reversed(own)],
            "own": own_row,
            "rows": rows,
            # The legend explains what the cells have.
            "levels": {cell.level for cell in cells},
            "has_few": any(cell.few for cell in cells),
            "answered": whole.n > 0,
            "reference": notation.points(whole.nps),
            "pager": pager(visit, len(children), notation, LAYOUT_WORDS[visit.language].page),
            "csv": address_of("/heat.csv", visit.query, page=None),
        },
    )


def heat_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return the months as a table, a row for each segment and month."""
    choice = chosen(visit)
    if choice is None or not is_segment(choice.path):
        return NotFound()
    rows: list[tuple[str | int | float | None, ...]] = []
    for path in (choice.path, *_in_order(board, choice.path)):
        for month in _months(board, path, choice):
            low, high = month.ends or (None, None)
            figures = map(rounded, (month.nps, low, high))
            rows.append((path, date_of(month.first).strftime("%Y-%m"), month.n, *month.classes, *figures))
    return Table("months", ("segment", "month", "n", *CLASSES, "nps", "low", "high"), rows)


def level(nps: float, reference: float) -> str:
    """Return the class of a cell by how far it is above or below a reference; both in points."""
    distance = nps - reference
    side = "low" if distance < 0 else "high"
    return next((f"{side}-{name}" for least, name in _LEVELS if abs(distance) >= least), "level")


def _months(board: Board, path: str, choice: Chosen) -> list[Period]:
    spans = months(choice.last, _MONTHS)
    return [Period(first, last, board.history.total(path, first, last)) for first, last in spans]


def _in_order(board: Board, path: str) -> list[str]:
    """Return the segments directly below one, the one that drags its NPS down the most first."""
    parent = board.scores.counts(path, _WINDOW)
    found = board.scores.children(path)
    return sorted(found, key=lambda child: (drag(board.scores.counts(child, _WINDOW), parent), child))


def _row(path: str, periods: Sequence[Period], reference: float, choice: Chosen, notation: Notation) -> Row:
    cells = [
        Cell("", "", False, 0)
        if month.nps is None
        else Cell(notation.points(month.nps), level(month.nps, reference), month.n < FEW, month.n)
        for month in reversed(periods)
    ]
    return Row(notation.name(path), address_of("/", choice.query, segment=path, range="12"), cells)


def _month(month: Period, notation: Notation) -> tuple[str, str]:
    """Return the short name of a month with its year, and its whole name."""
    day = date_of(month.first)
    short = f"{notation.short_month(day.month)} {day.year}"
    return short, notation.month(day.year, day.month)


def _sum(periods: Sequence[Period]) -> tuple[int, int, int]:
    promoters, passives, detractors = (sum(column) for column in zip(*(each.classes for each in periods), strict=True))
    return promoters, passives, detractors
