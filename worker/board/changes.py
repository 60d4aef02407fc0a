"""Why an NPS has changed: the answers of the last days, compared with those of the days before."""

from collections.abc import Sequence
from typing import NamedTuple

from worker.board.history import History
from worker.board.series import Period
from worker.detect.mix import Mix, mix_of
from worker.detect.split import Split

#: How many days are compared with as many before.
DAYS = 30
#: With more segments below than this, the parts of a change are not computed, since it would take too long.
MOST = 1_000


class Changed(NamedTuple):
    """A change of an NPS."""

    before: Period
    after: Period
    #: What the segments below have to do with it; None with fewer than two of them.
    mix: Mix | None


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
    return Changed(*own, mix_of(_as_split(own), {child: _as_split(each) for child, each in found.items()}))


def _split(history: History, path: str, last: int) -> tuple[Period, Period]:
    spans = (last - 2 * DAYS + 1, last - DAYS), (last - DAYS + 1, last)
    before, after = (Period(first, end, history.total(path, first, end)) for first, end in spans)
    return before, after


def _as_split(periods: tuple[Period, Period]) -> Split:
    return Split(periods[0].classes, periods[1].classes)
