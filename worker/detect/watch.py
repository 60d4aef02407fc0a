"""What is kept of a segment in order to watch over it: its level, and its answers of the last 90 days."""

from array import array
from bisect import bisect_left, bisect_right

import msgspec

from schemas.alert import Severity
from worker.detect.drops import Classes, Detector, Group, Prior
from worker.nps import columns
from worker.nps.jump import Jump
from worker.nps.untold import WIDTH

_DAY = 24
#: Answers are kept by the hour for so many hours, then by the day for so many.
_BY_HOUR, KEPT = 3 * _DAY, 90 * _DAY
#: What a number of `recent` takes: a row may have some thousand of them.
_NARROW = "I"
#: A column of so many entries is looked through for hours that have grown old.
_THIN_OUT = 2 * (_BY_HOUR + KEPT // _DAY)

NOTHING: Classes = (0, 0, 0)


class OpenIncident(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An incident that has been reported as opened, and not yet as resolved. Hours are counted since 1970."""

    #: The hour in which it was reported.
    hour: int
    #: The hour in which it began.
    since: int
    severity: Severity
    #: The paths of the segments whose alarms it explains.
    explains: list[str] = []


class Watch(msgspec.Struct, array_like=True, gc=False):
    """No cycle can come of one, so that the garbage collector need not look at 100,000 of them in one piece.

    Hours are counted since 1970.

    `told`: the last hour that was taken in; `first` and `last`: those with answers; `longest`: the longest gap between
    two of them, in hours, but for silences that were told; `recent`: hours with their promoters, passives and
    detractors, as a column; `alike`: how many of a child's own answers this segment's shares are worth (likeness.py);
    `drop` and `silence`: the open incidents, and `rests_until` the hour before which no other drop is told.
    """

    detector: Detector = msgspec.field(default_factory=Detector)
    told: int = -1
    first: int = 0
    last: int = 0
    longest: int = 0
    recent: bytes = b""
    alike: float = 0.0
    drop: OpenIncident | None = None
    silence: OpenIncident | None = None
    rests_until: int = 0
    jump: Jump | None = None

    def take(self, hours: bytes, prior: Prior) -> bool:
        """Take in hours as untold.py tells them, but for those that were told before; say whether there were any."""
        column = columns.read(hours)
        first = next((at for at in range(0, len(column), WIDTH) if column[at] > self.told), None)
        if first is None:
            return False
        new = column[first:]
        for at in range(0, len(new), WIDTH):
            group = Group(*new[at : at + WIDTH])
            if sum(group.classes):
                self.detector.take(group, prior)
                self._note(group.hour)
        self.told = new[-WIDTH]
        self.recent += columns.write(array(_NARROW, new))
        recent = columns.read(self.recent, _NARROW)
        if len(recent) > _THIN_OUT * WIDTH:
            self.recent = columns.write(_thinned(recent, self.told))
        return True

    def split(self, hour: int) -> tuple[Classes, Classes]:
        """Return the answers before an hour, and those since, both of the last 90 days that were told."""
        column = columns.read(self.recent, _NARROW)
        hours = column[::WIDTH]
        oldest = bisect_right(hours, self.told - KEPT)
        place = max(oldest, bisect_left(hours, hour))
        return _sum(column[oldest * WIDTH : place * WIDTH]), _sum(column[place * WIDTH :])

    def _note(self, hour: int) -> None:
        if not self.last:
            self.first = self.last = hour
        gap = hour - self.last - 1
        if self.silence is None and gap > self.longest:
            self.longest = gap
        self.last = max(self.last, hour)


def _sum(column: "array[int]") -> Classes:
    return sum(column[1::WIDTH]), sum(column[2::WIDTH]), sum(column[3::WIDTH])


def _thinned(column: "array[int]", now: int) -> "array[int]":
    thinned = array(column.typecode)
    for at in range(0, len(column), WIDTH):
        hour, *counts = column[at : at + WIDTH]
        if hour <= now - KEPT:
            continue
        kept = hour if hour > now - _BY_HOUR else hour // _DAY * _DAY
        if thinned and thinned[-WIDTH] == kept:
            for place, n in enumerate(counts, start=1 - WIDTH):
                thinned[place] += n
        else:
            thinned.extend((kept, *counts))
    return thinned
