"""Two segments beside each other: the difference between their NPS, and whether it is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.scores import WindowScore
from worker.board.board import Board
from worker.board.charts import Whisker, place, stacked
from worker.flow.window_score import window_score
from worker.lineage import canonical_path, is_below, is_segment, parent_of
from worker.nps.interval import difference
from worker.nps.windows import Classes
from worker.web.layout import address_of
from worker.web.notation import Notation, capital
from worker.web.pages.choosing import ROWS, Chosen, axis_of, chosen, home, score_values, suggested, whisker_of
from worker.web.pages.history import Shown, axis_of_histories, history, minus, shown, table
from worker.web.pages.overview import CLASSES, cells, rounded
from worker.web.pages.tree import views
from worker.web.view import NotFound, Table, View
from worker.web.visit import Visit
from worker.web.words.history import HISTORY_WORDS, HistoryWords
from worker.web.words.scores import SCORE_WORDS
from worker.web.words.tree import TREE_WORDS, TreeWords


@dataclass(frozen=True)
class Side:
    """One of the two. If it is the rest of a segment, the answers of the other one are taken out of its own."""

    path: str
    #: What is taken out; None if nothing is.
    without: str | None
    name: str
    counts: Classes
    figure: WindowScore | None


def compare(visit: Visit, board: Board) -> View | NotFound:
    """Return two segments beside each other. The second one is the rest of the parent if there is no `b`."""
    choice, pair = chosen(visit), _pair(visit, board)
    if choice is None or not all(map(visit.person.may_see, pair)):
        return NotFound()
    notation, words = Notation(visit.language, visit.readers), TREE_WORDS[visit.language]
    score_words = SCORE_WORDS[visit.language]
    sides = _sides(visit, board, choice, pair)
    missing = [path for path in pair if board.scores.get(path) is None]
    values = {
        **score_values(visit, board, choice, notation),
        "words": words,
        "views": views(choice._replace(path=pair[0]), words, "compare", visit),
        "a": visit.query.get("a") or pair[0],
        "b": visit.query.get("b", ""),
        "suggested": _suggested(visit, board, pair[0]),
        "csv": address_of("/compare.csv", visit.query),
        "history_csv": address_of("/compare-history.csv", visit.query),
        "sides": [],
        "rest_of": "",
        "sentence": score_words.unknown.format(name=missing[0]) if missing else words.choose,
    }
    if sides is None:
        return View("compare.html.j2", values, status=404 if missing else 200)
    one, other = sides
    values["sides"] = _shown(sides, board, choice, HISTORY_WORDS[visit.language], notation)
    values["sentence"] = _sentence(one, other, choice, words, notation, score_words.within)
    if other.without is not None and other.path:
        values["rest_of"] = words.rest_of.format(inner=one.name, outer=notation.name(other.path))
    return View("compare.html.j2", values)


#: What the table has of the difference between the two, in each row.
_DIFFERENCE = ("difference", "difference_low", "difference_high")


def compare_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return two segments as a table."""
    choice, sides = chosen(visit), _compared(visit, board)
    if choice is None or sides is None:
        return NotFound()
    head = ("segment", "without", "window", "n", *CLASSES, "nps", "low", "high")
    known = None if _overlap(*sides) else _difference(*sides)
    apart = (None,) * len(_DIFFERENCE) if known is None else tuple(map(rounded, known))
    rows = [(side.path, side.without or "", choice.window, *cells(side.figure), *apart) for side in sides]
    return Table("compare", (*head, *_DIFFERENCE), rows)


def _difference(one: Side, other: Side) -> tuple[float, float, float] | None:
    """Return the first NPS less the second, and the ends of its interval; None if one of them has no NPS."""
    if one.figure is None or other.figure is None or one.figure.nps is None or other.figure.nps is None:
        return None
    return (one.figure.nps - other.figure.nps, *difference(one.counts, other.counts))


def _overlap(one: Side, other: Side) -> bool:
    """Return whether the two may have answers in common, so that their difference cannot be judged."""
    return is_segment(one.path) != is_segment(other.path) and other.without is None


def compare_history_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return the numbers of both charts as a table."""
    choice, sides = chosen(visit), _compared(visit, board)
    if choice is None or sides is None:
        return NotFound()
    found = [history(board, side.path, choice, side.without) for side in sides]
    return table("compare-history", found, Notation(visit.language, visit.readers))


@dataclass(frozen=True)
class _Shown:
    """A side as the page shows it."""

    side: Side
    title: str
    address: str
    shares: list[tuple[str, str]]
    bars: list[tuple[float, float]]
    whisker: Whisker | None
    middle: float
    history: Shown


def _pair(visit: Visit, board: Board) -> list[str]:
    """Return the paths of the two, of which one may not be known; only one if there is nothing to compare it with.

    If one is above the other, it is the second. Without a choice, the first one is a segment below the first that the
    person sees, and the second one is what is above it.
    """
    first = canonical_path(visit.query.get("a", ""))
    if not first:
        first = next(iter(board.scores.children(home(visit))), home(visit))
    second = canonical_path(visit.query["b"]) if visit.query.get("b") else parent_of(first)
    if second is None or (not visit.query.get("b") and not visit.person.may_see(second)):
        return [first]
    if is_segment(first) and is_segment(second) and is_below(second, first):
        first, second = second, first
    return [first, second]


def _compared(visit: Visit, board: Board) -> tuple[Side, Side] | None:
    """Return what is compared; None if one of the two is missing, not known, or not to be seen."""
    choice, pair = chosen(visit), _pair(visit, board)
    if choice is None or not all(map(visit.person.may_see, pair)):
        return None
    return _sides(visit, board, choice, pair)


def _sides(visit: Visit, board: Board, choice: Chosen, pair: Sequence[str]) -> tuple[Side, Side] | None:
    """Return what is compared; None if one of the two is missing or not known."""
    if len(pair) < 2 or any(board.scores.get(path) is None for path in pair):
        return None
    first, second = pair
    notation, words = Notation(visit.language, visit.readers), TREE_WORDS[visit.language]
    own, others = (board.scores.counts(path, choice.window) for path in pair)
    one = Side(first, None, notation.name(first), own, _figure(own))
    # The root has the answers of every survey, and so of each segment those of the segments below it.
    if second and not (is_segment(first) and is_segment(second) and is_below(first, second)):
        return one, Side(second, None, notation.name(second), others, _figure(others))
    others = minus(others, own)
    name = words.rest.format(name=notation.name(second)) if second else words.others
    return one, Side(second, first, name, others, _figure(others))


def _figure(counts: Classes) -> WindowScore | None:
    return window_score(*counts) if sum(counts) else None


def _sentence(
    one: Side, other: Side, choice: Chosen, words: TreeWords, notation: Notation, within: Mapping[str, str]
) -> str:
    """Return the difference between the two in words."""
    if _overlap(one, other):
        return words.overlap
    found = _difference(one, other)
    if found is None:
        return words.too_few.format(window=within[choice.window])
    points, low, high = found
    names = {"first": one.name, "second": other.name}
    if low <= 0 <= high:
        return words.unclear.format(low=round(-low), high=round(high), **names)
    text = words.better if low > 0 else words.worse
    return text.format(points=notation.whole_points(round(abs(points))), **notation.ends(low, high), **names)


def _shown(
    sides: Sequence[Side], board: Board, choice: Chosen, words: HistoryWords, notation: Notation
) -> list[_Shown]:
    """Return two sides as the page shows them. Their charts and intervals have the same scales."""
    axis = axis_of([side.figure for side in sides if side.figure is not None])
    histories = [history(board, side.path, choice, side.without) for side in sides]
    heights = axis_of_histories(histories)
    return [
        _Shown(
            side,
            _heading(side),
            address_of("/", choice.query, segment=side.path),
            [
                (name, notation.percent(count / max(1, sum(side.counts))))
                for name, count in zip(CLASSES, side.counts, strict=True)
            ],
            stacked(side.counts),
            whisker_of(side.figure, axis),
            place(0.0, axis),
            shown(each, [], _heading(side), words, notation, heights),
        )
        for side, each in zip(sides, histories, strict=True)
    ]


def _heading(side: Side) -> str:
    """Return the heading of a side: the name of a segment as it is, and words with a capital letter."""
    return side.name if side.without is None and side.path else capital(side.name)


def _suggested(visit: Visit, board: Board, path: str) -> list[str]:
    """Return segments to compare with one: those beside it, below it, and above it."""
    above = parent_of(path)
    beside = [] if above is None or not visit.person.may_see(above) else board.scores.children(above)[:ROWS]
    return [*beside, *suggested(visit, board, path)]
