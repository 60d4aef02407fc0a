"""Silence of a segment: no answers for far longer than its rhythm, as when a survey's link is broken.

Time alone says little, since nights and holidays are silent everywhere. So a segment's time is that of its neighbours,
the other answers of its parent: had it gone on having its share of them, none at all would be most unlikely. The root
has no neighbours: it has its own mean rhythm. And in any case the gap must be more than twice as long as any before.
"""

from math import log1p

from worker.detect.watch import KEPT, Watch

_DAY = 24
#: So many answers that should have come: chance leaves out as many in a row once in 160,000 times.
_MISSED = 12.0
#: A rhythm is known after so many answers, over two weeks and their ends.
_FEWEST, _WEEKS = 50, 14 * _DAY
_LONGER = 2
#: No segment is all of its parent's answers so surely that one without it would be silence.
_LARGEST_SHARE = 0.95


def missed(watch: Watch, parent: Watch | None, hour: int) -> float:
    """Return how many answers have not come, by the segment's rhythm, from its last one to the hour `hour`."""
    known, _ = watch.split(watch.last + 1)
    own = sum(known)
    if parent is None:
        return own / min(watch.last - watch.first + 1, KEPT) * _gap(watch, hour)
    before, beside = parent.split(watch.last + 1)
    share = min(own / max(sum(before), 1), _LARGEST_SHARE)
    return -log1p(-share) * sum(beside)


def is_silent(watch: Watch, parent: Watch | None, hour: int) -> bool:
    """Say whether a segment has been silent for far longer than its rhythm."""
    known = sum(watch.split(watch.last + 1)[0])
    return (
        known >= _FEWEST
        and watch.last - watch.first >= _WEEKS
        and _gap(watch, hour) > _LONGER * watch.longest
        and missed(watch, parent, hour) >= _MISSED
    )


def _gap(watch: Watch, hour: int) -> int:
    """Return for how many hours that have ended no answer came."""
    return hour - watch.last - 1
