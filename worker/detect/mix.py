"""Whether a segment changed, or only the mix of its answers: a change of an NPS is split into `within` and `mix`.

An NPS also changes if no child of the segment changed, but worse children answer more often than before. Direct
standardisation (Kitagawa, E. M. (1955), "Components of a difference between two rates", JASA 50) separates the two.
`within` is the sum of the children's changes, each weighted by the child's share of the earlier answers. `mix` is the
rest: the changes of the shares, each times the child's later NPS. Answers that were given to the segment itself, and to
none of its children, count as a child without a name.
"""

from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

from worker.detect.drops import Classes
from worker.detect.split import Split, without
from worker.nps.interval import Z_95, adjusted_variance, chance_of_drop

#: A change is mostly due to the mix if no more than this share of it is within; or if no more than the other share is,
#: and chance may have made what is within.
_WITHIN, _WITHIN_BY_CHANCE = 1 / 3, 1 / 2
#: By how many standard errors the mix must have changed the NPS. It is a large number, since shares of answers vary
#: more than chance says: answers often come in surveys.
_CLEARLY = 3.0
#: By how many points the mix must have changed the NPS, so that it is worth a word. The same holds for a child's fall.
_LEAST = 3.0
#: A child has fallen if chance makes any of the children fall so much with a smaller probability than this.
_CHANCE = 0.05


class Part(NamedTuple):
    """A part of a change of an NPS, in points, with its standard error."""

    points: float
    error: float

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval."""
        return self.points - Z_95 * self.error

    @property
    def high(self) -> float:
        """The upper end of the 95 % interval."""
        return self.points + Z_95 * self.error


class Moved(NamedTuple):
    """The child whose share of the answers changed the NPS most, in the direction in which the mix changed it."""

    path: str
    #: Its share of the answers before and since, from 0 to 1.
    before: float
    after: float


class Mix(NamedTuple):
    """How an NPS changed: `within` and `mix` add up to the change."""

    within: Part
    mix: Part
    moved: Moved

    @property
    def is_clear(self) -> bool:
        """Whether the mix has changed the NPS by more than chance, and by so much that it is worth a word."""
        return abs(self.mix.points) >= max(_LEAST, _CLEARLY * self.mix.error)

    @property
    def is_cause(self) -> bool:
        """Whether the NPS fell, and mostly because the mix changed.

        In the first hours of a fall, the mix is seldom clear. But nobody should be blamed for what chance may have made
        while the mix has moved more than chance says.
        """
        fall = -(self.within.points + self.mix.points)
        if not fall > 0 > self.mix.points:
            return False
        if self.is_clear and -self.within.points <= _WITHIN * fall:
            return True
        may_be_chance = self.within.high >= 0 and -self.within.points < _WITHIN_BY_CHANCE * fall
        return may_be_chance and self.mix.points <= -_LEAST and self.mix.high < 0

    @property
    def hides(self) -> bool:
        """Whether the children fell by more than chance, which the mix conceals: the NPS itself fell by little."""
        fall = -(self.within.points + self.mix.points)
        return self.within.high < 0 < self.mix.points and self.is_clear and fall <= -_WITHIN * self.within.points


class _Stratum(NamedTuple):
    path: str
    #: Its shares of the answers before and since.
    before: float
    after: float
    #: Its NPS before and since, from -1 to 1.
    earlier: float
    later: float
    #: The variance of one of its answers, and the numbers of its answers.
    variance: float
    n_before: float
    n_after: float


def mix_of(segment: Split, children: Mapping[str, Split]) -> Mix | None:
    """Return how a segment's NPS changed; None if it has no answers before or since, or fewer than two children.

    `segment`: its answers before an event and since then; `children`: those of the segments directly below it, by path.
    """
    n_before, n_after = sum(segment.before), sum(segment.after)
    if not n_before or not n_after or len(children) < 2:
        return None
    rest = without(segment, children.values())
    strata = [
        _stratum(path, split, n_before, n_after)
        for path, split in (*sorted(children.items()), ("", rest))
        if sum(split.before) or sum(split.after)
    ]
    change = 100 * (_mean(segment.after) - _mean(segment.before))
    within = 100 * sum(each.before * (each.later - each.earlier) for each in strata)
    mixed = change - within
    centre = _mean(segment.before)
    named = [each for each in strata if each.path] or strata
    moved = min(named, key=lambda each: _pull(each, centre) if mixed < 0 else -_pull(each, centre))
    return Mix(
        Part(within, 100 * sqrt(sum(map(_variance_within, strata)))),
        Part(mixed, 100 * _mix_error(strata, n_before, n_after)),
        Moved(moved.path, moved.before, moved.after),
    )


def fallen(children: Mapping[str, Split]) -> list[str]:
    """Return the children that fell by more than chance, the largest fall first. A sum of changes may conceal one."""
    falls = {
        path: 100 * (_mean(split.before) - _mean(split.after))
        for path, split in children.items()
        if sum(split.before) and sum(split.after) and chance_of_drop(*split) < _CHANCE / len(children)
    }
    return sorted((path for path in falls if falls[path] >= _LEAST), key=lambda path: (-falls[path], path))


def _stratum(path: str, split: Split, n_before: float, n_after: float) -> _Stratum:
    """Return a child. If it has answers on one side only, its NPS counts as unchanged."""
    before, after = sum(split.before), sum(split.after)
    earlier = _mean(split.before) if before else _mean(split.after)
    later = _mean(split.after) if after else earlier
    promoters, _, detractors = (old + new for old, new in zip(split.before, split.after, strict=True))
    variance = adjusted_variance(promoters, detractors, before + after)
    return _Stratum(path, before / n_before, after / n_after, earlier, later, variance, before, after)


def _pull(stratum: _Stratum, centre: float) -> float:
    """Return what the change of a child's share does to the NPS. `centre`: the segment's NPS before."""
    return (stratum.after - stratum.before) * (stratum.later - centre)


def _variance_within(stratum: _Stratum) -> float:
    if not stratum.n_before or not stratum.n_after:
        return 0.0
    return stratum.before**2 * stratum.variance * (1 / stratum.n_before + 1 / stratum.n_after)


def _mix_error(strata: list[_Stratum], n_before: float, n_after: float) -> float:
    """Return the standard error of the mix: that of the shares, and that of the NPS by which they are weighted."""
    shares = 0.0
    for n, weights in ((n_before, [each.before for each in strata]), (n_after, [each.after for each in strata])):
        mean = sum(weight * each.later for weight, each in zip(weights, strata, strict=True))
        shares += sum(weight * (each.later - mean) ** 2 for weight, each in zip(weights, strata, strict=True)) / n
    levels = sum((each.after - each.before) ** 2 * each.variance / (each.n_after or each.n_before) for each in strata)
    return sqrt(shares + levels)


def _mean(classes: Classes) -> float:
    promoters, _, detractors = classes
    return (promoters - detractors) / sum(classes)
