"""The time limits of an alert, before it is opened: when it would be due, and who would be asked. As JSON and text."""

from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from worker.flow.cases.service import Due, ServiceLevels, Timer, TimerKind
from worker.flow.timestamps import from_ms
from worker.routing.calendar import Skipped, skipped
from worker.routing.service_level import Terms

_INDENT = "  "
_WHAT = {
    TimerKind.REMIND: "reminder, if nobody has acknowledged it",
    TimerKind.REMIND_RESOLUTION: "reminder, if it is not resolved",
    TimerKind.RESOLUTION_OVERDUE: "last reminder, if it is not resolved",
}


class Limits(NamedTuple):
    """The time limits of an alert."""

    terms: Terms
    due: Due
    #: The zone in which times are shown.
    zone: tzinfo
    #: The days until the last of the times that would be worked, and are not.
    skipped: list[Skipped]

    def as_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            "name": self.terms.service_level,
            "calendar": self.terms.calendar or None,
            "acknowledge_due_at": None if self.due.acknowledge is None else from_ms(self.due.acknowledge).isoformat(),
            "resolve_due_at": None if self.due.resolve is None else from_ms(self.due.resolve).isoformat(),
            "timers": [
                {
                    "at": from_ms(timer.at).isoformat(),
                    "kind": timer.kind,
                    "step": timer.step or None,
                    "receivers": timer.receivers,
                }
                for timer in self.due.timers
            ],
            "skipped_days": [{"day": day.isoformat(), "why": why} for day, why in self.skipped],
        }

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        hours = f"in the hours of the calendar {self.terms.calendar}" if self.terms.calendar else "at all hours"
        limits = [("acknowledge by", self.due.acknowledge), ("resolve by", self.due.resolve)]
        return [
            f"service level {self.terms.service_level}, {hours}",
            *(f"{_INDENT}{day:%a %Y-%m-%d} is skipped: {why}" for day, why in self.skipped),
            *(f"{_INDENT}{what} {self._when(at)}" for what, at in limits if at is not None),
            *(f"{_INDENT}{self._when(timer.at)}: {_what(timer)}" for timer in self.due.timers),
        ]

    def _when(self, at: int) -> str:
        return from_ms(at).astimezone(self.zone).strftime("%a %Y-%m-%d %H:%M %Z")


def limits_of(terms: Terms, service: ServiceLevels, begin: int) -> Limits | None:
    """Return the time limits of an alert that is opened at a moment, in ms; None if it has no service level."""
    if not terms.service_level:
        return None
    due, calendar = service.due(terms, begin), service.calendars.get(terms.calendar)
    last = max([begin, *(at for at in (due.acknowledge, due.resolve) if at is not None), *(t.at for t in due.timers)])
    if calendar is None:
        return Limits(terms, due, UTC, [])
    return Limits(terms, due, calendar.zone, skipped(calendar, begin, last))


def _what(timer: Timer) -> str:
    if timer.kind is TimerKind.ESCALATE:
        return f"step {timer.step} of the escalation, to {', '.join(timer.receivers)}"
    return _WHAT[timer.kind]
