"""Silence of a segment: it has had no answers for far longer than usual, as when the link to a survey is broken.

Hours alone say little, since there are no answers anywhere at night and on holidays. So time is measured by the other
answers of the segment's parent. If the segment still had its usual share of the answers, it would be most unlikely that
none of those since its last answer is its own. The root has no parent; its own mean number of answers an hour is used.
In either case the gap must also be more than twice as long as any earlier gap.
"""

from math import log1p

from worker.detect.watch import KEPT, Watch

_DAY = 24
#: The number of missed answers that is a silence. By chance alone, as many are missing in a row once in 160,000 times.
_MISSED = 12.0
#: A segment with fewer answers, or with a shorter history in hours, has no rhythm that is known.
_FEWEST, _SHORTEST_HISTORY = 50, 14 * _DAY
#: By what factor the gap must be longer than the longest one so far.
_LONGER = 2
#: A segment's share counts as at most this much. Otherwise, if a segment had all of its parent's answers, the first
#: answer of a sibling would make a silence of it.
_LARGEST_SHARE = 0.95


def missed(watch: Watch, parent: Watch | None, hour: int) -> float:
    """Return how many answers a segment should have had since its last one, but has not had.

    `parent`: None for the root; `hour`: until when, in hours since 1970.
    """
    known, _ = watch.split(watch.last_hour + 1)
    own = sum(known)
    if parent is None:
        return own / min(watch.last_hour - watch.first_hour + 1, KEPT) * _gap(watch, hour)
    before, others = parent.split(watch.last_hour + 1)
    share = min(own / max(sum(before), 1), _LARGEST_SHARE)
    return -log1p(-share) * sum(others)


def is_silent(watch: Watch, parent: Watch | None, hour: int) -> bool:
    """Say whether a segment has had no answers for far longer than usual; the arguments are those of `missed`."""
    known = sum(watch.split(watch.last_hour + 1)[0])
    return (
        known >= _FEWEST
        and watch.last_hour - watch.first_hour >= _SHORTEST_HISTORY
        and _gap(watch, hour) > _LONGER * watch.longest_gap
        and missed(watch, parent, hour) >= _MISSED
    )


def _gap(watch: Watch, hour: int) -> int:
    """Return the number of hours without an answer that have ended since the last answer."""
    return hour - watch.last_hour - 1
