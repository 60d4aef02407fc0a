"""What a link still stands for: the case may have changed since its message was sent."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from schemas.alert_command import CommandAction
from schemas.case import CaseState
from schemas.dead_letter import Reason
from worker.flow.cases.case import Case
from worker.flow.timestamps import HOUR
from worker.links.signing import Link

#: How long after the step of an alert its case may still be on its way, in ms. Usually it takes less than a second.
_ON_ITS_WAY = HOUR


class Standing(StrEnum):
    """Whether a link can still be used, and if not, why."""

    #: The person can act.
    OFFERED = "offered"
    #: Somebody looks after the case already.
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"
    #: The case was reopened after the message with the link was sent.
    REOPENED = "reopened"
    #: The step of the alert has not reached the case yet.
    AHEAD = "ahead"
    #: There is no such case: it was forgotten, or the customer was erased.
    UNKNOWN = "unknown"


#: The standing that a worker's refusal of a command means. The case has changed since the page was made.
OF_REFUSAL: Mapping[str, Standing] = MappingProxyType(
    {
        Reason.ALERT_UNKNOWN: Standing.UNKNOWN,
        Reason.ACKNOWLEDGED_BY_ANOTHER: Standing.ACKNOWLEDGED,
        Reason.CASE_RESOLVED: Standing.RESOLVED,
        Reason.CASE_WITHDRAWN: Standing.WITHDRAWN,
        Reason.CASE_REOPENED: Standing.REOPENED,
    }
)


def standing(link: Link, case: Case | None, now: int) -> Standing:
    """Return what a link stands for. `case`: the case of its alert, None if it is not known; `now`: in ms."""
    if case is None:
        return Standing.AHEAD if now - link.at < _ON_ITS_WAY else Standing.UNKNOWN
    if _is_ahead(link, case):
        return Standing.AHEAD
    if case.has_ended:
        return Standing.WITHDRAWN if case.state is CaseState.WITHDRAWN else Standing.RESOLVED
    if case.state is CaseState.ACKNOWLEDGED and link.action is CommandAction.ACKNOWLEDGE:
        return Standing.ACKNOWLEDGED
    return Standing.REOPENED if _is_of_earlier_opening(link, case) else Standing.OFFERED


def _is_ahead(link: Link, case: Case) -> bool:
    """Say whether a link is about a step that the case does not know yet."""
    return link.at > case.alert_at if link.opening is None else link.opening > case.opening


def _is_of_earlier_opening(link: Link, case: Case) -> bool:
    """Say whether the case was reopened after the step that a link is about."""
    if link.opening is not None:
        return link.opening < case.opening
    return link.at < (case.opened_at if case.links_from is None else case.links_from)
