"""Which segment a drop comes from: the deepest one that explains it.

Below a segment that dropped, each child is tested: its answers before the drop are compared with those since. Many
tests find something by chance, so the share of false finds is bounded (Benjamini, Hochberg (1995), "Controlling the
false discovery rate", JRSS B 57). If little is left of the segment's drop without the children that dropped, these
children explain it, and the same is asked of each of them. If most children dropped, the segment itself is the cause.
"""

from collections.abc import Iterable, Mapping
from math import hypot
from typing import NamedTuple, Protocol

from worker.detect.drops import Classes
from worker.nps.interval import chance_of_drop, fall_of

#: The share of the finds that may be false, on average.
_FALSE_FINDS = 0.10
#: Little is left of a drop if chance alone makes such a drop with a probability above _CHANCE, or if not more than the
#: share _LITTLE of it is left. The p-value alone would be too strict: the hour in which the drop began was chosen by
#: means of the same answers.
_CHANCE, _LITTLE = 0.05, 1 / 3
#: By how many standard errors a segment must have fallen further than another. It is a large number, since every
#: segment below an incident is compared with it every hour.
_FURTHER = 4.0
#: A child with fewer answers before the drop, or since then, is not tested.
_FEWEST_BEFORE, _FEWEST_SINCE = 30, 20


class Split(NamedTuple):
    """The answers of a segment before an event, and after it."""

    before: Classes
    after: Classes


class Tree(Protocol):
    """What has to be known of the segments."""

    def children(self, path: str) -> Iterable[str]:
        """Return the segments directly below one."""

    def split(self, path: str, hour: int) -> Split:
        """Return a segment's answers before an hour, counted since 1970, and from that hour on."""


def deepest(path: str, hour: int, tree: Tree) -> list[str]:
    """Return the deepest segments that explain a segment's drop; the segment itself if no others explain it.

    `hour`: when the drop began, in hours since 1970.
    """
    tested = {child: split for child in tree.children(path) if _is_testable(split := tree.split(child, hour))}
    segment = remaining = tree.split(path, hour)
    explaining: list[str] = []
    for child in _heaviest_first(tested):
        if is_little(remaining, segment):
            break
        remaining = without(remaining, [tested[child]])
        explaining.append(child)
    if not explaining or not is_little(remaining, segment) or 2 * len(explaining) > len(tested) > 1:
        return [path]
    return [found for child in explaining for found in deepest(child, hour, tree)]


def without(segment: Split, parts: Iterable[Split]) -> Split:
    """Return a segment's answers without those of some segments below it."""
    for part in parts:
        segment = Split(_minus(segment.before, part.before), _minus(segment.after, part.after))
    return segment


def is_little(remaining: Split, segment: Split) -> bool:
    """Say whether little of a segment's drop is left in `remaining`, which are the segment's answers without some."""
    return chance_of_drop(*remaining) > _CHANCE or _loss(remaining) <= _LITTLE * _loss(segment)


def fell_further(one: Split, other: Split) -> bool:
    """Say whether one segment fell by so much more than another that its drop has to be reported as well."""
    fall, error = fall_of(one.before, one.after)
    other_fall, other_error = fall_of(other.before, other.after)
    return fall - other_fall > _FURTHER * hypot(error, other_error)


def benjamini_hochberg(chances: Mapping[str, float], false_finds: float = _FALSE_FINDS) -> list[str]:
    """Return the names of the tests that are finds, the smallest p-value first.

    `chances`: the p-value of each test by its name; `false_finds`: the share of the finds that may be false.
    """
    ordered = sorted(chances, key=lambda name: (chances[name], name))
    finds = [rank for rank, name in enumerate(ordered, start=1) if chances[name] <= false_finds * rank / len(ordered)]
    return ordered[: finds[-1]] if finds else []


def _heaviest_first(tested: Mapping[str, Split]) -> list[str]:
    """Return the children that dropped; the child that takes most from the parent's NPS comes first."""
    dropped = benjamini_hochberg({child: chance_of_drop(*split) for child, split in tested.items()})
    return sorted(dropped, key=lambda child: (-_loss(tested[child]), child))


def _loss(split: Split) -> float:
    """Return how much a drop takes from the parent's NPS: the number of answers since it began, times the fall."""
    return sum(split.after) * fall_of(split.before, split.after)[0]


def _is_testable(split: Split) -> bool:
    return sum(split.before) >= _FEWEST_BEFORE and sum(split.after) >= _FEWEST_SINCE


def _minus(segment: Classes, part: Classes) -> Classes:
    """Return a segment's answers less those of a part of it.

    No number is below zero: a part that has reported its hours earlier than the segment may have more answers.
    """
    return max(0.0, segment[0] - part[0]), max(0.0, segment[1] - part[1]), max(0.0, segment[2] - part[2])
