"""Promoters that appear in one segment alone. Answers look like this when the person who is judged asks for them.

A good new colleague has the same effect. So a jump is a question to ask, with its figures, and no accusation. It is
found by the two-sample test of proportions. Its z must be 4 or more, since every segment is tested every day.
"""

from math import sqrt

from worker.detect.drops import Classes
from worker.detect.split import Split, without
from worker.detect.watch import Watch
from worker.nps.jump import Jump

_DAY = 24
#: The last two weeks, in hours, are compared with what came before them.
_RECENT = 14 * _DAY
#: With fewer answers before or since then, in the segment or in the rest of its parent, nothing is found.
_FEWEST_BEFORE, _FEWEST_SINCE = 100, 30
#: By how many standard errors the share must have risen.
_Z = 4.0
#: By how much the share of promoters must have risen, and the largest part of that rise that the others may share.
_LEAST_RISE, _OTHERS_RISE = 0.15, 1 / 3


def jump(watch: Watch, parent: Watch, hour: int) -> Jump | None:
    """Return how promoters rose in a segment within the last two weeks; None if they did not, or elsewhere as well.

    `hour`: the end of the two weeks, in hours since 1970.
    """
    since = hour - _RECENT
    own = Split(*watch.split(since))
    others = without(Split(*parent.split(since)), [own])
    if min(sum(own.before), sum(others.before)) < _FEWEST_BEFORE:
        return None
    if min(sum(own.after), sum(others.after)) < _FEWEST_SINCE:
        return None
    found = Jump(since, _share(own.before), _share(own.after), int(sum(own.after)), *map(_share, others))
    rise, others_rise = found.share_since - found.share_before, found.others_since - found.others_before
    if rise < _LEAST_RISE or rise < _Z * _error(own.before, own.after) or others_rise > _OTHERS_RISE * rise:
        return None
    return found


def _error(before: Classes, after: Classes) -> float:
    """Return the standard error of the difference of two shares of promoters that are really the same."""
    n, m = sum(before), sum(after)
    share = (before[0] + after[0]) / (n + m)
    return sqrt(share * (1 - share) * (1 / n + 1 / m))


def _share(classes: Classes) -> float:
    """Return the share of promoters, from 0 to 1."""
    return classes[0] / sum(classes)
