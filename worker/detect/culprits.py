"""Which segments a drop comes from: the set of segments that explains the answers of the tree best.

An explanation says that some segments fell, each with everything below it by the same number of points, and that all
others stayed as they were. Explanations are compared by how likely they make the answers of the children, and the more
segments an explanation names, the more it costs (as in the Bayesian information criterion). So a child is named in
place of its parent only if its answers differ from those of its siblings by more than chance: if everything fell a
little, the segments below it differ by chance, and the likeliest explanation is that the segment at the top fell.

For each segment there are two ways to explain the answers below it: it fell as a whole, or some of its children did.
The better one is found from the bottom up. A fall is measured by its weight, the inverse of its variance. So it is the
same whether an alarm comes from the top or from below: a leaf's alarm is explained by the root if everything fell.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import hypot
from typing import NamedTuple, Protocol

from worker.detect.mix import Mix, mix_of
from worker.detect.split import Split, without
from worker.lineage import is_below
from worker.nps.interval import adjusted_variance, chance_of_drop, fall_of

#: What the first named segment costs, and what each further one of the same parent does, as the natural logarithm of a
#: likelihood ratio. If one child fell, it is likelier that another one did, too, so that one costs less. But only
#: children that would also be named alone are counted. `make detector` shows what this finds.
_COST, _COST_OF_SIBLING = 3.0, 2.0
#: What it costs in addition to say that the mix of a segment's answers changed, and no segment below it.
_MIX_COST = 1.0
#: A segment whose own fall has less evidence than this is not searched, unless the search has to pass it.
_WORTH_SEARCHING = 1.0
#: A segment that raised no alarm itself is named beside another one if its fall has so much evidence.
_SURE = 6.0
#: Other segments than the one that raised the alarm are named if they explain the answers so much better, as a
#: logarithm again. This is because chance makes some explanation look a little better most of the time.
_DECIDED = 1.5
#: An open incident moves to other segments if they explain the answers so much better, as a logarithm again.
_BETTER = 3.0
#: Little is left of a drop if chance alone makes such a drop with a probability above _CHANCE, or if not more than the
#: share _LITTLE of it is left. The p-value alone would be too strict: the hour in which the drop began was chosen by
#: means of the same answers.
_CHANCE, _LITTLE = 0.05, 1 / 3
#: By how many standard errors a segment must have fallen further than another. It is a large number, since every
#: segment below an incident is compared with it every hour.
_FURTHER = 4.0
#: A child with fewer answers before the drop, or since then, is not named.
_FEWEST_BEFORE, _FEWEST_SINCE = 30, 20


class Tree(Protocol):
    """What has to be known of the segments."""

    def children(self, path: str) -> Iterable[str]:
        """Return the segments directly below one."""

    def split(self, path: str, hour: int) -> Split:
        """Return a segment's answers before an hour, counted since 1970, and from that hour on."""


class Explanation(NamedTuple):
    """Segments that fell, while the others stayed as they were."""

    #: What each of the segments contributes to the value.
    worth: Mapping[str, float]
    #: How likely it makes the answers, less what it costs: the natural logarithm of a ratio, which is zero if nothing
    #: fell.
    value: float

    @property
    def segments(self) -> list[str]:
        """The segments that fell."""
        return list(self.worth)


class _Evidence(NamedTuple):
    """The fall of a segment: the sum of weighted falls, and of the weights. Both are zero if nothing is known."""

    weighted: float
    weight: float

    @property
    def gain(self) -> float:
        """How much likelier the fall makes the answers, as a logarithm; zero for a rise."""
        return self.weighted * self.weighted / (2 * self.weight) if self.weighted > 0 else 0.0


class _Found(NamedTuple):
    evidence: _Evidence
    best: Explanation


_NOTHING = Explanation({}, 0.0)


def deepest(path: str, hour: int, tree: Tree, above: Sequence[str] = (), explained: Collection[str] = ()) -> list[str]:
    """Return the segments that explain the drop of a segment, the clearest fall first.

    They are the segment itself, segments below it, or one of those above it. `hour`: when the drop began, in hours
    since 1970; `above`: the segments above it that may explain it, the nearest first; `explained`: segments whose drops
    have other causes. If nothing explains it, the segment itself is returned.
    """
    return deepest_of_hours(path, [hour], tree, above, explained)[0]


def deepest_of_hours(
    path: str, hours: Sequence[int], tree: Tree, above: Sequence[str] = (), explained: Collection[str] = ()
) -> tuple[list[str], int]:
    """Return the same if the drop may have begun in one of several hours, and the likeliest of these hours.

    The estimate of the segment that raised the alarm suits its own answers best. So those of the segments above it are
    tried, too.
    """
    line = (path, *above)
    found, hour = max(
        ((_Search(hour, tree, line, explained).best(), hour) for hour in hours),
        key=lambda each: _related_value(each[0], path, above),
    )
    own = _Search(hour, tree, line, explained, path).best()
    if found.value - own.value < _DECIDED:
        return [_only_below(path, hour, tree)], hour
    return _ordered(found, path, hour, tree, above) or [path], hour


def _related_value(found: Explanation, path: str, above: Sequence[str]) -> float:
    """Return what the segments of an explanation are worth that are above or below a segment.

    Those elsewhere in the tree have other causes, which say nothing about the hour in which this drop began.
    """
    return sum(found.worth[name] for name in _related(found, path, above))


def better(path: str, hour: int, tree: Tree, above: Sequence[str] = (), explained: Collection[str] = ()) -> list[str]:
    """Return segments that explain the answers clearly better than the fall of a segment, the clearest fall first.

    The arguments are those of `deepest`. The result is empty if the segment explains them well enough.
    """
    line = (path, *above)
    found, fixed = (_Search(hour, tree, line, explained, assumed).best() for assumed in (None, path))
    if path in found.segments or found.value - fixed.value < _BETTER:
        return []
    return _ordered(found, path, hour, tree, above)


def _only_below(path: str, hour: int, tree: Tree) -> str:
    """Return the deepest segment that has all answers of a segment."""
    while len(children := list(tree.children(path))) == 1:
        rest = without(tree.split(path, hour), [tree.split(children[0], hour)])
        if sum(rest.before) or sum(rest.after):
            break
        path = children[0]
    return path


def _ordered(found: Explanation, path: str, hour: int, tree: Tree, above: Sequence[str]) -> list[str]:
    """Return the segments that an explanation names in a segment's line, the clearest fall first.

    Further segments are left out unless they surely fell: they have raised no alarm themselves.
    """
    related = _related(found, path, above)
    gains = {name: _evidence(tree.split(name, hour)).gain for name in related}
    ordered = sorted(related, key=lambda name: (-gains[name], name))
    return [name for name in ordered if name == ordered[0] or gains[name] >= _SURE]


def _related(found: Explanation, path: str, above: Sequence[str]) -> list[str]:
    return [name for name in found.segments if name in above or is_below(name, path)]


class _Search:
    """The search for the best explanation, from the last segment of a line downwards.

    `line`: the segments that have to be searched, the deepest first; `explained`: segments whose drops have other
    causes, so that they say nothing about this one; `fixed`: a segment of the line that fell as a whole by assumption.
    """

    def __init__(
        self, hour: int, tree: Tree, line: Sequence[str], explained: Collection[str], fixed: str | None = None
    ) -> None:
        self._hour = hour
        self._tree = tree
        self._line = line
        self._explained = explained
        self._fixed = fixed

    def best(self) -> Explanation:
        """Return the best explanation."""
        return self._search(self._line[-1], self._tree.split(self._line[-1], self._hour)).best

    def _search(self, path: str, split: Split) -> _Found:
        if path in self._explained:
            return _Found(_Evidence(0.0, 0.0), _NOTHING)
        own = _evidence(split)
        is_nameable = sum(split.before) >= _FEWEST_BEFORE and sum(split.after) >= _FEWEST_SINCE
        children: dict[str, Split] = {}
        if path in self._line or (is_nameable and own.gain >= _WORTH_SEARCHING):
            children = {child: self._tree.split(child, self._hour) for child in self._tree.children(path)}
        found = {child: self._search(child, each) for child, each in children.items()}
        changed = mix_of(split, children) if children else None
        is_hidden = changed is not None and changed.hides
        evidence, cost = _whole(split, children, own, [each.evidence for each in found.values()], changed)
        value = evidence.gain - cost
        whole = Explanation({path: value}, value)
        if path == self._fixed:
            return _Found(evidence, whole)
        some = _some(path, found, self._fixed if self._has_to_pass(path) else None, is_hidden=is_hidden)
        if self._has_to_pass(path):
            return _Found(evidence, some)
        candidates = (_NOTHING, some, whole) if is_nameable and not is_hidden else (_NOTHING, some)
        return _Found(evidence, max(candidates, key=lambda each: each.value))

    def _has_to_pass(self, path: str) -> bool:
        """Say whether a segment is above the one that fell by assumption."""
        return self._fixed is not None and path != self._fixed and is_below(self._fixed, path)


def _whole(
    split: Split, children: dict[str, Split], own: _Evidence, below: Sequence[_Evidence], changed: Mix | None
) -> tuple[_Evidence, float]:
    """Return the evidence that a segment fell as a whole, and what it costs to say so.

    The falls of its children are added up, so that it is no fall if only their shares of the answers changed
    (`changed`). If they did, the segment's own answers are the evidence, at a higher cost. So they are if its mix hides
    that its children fell: its own NPS fell by little.
    """
    if not children:
        return own, _COST
    if changed is not None and changed.hides:
        return own, _COST
    if changed is not None and changed.is_cause:
        return own, _COST + _MIX_COST
    parts = [*below, _evidence(without(split, children.values()))]
    return _Evidence(sum(each.weighted for each in parts), sum(each.weight for each in parts)), _COST


def _some(path: str, found: dict[str, _Found], fixed: str | None, *, is_hidden: bool) -> Explanation:
    """Return the best explanation by some children. `fixed`: a segment that has to be among those which are named.

    If more than half of several children fell as a whole, though by different numbers of points, it is the segment
    above them, `path`, that is named. `is_hidden`: this is not done, since the segment's own mix hides that they fell.
    """
    ordered = sorted(found.items(), key=lambda item: (not _leads_to(item[0], fixed), -item[1].best.value, item[0]))
    best, worth, value, siblings = _NOTHING, dict[str, float](), 0.0, 0
    for chosen, (child, each) in enumerate(ordered, start=1):
        has_to_be = chosen == 1 and fixed is not None
        if each.best.value <= 0 and not has_to_be:
            break
        worth, value = {**worth, **each.best.worth}, value + each.best.value
        if each.best.segments == [child]:
            siblings += 1
            value += _COST - _COST_OF_SIBLING if siblings > 1 else 0.0
        if has_to_be or value > best.value:
            best = Explanation(worth, value)
    sure = [name for name in best.segments if name in found and found[name].evidence.gain >= _SURE]
    is_most = 2 * len(sure) > len(found) > 1 and not is_hidden
    return Explanation({path: best.value}, best.value) if is_most and fixed is None else best


def _leads_to(path: str, fixed: str | None) -> bool:
    return fixed is not None and is_below(fixed, path)


def _evidence(split: Split) -> _Evidence:
    """Return the fall of a segment on its own answers.

    Its variance is that of all answers together. That of few answers alone would be too small whenever they are alike,
    and so give the more weight to a fall the larger it is by chance.
    """
    n_before, n_after = sum(split.before), sum(split.after)
    if not n_before or not n_after:
        return _Evidence(0.0, 0.0)
    promoters, _, detractors = (old + new for old, new in zip(split.before, split.after, strict=True))
    variance = adjusted_variance(promoters, detractors, n_before + n_after) * (1 / n_before + 1 / n_after)
    fall = (split.before[0] - split.before[2]) / n_before - (split.after[0] - split.after[2]) / n_after
    return _Evidence(fall / variance, 1 / variance)


def is_little(remaining: Split, segment: Split) -> bool:
    """Say whether little of a segment's drop is left in `remaining`, which are the segment's answers without some."""
    return chance_of_drop(*remaining) > _CHANCE or _loss(remaining) <= _LITTLE * _loss(segment)


def fell_further(one: Split, other: Split) -> bool:
    """Say whether one segment fell by so much more than another that its drop has to be reported as well."""
    fall, error = fall_of(one.before, one.after)
    other_fall, other_error = fall_of(other.before, other.after)
    return fall - other_fall > _FURTHER * hypot(error, other_error)


def _loss(split: Split) -> float:
    """Return how much a drop takes from the parent's NPS: the number of answers since it began, times the fall."""
    return sum(split.after) * fall_of(split.before, split.after)[0]
