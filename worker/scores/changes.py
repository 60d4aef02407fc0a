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

#: The windows that are compared: the shorter one has the newest answers of the longer one.
LONG, SHORT = "90d", "30d"
_HEAD = ("segment", "before", "30 d", "change", "within", "mix")
#: The longest name, with its indentation, so that a line has at most 80 columns.
_NAME = 38


class Changed(NamedTuple):
    """How the NPS of a segment changed, in points. A figure that is not known is None."""

    before: float | None
    after: float | None
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
    """Return a header and a line for each branch, in at most 80 columns."""
    rows = [_HEAD, *(_cells(branch, found[branch.path]) for branch in branches)]
    width = max(len(name) for name, *_ in rows)
    return "\n".join("  ".join([name.ljust(width), *(cell.rjust(6) for cell in cells)]) for name, *cells in rows)


def _cells(branch: Branch, changed: Changed) -> tuple[str, ...]:
    name = on_one_line(branch.path.rpartition(SEPARATOR)[2] if branch.depth else branch.path) or "all"
    change = None if changed.before is None or changed.after is None else changed.after - changed.before
    figures = (changed.before, changed.after, change, changed.within, changed.mix)
    shown = "  " * branch.depth + name
    return (
        shown if len(shown) <= _NAME else shown[: _NAME - 1] + "…",
        *("–" if figure is None else f"{figure:+z.0f}" for figure in figures),
    )


def _changed(split: Split, children: Mapping[str, Split]) -> Changed:
    mixed = mix_of(split, children)
    within, mix = (None, None) if mixed is None else (mixed.within.points, mixed.mix.points)
    return Changed(_nps(split.before), _nps(split.after), within, mix)


def _split(scores: Scores) -> Split:
    """Return a segment's answers of the 60 days before the last 30, and those of the last 30."""
    long, short = _classes(scores.windows.get(LONG)), _classes(scores.windows.get(SHORT))
    return without(Split(long, short), [Split(short, (0, 0, 0))])


def _classes(window: WindowScore | None) -> Classes:
    return (0, 0, 0) if window is None else (window.promoters, window.passives, window.detractors)


def _nps(classes: Classes) -> float | None:
    promoters, _, detractors = classes
    return 100 * (promoters - detractors) / sum(classes) if sum(classes) else None
