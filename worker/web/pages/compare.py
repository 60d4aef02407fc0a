"""Two segments beside each other: the difference between their NPS, and whether it is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.scores import WindowScore
from worker.board.board import Board
from worker.board.charts import LineChart, Whisker, bounds, drawn_values, line_chart, place, stacked
from worker.board.series import Day, Period, Smooth, by_weeks, smoothed_line
from worker.flow.window_score import window_score
from worker.lineage import canonical_path, is_below, is_segment, parent_of
from worker.nps.interval import difference
from worker.nps.smoothed import LONGEST
from worker.nps.windows import Classes
from worker.web.layout import address_of
from worker.web.notation import Notation, capital
from worker.web.pages.choosing import ROWS, Chosen, axis_of, chosen, home, score_values, suggested, whisker_of
from worker.web.pages.history import day_ticks, value_ticks
from worker.web.pages.overview import CLASSES, cells
from worker.web.pages.tree import views
from worker.web.view import NotFound, Table, View
from worker.web.visit import Visit
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
        "sides": [],
        "rest_of": "",
        "sentence": score_words.unknown.format(name=missing[0]) if missing else words.choose,
    }
    if sides is None:
        return View("compare.html.j2", values, status=404 if missing else 200)
    one, other = sides
    values["sides"] = _shown(sides, board, choice, notation)
    values["sentence"] = _sentence(one, other, choice, words, score_words.within)
    if other.without is not None and other.path:
        values["rest_of"] = words.rest_of.format(inner=one.name, outer=notation.name(other.path))
    return View("compare.html.j2", values)


def compare_table(visit: Visit, board: Board) -> Table | NotFound:
    """Return two segments as a table."""
    choice, pair = chosen(visit), _pair(visit, board)
    if choice is None or not all(map(visit.person.may_see, pair)):
        return NotFound()
    sides = _sides(visit, board, choice, pair)
    if sides is None:
        return NotFound()
    head = ("segment", "without", "window", "n", *CLASSES, "nps", "low", "high")
    return Table(
        "compare", head, [(side.path, side.without or "", choice.window, *cells(side.figure)) for side in sides]
    )


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
    chart: LineChart
    values: list[tuple[float, str, bool]]
    days: list[tuple[float, str, bool]]


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
    others = _minus(others, own)
    name = words.rest.format(name=notation.name(second)) if second else words.others
    return one, Side(second, first, name, others, _figure(others))


def _figure(counts: Classes) -> WindowScore | None:
    return window_score(*counts) if sum(counts) else None


def _minus(counts: Classes, part: Classes) -> Classes:
    promoters, passives, detractors = (max(0, more - less) for more, less in zip(counts, part, strict=True))
    return promoters, passives, detractors


def _sentence(one: Side, other: Side, choice: Chosen, words: TreeWords, within: Mapping[str, str]) -> str:
    """Return the difference between the two in words."""
    if is_segment(one.path) != is_segment(other.path) and other.without is None:
        return words.overlap
    if one.figure is None or other.figure is None or one.figure.nps is None or other.figure.nps is None:
        return words.too_few.format(window=within[choice.window])
    low, high = difference(one.counts, other.counts)
    names = {"first": one.name, "second": other.name}
    if low <= 0 <= high:
        return words.unclear.format(low=round(-low), high=round(high), **names)
    near, far = sorted((abs(low), abs(high)))
    points = round(abs(one.figure.nps - other.figure.nps))
    text = words.better if low > 0 else words.worse
    return capital(text.format(points=points, low=round(near), high=round(far), **names))


def _shown(sides: Sequence[Side], board: Board, choice: Chosen, notation: Notation) -> list[_Shown]:
    """Return two sides as the page shows them. Their charts and intervals have the same scales."""
    axis = axis_of([side.figure for side in sides if side.figure is not None])
    drawn = [_drawn(side, board, choice) for side in sides]
    heights = bounds([value for raw, line in drawn for value in drawn_values(raw, line)])
    found = []
    for side, (raw, line) in zip(sides, drawn, strict=True):
        chart = line_chart(raw, line, [], choice.first, choice.last, heights)
        shares = zip(CLASSES, side.counts, strict=True)
        found.append(
            _Shown(
                side,
                capital(side.name),
                address_of("/", choice.query, segment=side.path),
                [(name, notation.percent(count / max(1, sum(side.counts)))) for name, count in shares],
                stacked(side.counts),
                whisker_of(side.figure, axis),
                place(0.0, axis),
                chart,
                value_ticks(chart, notation),
                day_ticks(chart, choice, notation),
            )
        )
    return found


def _drawn(side: Side, board: Board, choice: Chosen) -> tuple[list[Period], list[Smooth]]:
    """Return what the chart of a side shows: the NPS of single weeks, and the smoothed one."""
    days: Sequence[Day] = board.history.days(side.path)
    if side.without is not None:
        taken: dict[int, Classes] = {day: (p, n, d) for day, p, n, d in board.history.days(side.without)}
        days = [(day, *_minus((p, n, d), taken.get(day, (0, 0, 0)))) for day, p, n, d in days]
    scores = board.scores.get(side.path)
    life = LONGEST if scores is None or scores.smoothed is None else scores.smoothed.half_life_days
    newest = min(choice.last, max((day for day, *_ in days), default=choice.last))
    return by_weeks(days, choice.first, choice.last), smoothed_line(days, life, choice.first, newest)


def _suggested(visit: Visit, board: Board, path: str) -> list[str]:
    """Return segments to compare with one: those beside it, below it, and above it."""
    above = parent_of(path)
    beside = [] if above is None or not visit.person.may_see(above) else board.scores.children(above)[:ROWS]
    return [*beside, *suggested(visit, board, path)]
