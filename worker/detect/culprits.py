"""Which segment a drop comes from: the deepest one that explains it.

Below a segment that dropped, the children that dropped are found by the two-window test, with the share of false finds
kept small (Benjamini, Hochberg (1995), "Controlling the false discovery rate", JRSS B 57). If little is left of the
drop without them, they explain it, and so on downwards. If most children dropped, the segment itself is what is wrong.
"""

from collections.abc import Iterable, Mapping
from math import hypot
from typing import NamedTuple, Protocol

from worker.detect.drops import Classes
from worker.nps.interval import chance_of_drop, fall_of

_FALSE_FINDS = 0.10
#: Little is left of a drop if chance explains it, or if it is so small a share: the hour since which it is looked at
#: was found on the same answers, so that chance alone is too strict.
_CHANCE, _LITTLE = 0.05, 1 / 3
#: In standard errors: every segment below an incident is compared with it every hour.
_FURTHER = 4.0
#: With fewer answers before or after, a child is not tested.
_FEWEST_BEFORE, _FEWEST_AFTER = 30, 20


class Split(NamedTuple):
    """Answers before something happened, and after."""

    before: Classes
    after: Classes


class Tree(Protocol):
    """What has to be known of the segments."""

    def children(self, path: str) -> Iterable[str]:
        """Return the segments right below one."""

    def split(self, path: str, hour: int) -> Split:
        """Return a segment's answers before an hour, and since."""


def deepest(path: str, hour: int, tree: Tree) -> list[str]:
    """Return the deepest segments that explain why one dropped at an hour; the segment itself if none do."""
    tested = {child: split for child in tree.children(path) if _says_something(split := tree.split(child, hour))}
    whole = rest = tree.split(path, hour)
    taken: list[str] = []
    for child in _heaviest_first(tested):
        if is_little(rest, whole):
            break
        rest = without(rest, [tested[child]])
        taken.append(child)
    if not taken or not is_little(rest, whole) or 2 * len(taken) > len(tested) > 1:
        return [path]
    return [found for child in taken for found in deepest(child, hour, tree)]


def without(split: Split, parts: Iterable[Split]) -> Split:
    """Return what is left of a segment without some below it."""
    for part in parts:
        split = Split(_less(split.before, part.before), _less(split.after, part.after))
    return split


def is_little(rest: Split, whole: Split) -> bool:
    """Say whether little is left of a segment's drop in what is left of the segment."""
    return chance_of_drop(*rest) > _CHANCE or _loss(rest) <= _LITTLE * _loss(whole)


def fell_further(one: Split, other: Split) -> bool:
    """Say whether one segment fell by more than another, by so much that it is worth telling beside it."""
    fall, error = fall_of(one.before, one.after)
    other_fall, other_error = fall_of(other.before, other.after)
    return fall - other_fall > _FURTHER * hypot(error, other_error)


def benjamini_hochberg(chances: Mapping[str, float], false_finds: float = _FALSE_FINDS) -> list[str]:
    """Return those of tests' p-values by name that are finds, if such a share of the finds may be false."""
    ordered = sorted(chances, key=lambda name: (chances[name], name))
    finds = [rank for rank, name in enumerate(ordered, start=1) if chances[name] <= false_finds * rank / len(ordered)]
    return ordered[: finds[-1]] if finds else []


def _heaviest_first(tested: Mapping[str, Split]) -> list[str]:
    """Return the children that dropped; that which takes most from the parent first."""
    dropped = benjamini_hochberg({child: chance_of_drop(*split) for child, split in tested.items()})
    return sorted(dropped, key=lambda child: (-_loss(tested[child]), child))


def _loss(split: Split) -> float:
    """Return how many answers' worth of NPS are lost: so many after, times how far they fell."""
    return sum(split.after) * fall_of(split.before, split.after)[0]


def _says_something(split: Split) -> bool:
    return sum(split.before) >= _FEWEST_BEFORE and sum(split.after) >= _FEWEST_AFTER


def _less(whole: Classes, part: Classes) -> Classes:
    """Return what is left of a whole; a part that was told sooner than the whole may be more in places."""
    return max(0.0, whole[0] - part[0]), max(0.0, whole[1] - part[1]), max(0.0, whole[2] - part[2])
