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
#: At most so many segments below are compared, since more would take too long. With more, whole levels are left out:
#: the lowest ones, or all of them.
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
    #: What the segments below have to do with it; None with fewer than two of them, or more than MOST directly below.
    mix: Mix | None
    #: The segments below in which a change by more than chance lies, beginning with the one that changes this NPS most.
    movers: list[Mover]
    #: How many segments below were compared: those that have enough answers.
    compared: int
    #: Whether levels below were left out, since they have more than MOST segments.
    is_cut: bool

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the interval of the change, in points."""
        return difference(self.after.classes, self.before.classes)


#: Returns the segments directly below one.
Children = Callable[[str], Sequence[str]]
#: The answers of a segment in the two times.
_Both = tuple[Period, Period]


def changed(history: History, path: str, below: Children, last: int) -> Changed | None:
    """Return how the NPS of the DAYS days up to `last` differs from that of as many days before.

    `last`: counted since 1970. None if one of the two times has no answers.
    """
    own = _split(history, path, last)
    if not own[0].n or not own[1].n:
        return None
    children = below(path)
    if len(children) > MOST:
        return Changed(*own, None, [], 0, is_cut=True)
    direct = {child: _split(history, child, last) for child in children}
    mix = mix_of(_as_split(own), {child: _as_split(each) for child, each in direct.items()})
    known, is_cut = _all_below(history, direct, below, last)
    compared = _compared(known)
    return Changed(*own, mix, _movers(children, compared, below), len(compared), is_cut)


def _movers(children: Sequence[str], compared: Mapping[str, Mover], below: Children) -> list[Mover]:
    """Return the segments in which changes lie."""
    found = [
        each for direction in (-1, 1) for child in children for each in _deepest(child, direction, compared, below)
    ]
    return sorted(found, key=lambda each: (-each.after.n * max(abs(each.low), abs(each.high)), each.path))[:_NAMED]


def _all_below(
    history: History, direct: Mapping[str, _Both], below: Children, last: int
) -> tuple[Mapping[str, _Both], bool]:
    """Return the answers of segments and of those below them, level by level, and whether levels were left out."""
    known, level = dict(direct), list(direct)
    while level:
        level = [child for each in level for child in below(each)]
        if len(known) + len(level) > MOST:
            return known, True
        known |= {each: _split(history, each, last) for each in level}
    return known, False


def _compared(known: Mapping[str, _Both]) -> Mapping[str, Mover]:
    """Return the segments that have enough answers, by path.

    The intervals are as wide as it takes for all of them together (Bonferroni's correction): of a hundred segments of
    which none has changed, five would have changed by their own 95 % intervals.
    """
    enough = {each: both for each, both in known.items() if min(both[0].n, both[1].n) >= FEWEST}
    if not enough:
        return {}
    z = NormalDist().inv_cdf(1 - (1 - _SURE) / 2 / len(enough))
    return {
        each: Mover(each, before, after, *difference(after.classes, before.classes, z))
        for each, (before, after) in enough.items()
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


def _split(history: History, path: str, last: int) -> _Both:
    spans = (last - 2 * DAYS + 1, last - DAYS), (last - DAYS + 1, last)
    before, after = (Period(first, end, history.total(path, first, end)) for first, end in spans)
    return before, after


def _as_split(periods: _Both) -> Split:
    return Split(periods[0].classes, periods[1].classes)
