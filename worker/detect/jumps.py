"""Promoters that appear in one segment alone: what answers look like that are asked for by the person who is judged.

It may as well be a good new colleague: this is a question to ask, with its figures, and no accusation. It is the
two-sample test of proportions; z must be 4 or more, since every segment is looked at every day.
"""

from math import sqrt

from worker.detect.culprits import Split, without
from worker.detect.drops import Classes
from worker.detect.watch import Watch
from worker.nps.jump import Jump

_DAY = 24
#: The last two weeks are held against what was before.
_RECENT = 14 * _DAY
_FEWEST_BEFORE, _FEWEST_AFTER = 100, 30
_Z = 4.0
#: In share of promoters; and how much of that the neighbours may rise with it.
_LEAST_RISE, _BESIDE = 0.15, 1 / 3


def jump(watch: Watch, parent: Watch, hour: int) -> Jump | None:
    """Return how promoters rose in a segment within the last two weeks, and not beside it; None if they did not."""
    since = hour - _RECENT
    own = Split(*watch.split(since))
    before, after = own
    beside = without(Split(*parent.split(since)), [own])
    if min(sum(before), sum(beside[0])) < _FEWEST_BEFORE or min(sum(after), sum(beside[1])) < _FEWEST_AFTER:
        return None
    found = Jump(since, _promoters(before), _promoters(after), int(sum(after)), *map(_promoters, beside))
    rise, beside_rise = found.after - found.before, found.beside_after - found.beside_before
    if rise < _LEAST_RISE or rise < _Z * _error(before, after) or beside_rise > _BESIDE * rise:
        return None
    return found


def _error(before: Classes, after: Classes) -> float:
    """Return the standard error of the difference, if both had the same share."""
    n, m = sum(before), sum(after)
    share = (before[0] + after[0]) / (n + m)
    return sqrt(share * (1 - share) * (1 / n + 1 / m))


def _promoters(classes: Classes) -> float:
    return classes[0] / sum(classes)
