"""The tree of segments, or the surveys, and what each takes from its parent's NPS."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.scores import Scores, WindowScore
from worker.flow.lineage import parent_of, survey_of
from worker.nps.interval import difference


class Branch(NamedTuple):
    """A segment in one window, beside its parent.

    `drag`: points of the parent's NPS that it adds, below zero if it takes them: its share of the answers times how far
    it lies from the parent. The drags of all children, and of what belongs to none, add up to zero. `differs`: whether
    it differs from the rest of the parent by more than chance. Both are None without a parent.
    """

    path: str
    scores: Scores
    window: WindowScore
    depth: int
    drag: float | None
    differs: bool | None


def branches(
    scores: Mapping[str, Scores], path: str, window: str, *, depth: int | None, surveys: bool = False
) -> list[Branch]:
    """Return a segment and what is below it, each parent's heaviest drag first, down to a depth if one is given.

    With `surveys` they are what is below the root, and nothing else is. Segments without an answer in the window are
    left out. Raise KeyError for a segment that is not there.
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
    """Compare with the parent's other answers: with the parent itself, a segment would be compared with itself."""
    rest = [max(0, there - here) for there, here in zip(_counts(parent), _counts(own), strict=True)]
    if not own.n or not sum(rest):
        return False
    low, high = difference(_counts(own), rest)
    return low > 0 or high < 0


def _counts(window: WindowScore) -> list[int]:
    return [window.promoters, window.passives, window.detractors]
