"""The service level of a case: when it has to be acknowledged and resolved, and what happens if it is not. Pure.

The times are computed once, when the case is opened or reopened. They are stored in the case, so that a later change of
the settings changes no open case, unless a command asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

import msgspec

from worker.routing.calendar import Calendar, after, working_seconds
from worker.routing.service_level import ServiceLevel, Terms

_MINUTE, _HOUR = 60, 3_600


class TimerKind(StrEnum):
    """What a timer does. Those of the acknowledgement stop once the case is acknowledged."""

    REMIND = "remind"
    ESCALATE = "escalate"
    REMIND_RESOLUTION = "remind_resolution"
    RESOLUTION_OVERDUE = "resolution_overdue"


#: The timers that an acknowledgement stops.
UNTIL_ACKNOWLEDGED = frozenset({TimerKind.REMIND, TimerKind.ESCALATE})


class Timer(msgspec.Struct, array_like=True, frozen=True):
    """Something that happens to a case at a time."""

    #: The time, in ms.
    at: int
    kind: TimerKind
    #: The number of the step of an escalation, beginning with 1; otherwise 0.
    step: int = 0
    #: The names of the receivers of an escalation's step.
    receivers: list[str] = []


class Due(msgspec.Struct, frozen=True):
    """When a case has to be acknowledged and resolved, in ms; None without a limit. And the timers, by their times."""

    acknowledge: int | None = None
    resolve: int | None = None
    timers: list[Timer] = []

    @property
    def first(self) -> int | None:
        """The time limit that counts until somebody acknowledges the case."""
        return self.resolve if self.acknowledge is None else self.acknowledge


@dataclass(frozen=True)
class ServiceLevels:
    """The service levels of the settings, and the calendars by which they are measured."""

    levels: Mapping[str, ServiceLevel] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)

    def due(self, terms: Terms, begin: int) -> Due:
        """Return when a case has to be acknowledged and resolved that is opened at a moment, in ms.

        Without a calendar, or if it is not in the settings any more, all hours are working time.
        """
        level = self.levels.get(terms.service_level)
        if level is None:
            return Due()
        calendar = self.calendars.get(terms.calendar)
        timers: list[Timer] = []
        acknowledge = resolve = None
        before = None if level.remind_before_minutes is None else _MINUTE * level.remind_before_minutes
        if level.acknowledge_within_minutes is not None:
            seconds = _MINUTE * level.acknowledge_within_minutes
            acknowledge = _after(calendar, begin, seconds)
            timers += _reminder(TimerKind.REMIND, calendar, begin, seconds, before)
            delays = accumulate(_MINUTE * step.after_minutes for step in level.escalation)
            for number, (step, delay) in enumerate(zip(level.escalation, delays, strict=True), start=1):
                at = acknowledge if delay == 0 else _after(calendar, begin, seconds + delay)
                if at is not None:
                    timers.append(Timer(at, TimerKind.ESCALATE, number, step.receivers))
        if level.resolve_within_hours is not None:
            seconds = _HOUR * level.resolve_within_hours
            resolve = _after(calendar, begin, seconds)
            timers += _reminder(TimerKind.REMIND_RESOLUTION, calendar, begin, seconds, before)
            if resolve is not None:
                timers.append(Timer(resolve, TimerKind.RESOLUTION_OVERDUE))
        return Due(acknowledge, resolve, sorted(timers, key=lambda timer: timer.at))

    def working_seconds(self, calendar: str, begin: int, end: int | None) -> float | None:
        """Return the working time between two moments, in seconds; None without a calendar or without an end."""
        known = self.calendars.get(calendar)
        return None if known is None or end is None else working_seconds(known, begin, end)


def _reminder(
    kind: TimerKind, calendar: Calendar | None, begin: int, seconds: float, before: float | None
) -> list[Timer]:
    """Return the timer that reminds of the end of some seconds of working time; none if they are too few."""
    if before is None or before >= seconds or (at := _after(calendar, begin, seconds - before)) is None:
        return []
    return [Timer(at, kind)]


def _after(calendar: Calendar | None, begin: int, seconds: float) -> int | None:
    """Return when some seconds of working time have passed; None if the calendar has no such time for two years."""
    return begin + round(seconds * 1_000) if calendar is None else after(calendar, begin, seconds)
