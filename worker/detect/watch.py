"""What is kept of a segment in order to watch over it: its level, and its answers of the last 90 days."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from math import sqrt
from typing import NamedTuple

import msgspec

from schemas.alert import Severity
from worker.detect.days import Day, by_day, study
from worker.detect.drops import LEAST_POINTS, NO_PRIOR, Classes, Detector, Group, Prior, variance_of
from worker.detect.hours import FEWEST_A_DAY, Hours, blocks, noted
from worker.detect.returns import Level, level_before_rise
from worker.detect.rhythm import Rhythm
from worker.detect.sizes import SizeOfChange, fall_of_level
from worker.nps import columns
from worker.nps.jump import Jump
from worker.nps.unreported import WIDTH

_DAY = 24
#: Answers are kept for KEPT hours: those of the last _BY_HOUR hours by the hour, older ones by the day.
_BY_HOUR, KEPT = 3 * _DAY, 90 * _DAY
#: A segment looks at how its days differ once a week, or once a day in its first weeks.
_WEEK, _YOUNG = 7 * _DAY, 35 * _DAY
#: A level that is new is learned from the answers of the last _LEVEL hours, if there are enough of them.
_LEVEL, _FEWEST_OF_LEVEL = 28 * _DAY, 200
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
    #: The path of the segment that it was about when it was opened; None if it is still about this one. Its id and its
    #: key are made of this path.
    first_segment: str | None = None
    #: The hour of its last update; 0 if there was none.
    updated: int = 0
    #: The paths of further segments that fell at about the same time. It is over when these have recovered, too.
    also: list[str] = []
    #: Whether only the mix of the segment's answers changed.
    is_mix: bool = False
    #: The paths of the segments of incidents that have become part of it.
    merged: list[str] = []

    def opened_about(self, path: str) -> str:
        """Return the segment that it was about when it was opened. `path`: the one that it is about now."""
        return path if self.first_segment is None else self.first_segment


class Answered(NamedTuple):
    """Answers of one hour, or of a day whose hours are not kept."""

    #: The first and the last of these hours, counted since 1970.
    first: int
    last: int
    n: int


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
    #: Not used any more. Rows have it, so it keeps the places of the fields that follow.
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
    #: When the last drops began and ended: hours of the last 90 days in which answers were not as they usually are.
    low_since: int = 0
    low_until: int = 0
    #: How many answers came, and in how many hours, since the segment has been watched.
    answers: int = 0
    answered_hours: int = 0
    #: How its answers come (rhythm.py).
    rhythm: Rhythm = Rhythm()
    #: The last hour of `recent` that is not kept by itself, but as a part of its day; -1 if there is none; 0 if that is
    #: not known, in rows that older versions wrote.
    by_day_until: int = 0
    #: What has been seen of its hours of the day (hours.py).
    hours: Hours = Hours()
    #: The first hours of drops that have recovered in the last 90 days, and the hours in which they ended. What was
    #: answered in between says nothing about the usual level.
    recovered: tuple[tuple[int, int], ...] = ()
    #: The hour before which no other silence is reported.
    heard_until: int = 0

    def take(self, hours: bytes, prior: Prior, least_points: float = LEAST_POINTS, phase: int = 0) -> bool:
        """Take in a column of reported hours (unreported.py); say whether any of them was new.

        `least_points`: smaller drops are not looked for; `phase`: the hour of the week in which the segment looks at
        how its days differ. If segments have different ones, no tick has to do this for all of them.
        """
        column = columns.read(hours)
        first = next((at for at in range(0, len(column), WIDTH) if column[at] > self.reported_until), None)
        if first is None:
            return False
        new = column[first:]
        if self.last_hour and not self.detector.taken_until:
            self._take_over()
        for at in range(0, len(new), WIDTH):
            group = Group(*new[at : at + WIDTH])
            if n := sum(new[at + 1 : at + WIDTH]):
                if self._is_time_to_study(group.hour, phase):
                    self._study(columns.read(self.recent, _NARROW) + array(_NARROW, new[:at]), group.hour, prior)
                self.detector.take(group, prior, least_points)
                self._note(group.hour, n)
        self.reported_until = new[-WIDTH]
        if not self.recent:
            self.by_day_until = -1
        self.recent += columns.write(array(_NARROW, new))
        recent = columns.read(self.recent, _NARROW)
        if len(recent) > _THIN_OUT * WIDTH:
            self._note_hours(recent, (self.reported_until + 1) // _DAY)
            self.recent = columns.write(_thinned(recent, self.reported_until))
            self.by_day_until = self.reported_until - _BY_HOUR
        return True

    def split(self, hour: int) -> tuple[Classes, Classes]:
        """Return the answers before an hour, and those from that hour on, of the last 90 days that were reported."""
        column = columns.read(self.recent, _NARROW)
        hours = column[::WIDTH]
        oldest = bisect_right(hours, self.reported_until - KEPT)
        place = max(oldest, bisect_left(hours, hour))
        return _sum(column[oldest * WIDTH : place * WIDTH]), _sum(column[place * WIDTH :])

    def groups(self) -> list[Group]:
        """Return the answers of the last 90 days that were reported, by the hour or the day."""
        column = columns.read(self.recent, _NARROW)
        oldest = bisect_right(column[::WIDTH], self.reported_until - KEPT)
        return [Group(*column[at : at + WIDTH]) for at in range(oldest * WIDTH, len(column), WIDTH)]

    def usual_groups(self) -> list[Group]:
        """Return the groups without those of drops that have recovered, as if that time had not passed."""
        found = []
        for group in self._usual():
            left_out = sum(until - since for since, until in self.recovered if until > group.hour)
            found.append(group._replace(hour=group.hour + left_out))
        return found

    def fall(self) -> SizeOfChange | None:
        """Return the size of a drop that goes on until now; None if nothing can be said."""
        days = self.detector.days
        offsets = [
            days.offset(group.hour) if self._length(group.hour) == 1 else days.offset_of_day(group.hour)
            for group in self._usual()
        ]
        return fall_of_level(self.usual_groups(), sqrt(days.variance), offsets)

    def _usual(self) -> list[Group]:
        """Return the groups of hours in which there was no drop that has recovered."""
        return [
            group for group in self.groups() if not any(since <= group.hour < until for since, until in self.recovered)
        ]

    def answered(self, after: int, until: int) -> Iterator[Answered]:
        """Yield the hours with answers after one and before another, as far as they are kept."""
        column = columns.read(self.recent, _NARROW)
        for at in range(bisect_right(column[::WIDTH], after) * WIDTH, len(column), WIDTH):
            hour, *counts = column[at : at + WIDTH]
            if hour >= until:
                break
            if n := sum(counts):
                yield Answered(hour, hour + self._length(hour) - 1, n)

    def count_until(self, hour: int) -> tuple[int, int]:
        """Return how many answers came until the end of an hour, and in how many hours, since it has been watched.

        Of a day whose hours are not kept, as many hours count as have answers if none has two.
        """
        answers, hours = self.answers, self.answered_hours
        if self.last_hour > hour:
            column = columns.read(self.recent, _NARROW)
            for at in range(len(column) - WIDTH, -1, -WIDTH):
                if column[at] <= hour:
                    break
                n = sum(column[at + 1 : at + WIDTH])
                answers -= n
                hours -= min(n, self._length(column[at]))
        return answers, hours

    def prior(self) -> Prior:
        """Return what this segment's baseline says about the segments below it."""
        promoters, passives, detractors = self.detector.baseline
        n = promoters + passives + detractors
        if not n or not self.likeness:
            return Prior(NO_PRIOR.shares, 0.0, self.detector.days)
        return Prior((promoters / n, passives / n, detractors / n), min(self.likeness, n), self.detector.days)

    def end_drop(self, since: int, hour: int, *, recovered: bool) -> None:
        """Note that a drop of this segment is over, or an incident that covered it; look for drops again.

        `since`: the hour in which it began; `hour`: in which it ended.
        """
        self.detector.restart(None if recovered else self.level_now())
        if self.low_until <= hour - KEPT:
            self.low_since = since
        self.low_since, self.low_until = min(self.low_since, since), hour
        if recovered:
            kept = [drop for drop in self.recovered if drop[1] > hour - KEPT]
            # Drops do not overlap, so that no hour is counted twice.
            first = max([since, *(until for _, until in kept)])
            self.recovered = (*kept, (first, hour)) if first < hour else tuple(kept)
        else:
            self.recovered = ()

    def take_again(self, since: int, prior: Prior, least_points: float, head_start: float) -> None:
        """Let the detector, which looks for drops from the beginning, take the answers since an hour once more.

        `head_start`: its R before these answers, in days. If it is the share s of the threshold, they make an alarm
        with a probability of s at most, although nothing has changed (R is a martingale).
        """
        self.detector.r_values = head_start, head_start, head_start
        self.detector.taken_until = since - 1
        for group in self.groups():
            if group.hour >= since and any(group.classes):
                self.detector.take(group, prior, least_points)

    def level_now(self) -> Classes:
        """Return the answers of which the level is learned that a segment has after a drop that lasts.

        They are those of the last four weeks, since the level may have changed while the drop was open. Of a segment
        with few answers, they are all answers that wait.
        """
        recent, waiting = self.split(self.reported_until + 1 - _LEVEL)[1], self.detector.pending
        return recent if sum(recent) >= _FEWEST_OF_LEVEL else max(recent, waiting, key=sum)

    def level_before_rise(self, least_points: float = LEAST_POINTS) -> Level | None:
        """Return the level before a rise if the sign of a drop is only the return to that level; else None.

        `least_points`: smaller drops are not looked for.
        """
        fell = self.detector.likely_start // _DAY
        days = list(reversed(self._days(columns.read(self.recent, _NARROW), fell)))
        left_out = range(fell - 1 - self.low_until // _DAY, fell - self.low_since // _DAY)
        since = self.split(self.detector.likely_start)[1]
        return level_before_rise(days, left_out, since, self.detector.days, least_points)

    def _is_time_to_study(self, hour: int, phase: int) -> bool:
        """Say whether the hour in which the segment looks at its days lies between its last answers and this hour."""
        if not self.last_hour or self.detector.open_size is not None:
            return False
        if self._has_many and not self.hours.until:
            return True
        every = _DAY if hour - self.first_hour < _YOUNG else _WEEK
        return (hour - phase) // every > (self.last_hour - phase) // every

    def _study(self, column: "array[int]", hour: int, prior: Prior) -> None:
        """Find out how the days before the day of an hour differ."""
        days = self._days(column, hour // _DAY)
        if days:
            variance = variance_of(self.detector.expected(prior))
            self._note_hours(column, hour // _DAY)
            of_hours = blocks(self.hours, variance, prior.days) if self._has_many else ()
            self.detector.days = study(days, hour // _DAY - len(days), variance, prior.days, of_hours)

    @property
    def _has_many(self) -> bool:
        """Whether the segment has so many answers that the hours of the day matter."""
        return self.detector.days.usual >= FEWEST_A_DAY

    def _note_hours(self, column: "array[int]", until: int) -> None:
        """Note how the hours of the days before a day differ, while they are not yet one entry for each day."""
        if self._has_many and until > self.hours.until:
            self.hours = noted(self.hours, column, WIDTH, until)

    def _days(self, column: "array[int]", until: int) -> list[Day]:
        """Return the days of a column that end with the one before `until`, which is counted since 1970."""
        oldest = bisect_right(column[::WIDTH], self.reported_until - KEPT)
        return by_day(column[oldest * WIDTH :], WIDTH, until)

    def _take_over(self) -> None:
        """Take over the detector of an older version, whose R was a number of answers and not of days."""
        before, since = self.split(self.reported_until + 1)
        days = max(1.0, min(self.reported_until - self.first_hour + 1, KEPT) / _DAY)
        self.detector.count_in_days(max(1.0, (sum(before) + sum(since)) / days))

    def _length(self, hour: int) -> int:
        """Return of how many hours an entry of `recent` is."""
        until = self.by_day_until or self.reported_until - _BY_HOUR
        return min(_DAY, until - hour + 1) if hour <= until and hour % _DAY == 0 else 1

    def _note(self, hour: int, answers: int) -> None:
        """Note that an hour has answers."""
        if not self.last_hour:
            self.first_hour = self.last_hour = hour
        self.last_hour = max(self.last_hour, hour)
        self.answers += answers
        self.answered_hours += 1


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
