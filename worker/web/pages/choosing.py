"""What a person has chosen in the address of a page about scores: a segment or a survey, a window, and a range."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schemas.scores import Scores, WindowScore
from worker.board.board import Board
from worker.board.charts import Whisker, bounds, whisker
from worker.lineage import canonical_path, is_below, is_segment, parent_of, survey_of
from worker.nps.windows import WINDOWS
from worker.web.layout import address_of
from worker.web.notation import DAY, Notation
from worker.web.visit import Visit
from worker.web.words.history import HISTORY_WORDS
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.scores import SCORE_WORDS

#: The window that is shown if none is chosen.
USUAL_WINDOW = "30d"
#: The ranges of a chart: how many months, and how many days that is. The first one is shown if none is chosen.
RANGES: Mapping[str, int] = {"3": 91, "1": 30, "12": 364}
#: The windows in the order in which they are shown.
WINDOW_ORDER = (USUAL_WINDOW, "7d", "24h", "90d", "365d", "last_100", "all")
assert set(WINDOW_ORDER) == set(WINDOWS)
#: The number of rows of a list on one page.
ROWS = 50
#: The largest number of names that are suggested.
_MOST_SUGGESTED = 12
#: The largest number of surveys to choose from.
_MOST_SURVEYS = 200


class Chosen(NamedTuple):
    """What is shown."""

    path: str
    window: str
    #: The name of the range, and its first and last day, counted since 1970.
    months: str
    first: int
    last: int

    @property
    def query(self) -> dict[str, str]:
        """The parts of an address that stand for this; the usual choices are left out."""
        parts = {"segment": self.path} if self.path else {}
        if self.window != USUAL_WINDOW:
            parts["window"] = self.window
        if self.months != next(iter(RANGES)):
            parts["range"] = self.months
        return parts


class Slice(NamedTuple):
    """The rows of a list that are on one page; the first page is 1."""

    first: int
    last: int
    page: int
    pages: int


def chosen(visit: Visit) -> Chosen | None:
    """Return what is chosen; None if the person may not see it.

    A survey is counted for all segments, so a choice of both is one of the survey.
    """
    path = canonical_path(visit.query.get("survey") or visit.query.get("segment") or home(visit))
    if not visit.person.may_see(path):
        return None
    window, months = visit.query.get("window", USUAL_WINDOW), visit.query.get("range", "")
    today = visit.now // DAY
    months = months if months in RANGES else next(iter(RANGES))
    return Chosen(path, window if window in WINDOWS else USUAL_WINDOW, months, today - RANGES[months] + 1, today)


def home(visit: Visit) -> str:
    """Return the segment that a person sees first."""
    return "" if visit.person.sees_all or not visit.person.segments else visit.person.segments[0]


def own_segments(visit: Visit) -> list[str]:
    """Return the segments that a person may see, without those that are below another one of them."""
    own = set(visit.person.segments)
    return sorted(path for path in own if not any(path != other and is_below(path, other) for other in own))


def steps_to(
    visit: Visit, path: str, address: str, query: Mapping[str, str], notation: Notation
) -> list[tuple[str, str]]:
    """Return the names and the addresses of the segments above one, as far as the person may see them, root first."""
    found = []
    above = parent_of(path)
    while above is not None:
        if visit.person.may_see(above):
            found.append((notation.name(above), address_of(address, {**query, "segment": above})))
        above = parent_of(above)
    return found[::-1]


def figure_of(scores: Scores | None, window: str) -> WindowScore | None:
    """Return the scores of a window; None if there are none, or no answers in it."""
    found = None if scores is None else scores.windows.get(window)
    return found if found is not None and found.n else None


def survey_choices(visit: Visit, board: Board, path: str) -> list[tuple[str, str]]:
    """Return the surveys to choose from, with their ids; empty if the person sees only some segments."""
    if not visit.person.sees_all:
        return []
    found = board.scores.surveys()[:_MOST_SURVEYS]
    if survey_of(path) is not None and path not in found:
        found.append(path)
    return [(each, survey_of(each) or "") for each in found]


def suggested(visit: Visit, board: Board, path: str) -> list[str]:
    """Return segments to choose from beside one: those below it, and those above it."""
    above = [each for each in (parent_of(path), "") if each is not None and visit.person.may_see(each)]
    return [each for each in (*board.scores.children(path)[:ROWS], *above) if each]


def alike(visit: Visit, board: Board, path: str) -> list[str]:
    """Return segments whose paths have the words of a path that is not known."""
    words = path.casefold().split()
    found = (
        each
        for each in board.scores.paths()
        if each and all(word in each.casefold() for word in words) and visit.person.may_see(each)
    )
    return [each for each, _ in zip(found, range(_MOST_SUGGESTED), strict=False)]


def cut(visit: Visit, rows: int) -> Slice:
    """Return which rows of a list the chosen page has."""
    pages = max(1, -(-rows // ROWS))
    text = visit.query.get("page", "")
    page = min(max(int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1, 1), pages)
    return Slice((page - 1) * ROWS, page * ROWS, page, pages)


def pager(visit: Visit, rows: int, notation: Notation, text: str) -> dict[str, str]:
    """Return what the macro `pager` shows. `text`: {page} {pages} {rows}."""
    found = cut(visit, rows)
    return {
        "text": text.format(page=found.page, pages=found.pages, rows=notation.count(rows)),
        "previous": address_of(visit.path, visit.query, page=found.page - 1) if found.page > 1 else "",
        "next": address_of(visit.path, visit.query, page=found.page + 1) if found.page < found.pages else "",
    }


def axis_of(windows: Sequence[WindowScore]) -> tuple[float, float]:
    """Return the ends of a scale that holds the intervals of some windows."""
    return bounds([end for each in windows for end in (each.low, each.high) if end is not None])


def whisker_of(figure: WindowScore | None, axis: tuple[float, float]) -> Whisker | None:
    """Return the interval of a window on a scale; None without an answer."""
    if figure is None or figure.nps is None or figure.low is None or figure.high is None:
        return None
    return whisker(figure.nps, figure.low, figure.high, axis)


def score_values(visit: Visit, board: Board, choice: Chosen, notation: Notation) -> dict[str, Any]:
    """Return what every page about scores has: the name of what is chosen, and the form to choose something else."""
    words = SCORE_WORDS[visit.language]
    return {
        "choice": choice,
        "score_words": words,
        "history_words": HISTORY_WORDS[visit.language],
        "notation": notation,
        "name": notation.whole_name(choice.path),
        "breadcrumbs": LAYOUT_WORDS[visit.language].breadcrumbs,
        "own_segments": _own_segments(visit, choice, notation),
        "steps": steps_to(visit, choice.path, "/", choice.query, notation),
        "first_name": notation.name(home(visit)),
        "segment": choice.path if is_segment(choice.path) else "",
        "suggested": suggested(visit, board, choice.path),
        "surveys": survey_choices(visit, board, choice.path),
        "windows": [(window, words.windows[window]) for window in WINDOW_ORDER],
        "ranges": [(months, words.ranges[months]) for months in sorted(RANGES, key=int)],
    }


def _own_segments(visit: Visit, choice: Chosen, notation: Notation) -> list[tuple[str, str, bool]]:
    """Return links to the segments of a person who sees several ones; empty for others."""
    own = [] if visit.person.sees_all else own_segments(visit)
    return [
        (notation.whole_name(path), address_of("/", choice.query, segment=path), path == choice.path)
        for path in own
        if len(own) > 1
    ]
