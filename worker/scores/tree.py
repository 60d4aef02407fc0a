"""The tree of segments, or the surveys, and how each of them changes its parent's NPS."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.scores import Scores, WindowScore
from worker.lineage import parent_of, survey_of
from worker.nps.interval import difference


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

    def below(segment: str, parent: WindowScore | None, level: int) -> Iterator[Branch]:
        own = scores[segment].windows[window]
        drag, differs = (None, None) if parent is None else (_drag(own, parent), _differs(own, parent))
        yield Branch(segment, scores[segment], own, level, drag, differs)
        if depth is not None and level >= depth:
            return
        answered = [child for child in children.get(segment, []) if scores[child].windows[window].n]
        for child in sorted(answered, key=lambda path: (_drag(scores[path].windows[window], own), path)):
            yield from below(child, own, level + 1)

    return list(below(path, None, 0))


def _drag(own: WindowScore, parent: WindowScore) -> float:
    if own.nps is None or parent.nps is None:
        return 0.0
    return own.n / parent.n * (own.nps - parent.nps)


def _differs(own: WindowScore, parent: WindowScore) -> bool:
    """Say whether a segment differs from its parent's other answers by more than chance.

    The parent's own answers would not do, since those of the segment are among them.
    """
    rest = [max(0, there - here) for there, here in zip(_counts(parent), _counts(own), strict=True)]
    if not own.n or not sum(rest):
        return False
    low, high = difference(_counts(own), rest)
    return low > 0 or high < 0


def _counts(window: WindowScore) -> list[int]:
    return [window.promoters, window.passives, window.detractors]
