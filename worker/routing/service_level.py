"""How service levels are written in the settings: how soon somebody has to act, and who is asked if nobody does."""

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import Field, model_validator

from worker.section import Section

#: The largest number of steps of an escalation.
MOST_STEPS = 10
#: A year. Longer times would be no promise.
_MOST_MINUTES, _MOST_HOURS = 525_600.0, 8_760.0


class EscalationStep(Section):
    """One step of an escalation."""

    receivers: list[str] = Field(min_length=1, description="The names of the receivers that this step is sent to.")
    after_minutes: float = Field(
        default=0.0,
        ge=0,
        le=_MOST_MINUTES,
        description="Minutes of working time between the step before and this one. For the first step: between the "
        "time by which the case should have been acknowledged, and this step.",
    )


class ServiceLevel(Section):
    """A service level: the times within which an alert has to be acknowledged and resolved."""

    acknowledge_within_minutes: float | None = Field(
        default=None,
        gt=0,
        le=_MOST_MINUTES,
        description="Minutes of working time within which somebody has to acknowledge the case. Without it, there is "
        "no time limit and no escalation.",
    )
    resolve_within_hours: float | None = Field(
        default=None,
        gt=0,
        le=_MOST_HOURS,
        description="Hours of working time within which the case has to be resolved. Without it, there is no time "
        "limit.",
    )
    remind_before_minutes: float | None = Field(
        default=None,
        gt=0,
        le=_MOST_MINUTES,
        description="Minutes of working time before each of these two times at which the receivers of the alert are "
        "reminded. A reminder that would have to come before the alert is left out. Without this setting, nobody is "
        "reminded.",
    )
    escalation: list[EscalationStep] = Field(
        default=[],
        max_length=MOST_STEPS,
        description="The steps that follow if nobody acknowledges the case in time, in their order. An "
        "acknowledgement stops them.",
    )

    @model_validator(mode="after")
    def _times(self) -> "ServiceLevel":
        acknowledge, resolve = self.acknowledge_within_minutes, self.resolve_within_hours
        if acknowledge is None and resolve is None:
            raise ValueError("needs acknowledge_within_minutes or resolve_within_hours")
        if acknowledge is None and self.escalation:
            raise ValueError("escalation: its steps never happen without acknowledge_within_minutes")
        limits = [*([] if acknowledge is None else [acknowledge]), *([] if resolve is None else [60 * resolve])]
        if self.remind_before_minutes is not None and self.remind_before_minutes >= max(limits):
            raise ValueError("remind_before_minutes: is not shorter than the times that it reminds of")
        return self


#: The largest number of names in `Work.receivers`: the first ones in the order of the routes. It bounds the size of the
#: rows that keep them.
RECEIVERS_KEPT = 16


class Terms(NamedTuple):
    """By what the work on an alert is measured: names in the settings, and empty texts if there are none."""

    service_level: str = ""
    #: The calendar whose hours are working time.
    calendar: str = ""


class Work(NamedTuple):
    """What routes say about the work on an alert when it is opened."""

    terms: Terms = Terms()
    #: The names of the receivers that get the alert, at most RECEIVERS_KEPT.
    receivers: Sequence[str] = ()
