"""Why an NPS has changed: the answers of the last days, compared with those of the days before."""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

from worker.board.history import History
from worker.board.series import Period
from worker.detect.mix import Mix, mix_of
from worker.detect.split import Split
from worker.nps.interval import difference

#: How many days are compared with as many before.
DAYS = 30
#: With more segments below than this, the parts of a change are not computed, since it would take too long.
MOST = 1_000
#: How many segments below are named that have changed.
_NAMED = 5
#: With this probability, none of the segments below is named if none of them has changed.
_SURE = 0.95


class Mover(NamedTuple):
    """A segment that has changed by more than chance, and the ends of the interval of the change, in points."""

    path: str
    before: Period
    after: Period
    low: float
    high: float


class Changed(NamedTuple):
    """A change of an NPS."""

    before: Period
    after: Period
    #: What the segments below have to do with it; None with fewer than two of them.
    mix: Mix | None
    #: The segments below that have changed the most, beginning with the one that changes this NPS the most.
    movers: list[Mover]


def changed(history: History, path: str, children: Sequence[str], last: int) -> Changed | None:
    """Return how the NPS of the DAYS days up to `last` differs from that of as many days before.

    `children`: the segments directly below; `last`: counted since 1970. None if one of the two times has no answers, or
    if there are more than MOST segments below.
    """
    if len(children) > MOST:
        return None
    own = _split(history, path, last)
    if not own[0].n or not own[1].n:
        return None
    found = {child: _split(history, child, last) for child in children}
    mix = mix_of(_as_split(own), {child: _as_split(each) for child, each in found.items()})
    return Changed(*own, mix, _movers(found))


def _movers(found: Mapping[str, tuple[Period, Period]]) -> list[Mover]:
    """Return the segments that have changed by more than chance.

    The intervals are as wide as it takes for all of them together (Bonferroni's correction): of a hundred segments of
    which none has changed, five would have changed by their own 95 % intervals.
    """
    both = [(path, before, after) for path, (before, after) in found.items() if before.n and after.n]
    if not both:
        return []
    z = NormalDist().inv_cdf(1 - (1 - _SURE) / 2 / len(both))
    moved = [Mover(*each, *difference(each[2].classes, each[1].classes, z)) for each in both]
    sure = [each for each in moved if each.low > 0 or each.high < 0]
    return sorted(sure, key=lambda each: (-each.after.n * max(abs(each.low), abs(each.high)), each.path))[:_NAMED]


def _split(history: History, path: str, last: int) -> tuple[Period, Period]:
    spans = (last - 2 * DAYS + 1, last - DAYS), (last - DAYS + 1, last)
    before, after = (Period(first, end, history.total(path, first, end)) for first, end in spans)
    return before, after


def _as_split(periods: tuple[Period, Period]) -> Split:
    return Split(periods[0].classes, periods[1].classes)
