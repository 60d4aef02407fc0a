"""Why an NPS has changed: the answers of the last days, compared with those of the days before."""

from collections.abc import Callable, Mapping, Sequence
from math import hypot
from statistics import NormalDist
from typing import NamedTuple

from worker.board.history import History
from worker.board.series import Period
from worker.detect.mix import Mix, mix_of
from worker.detect.split import Split, without
from worker.nps.interval import Z_95, difference, fall_of

#: How many days are compared with as many before.
DAYS = 30
#: With more segments directly below than this, the parts of a change are not computed, since it would take too long.
#: Nor are segments further below compared if there are more in all.
MOST = 1_000
#: With fewer answers than this in one of the two times, a segment is not compared.
FEWEST = 10
#: How many segments below are named that have changed.
_NAMED = 5
#: With this probability, no segment below is named if none of them has changed.
_SURE = 0.95


class Mover(NamedTuple):
    """A segment that was compared, and the ends of the interval of its change, in points."""

    path: str
    before: Period
    after: Period
    low: float
    high: float

    @property
    def direction(self) -> int:
        """1 if the NPS rose by more than chance, -1 if it fell, 0 if the change may be chance."""
        return (self.low > 0) - (self.high < 0)


class Changed(NamedTuple):
    """A change of an NPS."""

    before: Period
    after: Period
    #: What the segments below have to do with it; None with fewer than two of them.
    mix: Mix | None
    #: The segments below in which a change by more than chance lies, beginning with the one that changes this NPS most.
    movers: list[Mover]

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the interval of the change, in points."""
        return difference(self.after.classes, self.before.classes)


#: Returns the segments directly below one.
Children = Callable[[str], Sequence[str]]


def changed(history: History, path: str, below: Children, last: int) -> Changed | None:
    """Return how the NPS of the DAYS days up to `last` differs from that of as many days before.

    `last`: counted since 1970. None if one of the two times has no answers, or if there are more than MOST segments
    directly below.
    """
    children = below(path)
    if len(children) > MOST:
        return None
    own = _split(history, path, last)
    if not own[0].n or not own[1].n:
        return None
    found = {child: _split(history, child, last) for child in children}
    mix = mix_of(_as_split(own), {child: _as_split(each) for child, each in found.items()})
    return Changed(*own, mix, _movers(history, path, below, last))


def _movers(history: History, path: str, below: Children, last: int) -> list[Mover]:
    """Return the segments in which changes lie."""
    compared = _compared(history, path, below, last)
    found = [
        each for direction in (-1, 1) for child in below(path) for each in _deepest(child, direction, compared, below)
    ]
    return sorted(found, key=lambda each: (-each.after.n * max(abs(each.low), abs(each.high)), each.path))[:_NAMED]


def _compared(history: History, path: str, below: Children, last: int) -> Mapping[str, Mover]:
    """Return the segments below one that have enough answers, by path.

    The intervals are as wide as it takes for all of them together (Bonferroni's correction): of a hundred segments of
    which none has changed, five would have changed by their own 95 % intervals.
    """
    splits: dict[str, tuple[Period, Period]] = {}
    level, seen = list(below(path)), 0
    while level and seen + len(level) <= MOST:
        seen += len(level)
        found = {each: _split(history, each, last) for each in level}
        splits |= {each: split for each, split in found.items() if min(split[0].n, split[1].n) >= FEWEST}
        level = [child for each in level for child in below(each)]
    if not splits:
        return {}
    z = NormalDist().inv_cdf(1 - (1 - _SURE) / 2 / len(splits))
    return {
        each: Mover(each, before, after, *difference(after.classes, before.classes, z))
        for each, (before, after) in splits.items()
    }


def _deepest(path: str, direction: int, compared: Mapping[str, Mover], below: Children) -> list[Mover]:
    """Return the segments in which the rise or the fall of a segment lies: the segment itself, or some below it.

    Segments below are named if they have surely changed, and the other answers of the segment surely have not changed
    as much, nor surely in the same direction. If all segments below have changed, the segment itself is named.
    """
    own, children = compared.get(path), [each for each in below(path) if each in compared]
    found = [_deepest(child, direction, compared, below) for child in children]
    deeper = [each for some in found for each in some]
    if own is None or own.direction != direction:
        return deeper
    if not deeper or (len(children) > 1 and all(found)):
        return [own]
    whole, parts = _as_split((own.before, own.after)), [_as_split((each.before, each.after)) for each in deeper]
    rest = without(whole, parts)
    return deeper if _only_in(without(whole, [rest]), rest, direction) else [own]


def _only_in(part: Split, rest: Split, direction: int) -> bool:
    """Say whether the change of a part of a segment is another one than that of the rest, which stayed as it was.

    It is if there is no rest.
    """
    if not sum(rest.before) and not sum(rest.after):
        return True
    (fell, error), (rest_fell, rest_error) = (fall_of(*each) for each in (part, rest))
    further = -direction * (fell - rest_fell)
    return further > Z_95 * hypot(error, rest_error) and -direction * rest_fell < Z_95 * rest_error


def _split(history: History, path: str, last: int) -> tuple[Period, Period]:
    spans = (last - 2 * DAYS + 1, last - DAYS), (last - DAYS + 1, last)
    before, after = (Period(first, end, history.total(path, first, end)) for first, end in spans)
    return before, after


def _as_split(periods: tuple[Period, Period]) -> Split:
    return Split(periods[0].classes, periods[1].classes)
