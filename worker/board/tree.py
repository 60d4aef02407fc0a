"""The tree of segments, or the surveys, and how each of them changes its parent's NPS."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.scores import Scores, WindowScore
from worker.lineage import parent_of, survey_of
from worker.nps.histogram import nps
from worker.nps.interval import difference
from worker.nps.windows import Classes


class Branch(NamedTuple):
    """A segment in one window, compared with its parent."""

    path: str
    scores: Scores
    #: The figures of the window.
    window: WindowScore
    #: How far below the first branch it lies; 0 for the first branch.
    depth: int
    #: The points that the segment adds to the parent's NPS, or takes from it if they are below zero: its share of the
    #: answers, times the difference between its NPS and the parent's. The drags of all children, and of the answers
    #: that belong to no child, add up to zero. None for the first branch.
    drag: float | None
    #: Whether the segment differs from the rest of its parent by more than chance. None for the first branch.
    differs: bool | None


def branches(
    scores: Mapping[str, Scores], path: str, window: str, *, depth: int | None, surveys: bool = False
) -> list[Branch]:
    """Return a segment and the segments below it. Of the children of one parent, the one with the lowest drag is first.

    `scores`: by path; `path`: of the first segment; `window`: the name of the window; `depth`: how many levels below
    the first segment are returned, None for all; `surveys`: whether the surveys are returned below the root instead of
    the segments. Segments without an answer in the window are left out. Raise KeyError if there is no such segment.
    """
    children: dict[str, list[str]] = {}
    for known in scores:
        above = parent_of(known)
        if above is not None and (survey_of(known) is not None) is surveys:
            children.setdefault(above, []).append(known)

    def below(segment: str, parent: Classes | None, level: int) -> Iterator[Branch]:
        own = scores[segment].windows[window]
        counted = counts_of(own)
        dragged = None if parent is None else drag(counted, parent)
        yield Branch(
            segment, scores[segment], own, level, dragged, None if parent is None else differs(counted, parent)
        )
        if depth is not None and level >= depth:
            return
        answered = [child for child in children.get(segment, []) if scores[child].windows[window].n]
        drags = {child: drag(counts_of(scores[child].windows[window]), counted) for child in answered}
        for child in sorted(answered, key=lambda path: (drags[path], path)):
            yield from below(child, counted, level + 1)

    return list(below(path, None, 0))


def drag(own: Classes, parent: Classes) -> float:
    """Return the points by which a segment changes its parent's NPS, as in Branch. The counts are of one window."""
    own_nps, parent_nps = nps(*own), nps(*parent)
    if own_nps is None or parent_nps is None:
        return 0.0
    return sum(own) / sum(parent) * (own_nps - parent_nps)


def differs(own: Classes, parent: Classes) -> bool:
    """Say whether a segment differs from its parent's other answers by more than chance.

    The parent's own answers would not do, since those of the segment are among them.
    """
    rest = [max(0, there - here) for there, here in zip(parent, own, strict=True)]
    if not sum(own) or not sum(rest):
        return False
    low, high = difference(own, rest)
    return low > 0 or high < 0


def counts_of(window: WindowScore) -> Classes:
    """Return the numbers of promoters, passives and detractors of a window."""
    return window.promoters, window.passives, window.detractors
