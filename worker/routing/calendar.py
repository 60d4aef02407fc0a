"""Working time: how much of a span is worked, and when a span of working time ends. Moments are in ms since 1970.

A span of a day begins and ends at the first moment at which the local clock shows its time or a later one. So at a
clock change 02:30 that does not exist is the moment of the change, and of 02:30 that comes twice the first one counts.
Working time is elapsed time: a night of 22:00 to 06:00 in which the clock is set back has nine hours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from worker.routing.hours import CalendarSettings, Span, day_off, holiday_names, working_day

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
#: The number of days for which the intervals of a calendar are kept in memory.
_DAYS_KEPT = 4_000
#: After this number of days without working time, the search for it ends: two years, and some days.
_SEARCHED_DAYS = 740
#: The last day of which spans are computed. They may end on the day after it, and a zone may be 14 hours away.
_LAST_DAY = date(9999, 12, 28)


class Interval(NamedTuple):
    """An interval of working time, without its end."""

    begin: int
    end: int


class Skipped(NamedTuple):
    """A day that would be worked, but is not."""

    day: date
    #: The name of the holiday, or "day off".
    why: str


class Calendar:
    """The working hours of a receiver."""

    def __init__(
        self,
        zone: ZoneInfo,
        week: Sequence[Sequence[Span]],
        holiday: Callable[[date], str | None],
        days_off: frozenset[tuple[int | None, int, int]],
        working_days: Mapping[date, Sequence[Span]],
    ) -> None:
        self.zone = zone
        self._week = week
        self._holiday = holiday
        self._days_off = days_off
        self._working_days = working_days
        self._known: dict[date, list[Interval]] = {}

    def why_off(self, day: date) -> str | None:
        """Return why a day is off although its weekday may have hours; None if it is not."""
        if day in self._working_days:
            return None
        if self._days_off & {(day.year, day.month, day.day), (None, day.month, day.day)}:
            return "day off"
        return self._holiday(day)

    def has_hours(self, day: date) -> bool:
        """Say whether a day's weekday has hours."""
        return bool(self._week[day.weekday()])

    def of_day(self, day: date) -> list[Interval]:
        """Return the working time that begins on a day, in order. Intervals may overlap."""
        if day not in self._known:
            if len(self._known) >= _DAYS_KEPT:
                self._known.clear()
            intervals = (Interval(self._moment(day, begin), self._moment(day, end)) for begin, end in self._spans(day))
            self._known[day] = sorted(interval for interval in intervals if interval.begin < interval.end)
        return self._known[day]

    def pieces(self, begin: int) -> Iterator[Interval]:
        """Yield the working time from a moment on, in order and without overlaps, until there is none for two years."""
        covered, day, empty = begin, self.day_of(begin) - timedelta(days=1), 0
        while day <= _LAST_DAY and empty < _SEARCHED_DAYS:
            empty += 1
            for interval in self.of_day(day):
                empty = 0
                if interval.end > covered:
                    yield Interval(max(interval.begin, covered), interval.end)
                    covered = interval.end
            day += timedelta(days=1)

    def day_of(self, moment: int) -> date:
        """Return the local day of a moment."""
        return _datetime(moment).astimezone(self.zone).date()

    def _spans(self, day: date) -> Sequence[Span]:
        if day in self._working_days:
            return self._working_days[day] or self._week[day.weekday()]
        return [] if self.why_off(day) is not None else self._week[day.weekday()]

    def _moment(self, day: date, minutes: int) -> int:
        """Return the first moment at which the local clock shows a time of a day, or a later one."""
        shown = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001 - what a clock shows
        moment = shown.replace(tzinfo=self.zone).astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) != shown:
            moment = self._change(shown, moment)
        return (moment - _EPOCH) // timedelta(milliseconds=1)

    def _change(self, shown: datetime, after: datetime) -> datetime:
        """Return the moment of the clock change that leaves a time out. `after`: a moment after the change."""
        before = shown.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        while after - before > _SECOND:
            middle = before + (after - before) // 2
            if middle.astimezone(self.zone).replace(tzinfo=None) < shown:
                before = middle
            else:
                after = middle
        return after.replace(microsecond=0)


def calendar_of(settings: CalendarSettings) -> Calendar:
    """Return the calendar of the settings."""
    return Calendar(
        ZoneInfo(settings.time_zone),
        settings.week(),
        _ordinary if settings.holidays is None else holiday_names(settings.holidays),
        frozenset(map(day_off, settings.days_off)),
        dict(map(working_day, settings.working_days)),
    )


def _ordinary(day: date) -> str | None:
    del day
    return None


def working_seconds(calendar: Calendar, begin: int, end: int) -> float:
    """Return how many seconds between two moments are worked; 0 if the second is not after the first."""
    pieces = takewhile(lambda piece: piece.begin < end, calendar.pieces(begin))
    return sum(min(piece.end, end) - piece.begin for piece in pieces) / 1_000


def after(calendar: Calendar, begin: int, seconds: float) -> int | None:
    """Return the moment at which that many seconds have been worked since `begin`.

    With 0 seconds this is `begin`, or the begin of the next working time. Return None if the calendar has no working
    time for two years before that.
    """
    left = round(seconds * 1_000)
    for piece in calendar.pieces(begin):
        if left <= piece.end - piece.begin:
            return piece.begin + left
        left -= piece.end - piece.begin
    return None


def is_working(calendar: Calendar, moment: int) -> bool:
    """Say whether a moment is in working time."""
    return after(calendar, moment, 0) == moment


def skipped(calendar: Calendar, begin: int, end: int) -> list[Skipped]:
    """Return the days from one moment to another that have hours by their weekday, and are off."""
    first, last = calendar.day_of(begin), calendar.day_of(end)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [Skipped(day, why) for day in days if calendar.has_hours(day) and (why := calendar.why_off(day)) is not None]


def _datetime(moment: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=moment)
