"""The tree of segments, or the surveys, and how each of them changes its parent's NPS."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from schemas.scores import Scores, WindowScore
from worker.board.changes import MOST
from worker.lineage import parent_of, survey_of
from worker.nps.histogram import nps
from worker.nps.interval import difference
from worker.nps.windows import Classes

#: A segment below has most of the points of a segment if it has this share of them.
_MOST_OF = 2 / 3


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
    parent_nps = nps(*parent)
    return 0.0 if parent_nps is None else _points(own, sum(parent), parent_nps)


def _points(own: Classes, parent_n: int, parent_nps: float) -> float:
    """Return what `drag` does, for the number of answers and the NPS of the parent."""
    n = sum(own)
    return n / parent_n * (100.0 * (own[0] - own[2]) / n - parent_nps) if n else 0.0


def dragging(
    path: str, below: Callable[[str], Sequence[str]], counts: Callable[[str], Classes], number: int
) -> list[tuple[str, float]]:
    """Return the segments that take the most points from a segment's NPS, and the points, which are below zero.

    They are named at the level where the drag lies: a segment is replaced by those below it if one of them takes most
    of its points, or takes points although the segment itself adds some, and differs from the rest of the segment by
    more than chance. If that makes more than MOST segments, no level further below is looked at. `below`: returns the
    segments directly below one; `counts`: returns the answers of one; `number`: of segments, at most.
    """
    whole = counts(path)
    whole_n, whole_nps = sum(whole), nps(*whole)
    if whole_nps is None:
        return []

    def points_of(each: str) -> float:
        return _points(counts(each), whole_n, whole_nps)

    def lies_below(each: str, children: Sequence[str]) -> bool:
        """Say whether a segment below drags the whole down rather than the segment itself."""
        if not children:
            return False
        least, first = min((points_of(child), child) for child in children)
        return least < min(0.0, _MOST_OF * found[each]) and differs(counts(first), counts(each))

    level, seen, found = list(below(path)), 0, dict[str, float]()
    while level:
        found |= {each: points_of(each) for each in level}
        seen += len(level)
        if seen > MOST:
            break
        deeper = {each: below(each) for each in level}
        split = [each for each, children in deeper.items() if lies_below(each, children)]
        level = [child for each in split for child in deeper[each]]
        for each in split:
            del found[each]
    ranked = nsmallest(number, ((points, each) for each, points in found.items() if points < 0))
    return [(each, points) for points, each in ranked]


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
