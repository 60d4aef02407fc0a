"""What is kept of a segment in order to watch over it: its level, and its answers of the last 90 days."""

from array import array
from bisect import bisect_left, bisect_right

import msgspec

from schemas.alert import Severity
from worker.detect.drops import Classes, Detector, Group, Prior
from worker.nps import columns
from worker.nps.jump import Jump
from worker.nps.unreported import WIDTH

_DAY = 24
#: Answers are kept for KEPT hours: those of the last _BY_HOUR hours by the hour, older ones by the day.
_BY_HOUR, KEPT = 3 * _DAY, 90 * _DAY
#: The type code of the numbers in `Watch.recent`: 4 bytes each, since a row may have some thousand of them.
_NARROW = "I"
#: A column with more entries than this is thinned out.
_THIN_OUT = 2 * (_BY_HOUR + KEPT // _DAY)


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
    """The row of a segment that is watched over. Hours are counted since 1970.

    A watch can be part of no reference cycle, so the garbage collector need not look at 100,000 of them at once
    (`gc=False`).
    """

    detector: Detector = msgspec.field(default_factory=Detector)
    #: The last reported hour that was taken in; -1 if none was.
    reported_until: int = -1
    #: The first and the last hour with answers; 0 if there is none.
    first_hour: int = 0
    last_hour: int = 0
    #: The longest gap between two hours with answers, in hours. Silences that were reported do not count.
    longest_gap: int = 0
    #: The hours of the last 90 days with their promoters, passives and detractors, as a column.
    recent: bytes = b""
    #: How many of a child's own answers this segment's shares are worth (likeness.py).
    likeness: float = 0.0
    #: The incident about a drop, and the one about a silence, while they are open.
    drop: OpenIncident | None = None
    silence: OpenIncident | None = None
    #: The hour before which no other drop is reported.
    rests_until: int = 0
    #: How promoters rose in this segment and not among its siblings (jumps.py); None if they did not.
    jump: Jump | None = None

    def take(self, hours: bytes, prior: Prior) -> bool:
        """Take in a column of reported hours (unreported.py); say whether any of them was new."""
        column = columns.read(hours)
        first = next((at for at in range(0, len(column), WIDTH) if column[at] > self.reported_until), None)
        if first is None:
            return False
        new = column[first:]
        for at in range(0, len(new), WIDTH):
            group = Group(*new[at : at + WIDTH])
            if sum(group.classes):
                self.detector.take(group, prior)
                self._note(group.hour)
        self.reported_until = new[-WIDTH]
        self.recent += columns.write(array(_NARROW, new))
        recent = columns.read(self.recent, _NARROW)
        if len(recent) > _THIN_OUT * WIDTH:
            self.recent = columns.write(_thinned(recent, self.reported_until))
        return True

    def split(self, hour: int) -> tuple[Classes, Classes]:
        """Return the answers before an hour, and those from that hour on, of the last 90 days that were reported."""
        column = columns.read(self.recent, _NARROW)
        hours = column[::WIDTH]
        oldest = bisect_right(hours, self.reported_until - KEPT)
        place = max(oldest, bisect_left(hours, hour))
        return _sum(column[oldest * WIDTH : place * WIDTH]), _sum(column[place * WIDTH :])

    def _note(self, hour: int) -> None:
        """Note that an hour has answers."""
        if not self.last_hour:
            self.first_hour = self.last_hour = hour
        gap = hour - self.last_hour - 1
        if self.silence is None and gap > self.longest_gap:
            self.longest_gap = gap
        self.last_hour = max(self.last_hour, hour)


def _sum(column: "array[int]") -> Classes:
    """Return the promoters, passives and detractors of all hours of a column."""
    return sum(column[1::WIDTH]), sum(column[2::WIDTH]), sum(column[3::WIDTH])


def _thinned(column: "array[int]", now: int) -> "array[int]":
    """Return a column without hours that are too old, and with those of each older day as one entry."""
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
