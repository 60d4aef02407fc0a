"""What becomes of the segments whose alarms an incident has suppressed, or would have suppressed, when it is over."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from worker.detect.drops import Prior
from worker.detect.watch import OpenIncident, Watch
from worker.flow.policy import IncidentPolicy

#: A year in days.
_YEAR = 365
#: When an incident is over, some of the segments whose alarms it suppressed may still be low. How likely it may be that
#: one of them is taken for it although none is, besides the usual false alarms.
_STILL_LOW = 0.05


class Ended(NamedTuple):
    """An incident that is over."""

    #: The hour in which its drop began, the one since which answers are as before, and the one in which it is over,
    #: counted since 1970. If answers are not as before, and the level is new, there is no second one.
    since: int
    better_since: int | None
    hour: int
    #: The paths of the segments whose alarms it has suppressed.
    suppressed: list[str]
    #: The mean number of days between two false alarms of a segment.
    threshold: float
    #: Smaller drops are not looked for, in points.
    least_points: float


def threshold(learned: int, policy: IncidentPolicy) -> float:
    """Return the mean number of days between two false alarms of a segment.

    The false alarms of a year are shared out among the segments in which a drop can be found. `learned`: how many there
    are.
    """
    return _YEAR * max(learned, 1) / policy.false_alarms_per_year


def suppressed_by(path: str, drop: OpenIncident, below: Callable[[str], Iterable[str]]) -> list[str]:
    """Return the segments whose alarms an incident has suppressed, or would have suppressed.

    `path`: the first segment that it is about; `below`: returns the segments below one.
    """
    all_below = [one for segment in (path, *drop.also) for one in below(segment)]
    return list(dict.fromkeys([*drop.explains, *drop.also, *all_below]))


def restart(watch: Watch, prior: Prior, ended: Ended) -> None:
    """Restart the detector of one of these segments. `prior`: what its parent says about it.

    What was answered while the incident's segment was low says nothing any more. But if this segment is low since then,
    too, these answers are evidence of a drop of its own; the more so if it had surely dropped before. If that has been
    done already, nothing changes.
    """
    detector, better_since = watch.detector, ended.better_since
    if better_since is None:
        watch.end_drop(ended.since, ended.hour, recovered=False)
        return
    if detector.open_size is None and detector.sign_since >= better_since:
        return
    had_dropped = detector.open_size is not None or detector.has_dropped(ended.threshold)
    watch.end_drop(ended.since, ended.hour, recovered=True)
    if watch.detector.is_lower(watch.split(better_since)[1], ended.least_points):
        head_start = ended.threshold * _STILL_LOW / len(ended.suppressed) if had_dropped else 0.0
        watch.take_again(better_since, prior, ended.least_points, head_start)
