"""Silence of a segment: it has had no answers for far longer than usual, as when the link to a survey is broken.

A segment's time passes with its neighbours' answers (rhythm.py), so that it stands still while everything is closed. If
the segment still had its usual share of the answers, it would be most unlikely that none of those since its last answer
is its own. And if it still had its usual number of answers in an hour with neighbours' answers, it would be as unlikely
that so many of these hours have none of its own. The second condition keeps a single large survey of a neighbour from
making a silence. The root has no neighbours; it has only the second condition, in which all hours count. In either case
the gap must also be more than twice as long as gaps usually are.

The share and the rate are only estimates, so the probability is that of a prediction: it is averaged over what they may
be (a beta-negative-binomial and a Lomax distribution). The fewer answers are known, the longer it takes, and with fewer
than _FEWEST a segment would be forgotten before anything could be said.
"""

from math import inf, lgamma, log, log1p

from worker.detect.rhythm import MEMORY, Rhythm, Time
from worker.detect.watch import Watch

_DAY = 24
_YEAR = 365.25 * _DAY
#: How many times a year a segment may be reported as silent by chance alone. Each gap is a chance.
_FALSE_A_YEAR = 0.02
#: A segment with fewer answers in the last months, or with a shorter history in hours, has no rhythm that is known.
_FEWEST, _SHORTEST_HISTORY = 7, 14 * _DAY
#: By what factor the gap must be longer than gaps usually are.
_LONGER = 2
#: A segment's share counts as at most this much. Otherwise, if a segment had all of its parent's answers, the first
#: answers of a sibling would make a silence of it.
_LARGEST_SHARE = 0.95
#: A reported silence counts as a gap of at most this many hours. If there are fewer answers than before, the rhythm
#: adapts to that by these gaps; a closure for weeks does not change it much.
_LONGEST_REPORTED = _DAY


def noted(watch: Watch, parent: Watch | None, hour: int) -> Rhythm:
    """Return a segment's rhythm, with the answers before an hour, counted since 1970.

    It is the watch's own if nothing is new. `parent`: None for the root.
    """
    rhythm = watch.rhythm
    if watch.last_hour <= rhythm.hour:
        return rhythm
    for answered in watch.answered(rhythm.hour, hour):
        now = _time(parent, answered.last)
        reported = watch.silence is not None and watch.silence.since == rhythm.hour
        if not rhythm.hour:
            rhythm = rhythm.resumed(answered.last, now)
            continue
        others = now.others - rhythm.then.others - answered.n
        gap = _time(parent, answered.first - 1).hours - rhythm.then.hours
        hours = now.hours - rhythm.then.hours
        share = min(1.0, _LONGEST_REPORTED / max(1, gap)) if reported else 1.0
        passed = Time(0 if parent is None else share * max(0, others), max(1, share * hours))
        rhythm = rhythm.after(answered.last, now, answered.n, passed, max(0, int(share * gap)))
    return rhythm


def missed(watch: Watch, parent: Watch | None, hour: int) -> float:
    """Return how many answers a segment should have had since its last one, but has not had.

    `parent`: None for the root; `hour`: until when, in hours since 1970.
    """
    rhythm = noted(watch, parent, hour)
    passed = _passed(rhythm, parent, hour)
    if parent is None:
        return rhythm.answers * passed.hours / max(rhythm.time.hours, 1)
    return rhythm.answers * passed.others / _others(rhythm)


def is_silent(watch: Watch, parent: Watch | None, hour: int) -> bool:
    """Say whether a segment has had no answers for far longer than usual; the arguments are those of `missed`."""
    if watch.last_hour >= hour - 1 or watch.last_hour - watch.first_hour < _SHORTEST_HISTORY:
        return False
    rhythm = noted(watch, parent, hour)
    passed = _passed(rhythm, parent, hour)
    if passed.hours <= _LONGER * rhythm.usual_gap(hour, watch.last_hour - watch.first_hour):
        return False
    return rhythm.answers >= _FEWEST and _surprise(rhythm, parent, passed) >= _needed(rhythm)


def _surprise(rhythm: Rhythm, parent: Watch | None, passed: Time) -> float:
    """Return how surprising a gap is: minus the natural logarithm of its probability."""
    by_hours = rhythm.answers * log1p(passed.hours / max(rhythm.time.hours, 1))
    return min(by_hours, inf if parent is None else _by_share(rhythm.answers, _others(rhythm), passed.others))


def _by_share(own: float, others: float, more: float) -> float:
    """Return minus the logarithm of the probability that `more` answers of others come before the next own one.

    `own`, `others`: how many of each came so far.
    """
    return lgamma(others) - lgamma(others + own) - lgamma(others + more) + lgamma(others + more + own)


def _needed(rhythm: Rhythm) -> float:
    """Return how surprising a gap has to be."""
    gaps_a_year = min(rhythm.answers * _YEAR / MEMORY, _YEAR)
    return log(gaps_a_year / _FALSE_A_YEAR)


def _others(rhythm: Rhythm) -> float:
    """Return the neighbours' answers in the time in which the segment's own came."""
    return max(rhythm.time.others, rhythm.answers * (1 - _LARGEST_SHARE) / _LARGEST_SHARE, 1)


def _passed(rhythm: Rhythm, parent: Watch | None, hour: int) -> Time:
    """Return the time before an hour since a segment's last answer."""
    now = _time(parent, hour - 1)
    return Time(max(0, now.others - rhythm.then.others), max(0, now.hours - rhythm.then.hours))


def _time(parent: Watch | None, hour: int) -> Time:
    """Return a segment's time at the end of an hour."""
    return Time(0, hour) if parent is None else Time(*parent.count_until(hour))
