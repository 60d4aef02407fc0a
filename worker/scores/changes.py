"""How each segment changed: its last 30 days compared with the 60 days before, split into `within` and `mix`.

The windows of a segment end at the same time and contain each other. So the answers of the 60 days before the last 30
are those of the window of 90 days, less those of the window of 30.
"""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.scores import Scores, WindowScore
from worker.board.tree import Branch
from worker.detect.drops import Classes
from worker.detect.mix import mix_of
from worker.detect.split import Split, without
from worker.flow.text import on_one_line
from worker.lineage import SEPARATOR, is_segment, parent_of
from worker.nps.interval import INDICATIVE_BELOW, difference

#: The windows that are compared: the shorter one has the newest answers of the longer one.
LONG, SHORT = "90d", "30d"
_HEAD = ("segment", "60 d", "n", "30 d", "n", "change", "95 %", "within", "mix")
#: The widths of the columns after the name, and the longest name with its indentation: a line has at most 80 columns.
_WIDTHS = (5, 6, 5, 6, 6, 12, 6, 5)
_NAME = 21
#: What marks an NPS of few answers, and what it means.
_FEW = "*"
_HINT = f"{_FEW} fewer than {INDICATIVE_BELOW} answers: the NPS is only indicative"
#: From this number of answers on, they are counted in thousands, so that they fit their column.
_MANY = 100_000


class Changed(NamedTuple):
    """How the NPS of a segment changed, in points. A figure that is not known is None."""

    before: float | None
    after: float | None
    #: The numbers of answers.
    n_before: int
    n_after: int
    #: The change, and the ends of its 95 % interval.
    change: float | None
    low: float | None
    high: float | None
    #: The part that is due to the segments directly below, and that of their shares. None if there are fewer than two.
    within: float | None
    mix: float | None


def changes(scores: Mapping[str, Scores]) -> dict[str, Changed]:
    """Return how each segment changed, by path."""
    splits = {path: _split(each) for path, each in scores.items() if is_segment(path)}
    children: dict[str, dict[str, Split]] = {}
    for path, split in splits.items():
        if (above := parent_of(path)) is not None:
            children.setdefault(above, {})[path] = split
    return {path: _changed(split, children.get(path, {})) for path, split in splits.items()}


def table(branches: list[Branch], found: Mapping[str, Changed]) -> str:
    """Return a header and a line for each branch, in at most 80 columns, and what the mark at a figure means."""
    rows = [_HEAD, *(_cells(branch, found[branch.path]) for branch in branches)]
    width = max(len(name) for name, *_ in rows)
    lines = [
        " ".join([name.ljust(width), *(cell.rjust(size) for cell, size in zip(cells, _WIDTHS, strict=True))])
        for name, *cells in rows
    ]
    has_few = any(cell.endswith(_FEW) for _, *cells in rows for cell in cells)
    return "\n".join([*lines, *([_HINT] if has_few else [])])


def _cells(branch: Branch, changed: Changed) -> tuple[str, ...]:
    name = on_one_line(branch.path.rpartition(SEPARATOR)[2] if branch.depth else branch.path) or "all"
    shown = "  " * branch.depth + name
    ends = changed.low is not None and changed.high is not None
    return (
        shown if len(shown) <= _NAME else shown[: _NAME - 1] + "…",
        *_nps_cells(changed.before, changed.n_before),
        *_nps_cells(changed.after, changed.n_after),
        _points(changed.change),
        f"{_points(changed.low)} to {_points(changed.high)}" if ends else "",
        _points(changed.within),
        _points(changed.mix),
    )


def _nps_cells(nps: float | None, n: int) -> tuple[str, str]:
    """Return an NPS, with a mark if it is of few answers, and their number."""
    mark = _FEW if 0 < n < INDICATIVE_BELOW else ""
    return _points(nps) + mark, f"{n:,}" if n < _MANY else f"{n / 1000:,.0f}k"


def _points(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:+z.0f}"


def _changed(split: Split, children: Mapping[str, Split]) -> Changed:
    before, after = _nps(split.before), _nps(split.after)
    change, low, high = None, None, None
    if before is not None and after is not None:
        change, (low, high) = after - before, difference(split.after, split.before)
    mixed = mix_of(split, children)
    within, mix = (None, None) if mixed is None else (mixed.within.points, mixed.mix.points)
    return Changed(before, after, int(sum(split.before)), int(sum(split.after)), change, low, high, within, mix)


def _split(scores: Scores) -> Split:
    """Return a segment's answers of the 60 days before the last 30, and those of the last 30."""
    long, short = _classes(scores.windows.get(LONG)), _classes(scores.windows.get(SHORT))
    return without(Split(long, short), [Split(short, (0, 0, 0))])


def _classes(window: WindowScore | None) -> Classes:
    return (0, 0, 0) if window is None else (window.promoters, window.passives, window.detractors)


def _nps(classes: Classes) -> float | None:
    promoters, _, detractors = classes
    return 100 * (promoters - detractors) / sum(classes) if sum(classes) else None
