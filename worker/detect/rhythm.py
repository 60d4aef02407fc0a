"""The rhythm of a segment's answers: how many come while others answer, and how long its usual gaps are.

Hours alone say little about a gap, since there are no answers anywhere at night, on holidays, and while everything is
closed. So the time of a segment with a parent passes only in the hours in which its neighbours have answers, which are
the parent's other answers. The root has no neighbours, so its time passes in every hour.
"""

from collections.abc import Iterable
from math import log

import msgspec

_DAY = 24
#: What is known loses half of its weight in this many hours.
_HALF_LIFE = 30 * _DAY
#: Gaps are kept by periods of this many hours, for the last _PERIODS of them: 90 to 120 days.
_PERIOD, _PERIODS = 30 * _DAY, 4
#: A gap that came once is no rhythm yet. But a segment that is younger than this many times the gap may have this
#: rhythm, as a survey that is sent once a month has.
_YOUNG = 3
#: If answers always came at the same rate, `Rhythm.answers` would be those of this many hours.
MEMORY = _HALF_LIFE / log(2)


class LongestGaps(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The two longest gaps that ended in a period, in hours in which neighbours had answers."""

    #: The number of the period, since 1970.
    period: int
    longest: int
    second: int = 0


class Time(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A segment's time: how far it has passed, or how much of it."""

    #: The neighbours' answers; for the root, which has none, zero.
    others: float = 0.0
    #: The hours in which neighbours had answers; for the root, all hours.
    hours: float = 0.0


class Rhythm(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is known of a segment's rhythm. A silence that was reported counts as a gap of a day at most."""

    #: The last hour with answers that was taken in, counted since 1970; 0 if none was.
    hour: int = 0
    #: The parent's answers and hours with answers, since it has been watched, by the end of that hour.
    then: Time = Time()
    #: The segment's own answers, and the time in which they came. Older ones have less weight.
    answers: float = 0.0
    time: Time = Time()
    #: The gaps of the last periods.
    gaps: tuple[LongestGaps, ...] = ()

    def usual_gap(self, hour: int, age: int) -> int:
        """Return how long gaps usually are at most, in hours in which neighbours had answers.

        That is the second longest gap of 90 to 120 days: what came only once is not usual. `hour`: now, counted since
        1970; `age`: the number of hours for which the segment has been known.
        """
        recent = [gaps for gaps in self.gaps if gaps.period > hour // _PERIOD - _PERIODS]
        longest, second = _two_longest(length for gaps in recent for length in (gaps.longest, gaps.second))
        return longest if age < _YOUNG * longest else second

    def after(self, hour: int, now: Time, answers: int, passed: Time, gap: int) -> "Rhythm":
        """Return the rhythm after an hour with answers.

        `now`: as `then`; `answers`: the segment's own; `passed`: the time since the last hour with answers, with this
        hour; `gap`: the hours of neighbours between the two.
        """
        weight: float = 0.5 ** ((hour - self.hour) / _HALF_LIFE)
        return Rhythm(
            hour,
            now,
            weight * self.answers + answers,
            Time(weight * self.time.others + passed.others, weight * self.time.hours + passed.hours),
            _with_gap(self.gaps, hour // _PERIOD, gap) if gap else self.gaps,
        )

    def resumed(self, hour: int, now: Time) -> "Rhythm":
        """Return the rhythm after the first hour with answers."""
        return Rhythm(hour, now, self.answers, self.time, self.gaps)


def _with_gap(gaps: tuple[LongestGaps, ...], period: int, gap: int) -> tuple[LongestGaps, ...]:
    if not gaps or gaps[-1].period != period:
        return (*gaps[1 - _PERIODS :], LongestGaps(period, gap))
    last = gaps[-1]
    if gap <= last.second:
        return gaps
    return (*gaps[:-1], LongestGaps(period, *_two_longest((last.longest, last.second, gap))))


def _two_longest(lengths: Iterable[int]) -> tuple[int, int]:
    longest, second, *_ = *sorted(lengths, reverse=True), 0, 0
    return longest, second
