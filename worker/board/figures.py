"""The closed loop in figures: how long the work on alerts takes, and how many customers recover."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from schemas.case import CaseState
from worker.flow.cases.case import Case
from worker.lineage import SEPARATOR, is_below

#: The names of the group of recoveries without a cause, and of those without a receiver.
NO_CAUSE, NO_RECEIVER = "no cause", "no receiver"


class _FollowUp(Protocol):
    """The customer's next answer."""

    @property
    def answered_at(self) -> datetime: ...
    @property
    def recovered(self) -> bool: ...


class _OfCase(Protocol):
    """What a case and its intervals are grouped by."""

    @property
    def segment(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def survey_id(self) -> str: ...
    @property
    def cause(self) -> str | None: ...
    @property
    def receivers(self) -> Sequence[str]: ...


class _Recovery(_OfCase, Protocol):
    """An interval of a case, as schemas/recovery.py describes it."""

    @property
    def state(self) -> str: ...
    @property
    def opening(self) -> int: ...
    @property
    def acknowledged_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def seconds_to_acknowledge(self) -> float | None: ...
    @property
    def seconds_to_resolve(self) -> float | None: ...
    @property
    def working_seconds_to_acknowledge(self) -> float | None: ...
    @property
    def working_seconds_to_resolve(self) -> float | None: ...
    @property
    def acknowledge_due_at(self) -> datetime | None: ...
    @property
    def resolve_due_at(self) -> datetime | None: ...
    @property
    def follow_up(self) -> _FollowUp | None: ...


class Figures(NamedTuple):
    """What is known of a group. Times are in seconds; None if nothing is known."""

    #: The number of resolved intervals of cases, and of those that ended because the alert was withdrawn.
    resolved: int
    withdrawn: int
    #: Half of the acknowledged intervals were acknowledged within this time.
    median_to_acknowledge: float | None
    #: Half of the resolved intervals were resolved within this time, and nine of ten within that time.
    median_to_resolve: float | None
    ninth_decile_to_resolve: float | None
    #: The number of intervals after which the customer has answered again, and of those whose customer is no detractor.
    answered_again: int
    recovered: int
    #: The number of intervals that began with a reopening.
    reopened: int
    #: The same of the working time, of those intervals for which it is known.
    working_median_to_acknowledge: float | None = None
    working_median_to_resolve: float | None = None
    working_ninth_decile_to_resolve: float | None = None
    #: The number of acknowledged and resolved intervals with a time limit, and of those that met it.
    acknowledge_limits: int = 0
    acknowledged_in_time: int = 0
    resolve_limits: int = 0
    resolved_in_time: int = 0
    #: Of those after which the customer has answered again: those that were resolved before the answer, and of these
    #: the ones whose customer is no detractor.
    answered_after_resolved: int = 0
    recovered_after_resolved: int = 0

    def as_json(self) -> dict[str, float | None]:
        """Return the figures by their names, as JSON has them."""
        return self._asdict()


def figures(recoveries: Iterable[_Recovery]) -> Figures:
    """Return the figures of some intervals."""
    found = list(recoveries)
    to_acknowledge = [r.seconds_to_acknowledge for r in found if r.seconds_to_acknowledge is not None]
    to_resolve = [r.seconds_to_resolve for r in found if r.seconds_to_resolve is not None]
    working_to_acknowledge = [one for r in found if (one := r.working_seconds_to_acknowledge) is not None]
    working_to_resolve = [one for r in found if (one := r.working_seconds_to_resolve) is not None]
    acknowledged = [
        at <= r.acknowledge_due_at for r in found if r.acknowledge_due_at and (at := r.acknowledged_at) is not None
    ]
    resolved = [
        at <= r.resolve_due_at
        for r in found
        if r.resolve_due_at and r.state == CaseState.RESOLVED and (at := r.ended_at) is not None
    ]
    answers = [r.follow_up for r in found if r.follow_up is not None]
    after_resolved = [
        r.follow_up
        for r in found
        if r.follow_up is not None
        and r.state == CaseState.RESOLVED
        and r.ended_at is not None
        and r.ended_at <= r.follow_up.answered_at
    ]
    return Figures(
        resolved=sum(r.state == CaseState.RESOLVED for r in found),
        withdrawn=sum(r.state == CaseState.WITHDRAWN for r in found),
        median_to_acknowledge=quantile(to_acknowledge, 0.5),
        median_to_resolve=quantile(to_resolve, 0.5),
        ninth_decile_to_resolve=quantile(to_resolve, 0.9),
        working_median_to_acknowledge=quantile(working_to_acknowledge, 0.5),
        working_median_to_resolve=quantile(working_to_resolve, 0.5),
        working_ninth_decile_to_resolve=quantile(working_to_resolve, 0.9),
        acknowledge_limits=len(acknowledged),
        acknowledged_in_time=sum(acknowledged),
        resolve_limits=len(resolved),
        resolved_in_time=sum(resolved),
        answered_again=len(answers),
        recovered=sum(answer.recovered for answer in answers),
        answered_after_resolved=len(after_resolved),
        recovered_after_resolved=sum(answer.recovered for answer in after_resolved),
        reopened=sum(r.opening > 1 for r in found),
    )


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed; None without values."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None


#: Returns the names of the groups that a recovery, or a case that has not ended, belongs to.
Groups = Callable[[_OfCase], Sequence[str]]


def _below(root: str) -> Groups:
    """Return the function from a case to the segment directly below a root that it is in; nothing for the root."""

    def group(case: _OfCase) -> Sequence[str]:
        below = case.segment.removeprefix(root).lstrip(SEPARATOR).partition(SEPARATOR)[0]
        return [(root + SEPARATOR if root else "") + below] if below else []

    return group


#: How recoveries and cases can be grouped, but for segments.
GROUPS: Mapping[str, Groups] = MappingProxyType(
    {
        "cause": lambda case: [case.cause or NO_CAUSE],
        "receiver": lambda case: [*dict.fromkeys(case.receivers)] or [NO_RECEIVER],
        "severity": lambda case: [case.severity],
        "survey": lambda case: [case.survey_id],
    }
)


class Grouped(NamedTuple):
    """The figures of some recoveries, and of groups of them by name."""

    whole: Figures
    groups: Mapping[str, Figures]


def grouped(recoveries: Iterable[_Recovery], by: str, root: str) -> Grouped:
    """Return the figures of all recoveries in or below a segment, and of each group.

    `by`: a key of GROUPS, or "segment" for the segments directly below `root`, whose path is empty for all. A recovery
    of several receivers counts in the group of each of them.
    """
    found = [one for one in recoveries if is_below(one.segment, root)]
    groups = _in_groups(found, by, root)
    return Grouped(figures(found), {name: figures(groups[name]) for name in sorted(groups)})


class Overdue(NamedTuple):
    """A case whose time limit is over, and on which nobody has acted yet. There is no recovery of it until it ends."""

    segment: str
    severity: str
    survey_id: str
    cause: str | None
    receivers: tuple[str, ...]
    #: Whether the time limit of the resolution is over, and not that of the acknowledgement.
    is_resolution: bool


def overdue_of(case: Case, now: int, since: int = 0) -> Overdue | None:
    """Return a case as one whose time limit is over; None if it has none, or if it is not over yet.

    `since`: only if it was opened, or reopened, at this time or later; both times in ms.
    """
    due = case.next_due
    if due is None or due > now or case.opened_at < since:
        return None
    receivers = tuple(case.receivers)
    return Overdue(case.segment, case.severity, case.survey_id, case.cause, receivers, awaits_resolution(case))


def awaits_resolution(case: Case) -> bool:
    """Say whether the next time limit of a case is that of the resolution."""
    return case.next_due is not None and (case.state is not CaseState.OPEN or case.acknowledge_due is None)


def with_overdue(found: Grouped, overdue: Iterable[Overdue], by: str, root: str) -> Grouped:
    """Return figures in which overdue cases count as time limits that were not met.

    `found`: what `grouped` has returned; `by` and `root`: as there.
    """
    cases = [one for one in overdue if is_below(one.segment, root)]
    groups = _in_groups(cases, by, root)
    names = sorted({*found.groups, *groups})
    nothing = figures(())
    return Grouped(
        _missed(found.whole, cases),
        {name: _missed(found.groups.get(name, nothing), groups.get(name, [])) for name in names},
    )


def _missed(found: Figures, overdue: Sequence[Overdue]) -> Figures:
    resolutions = sum(one.is_resolution for one in overdue)
    return found._replace(
        acknowledge_limits=found.acknowledge_limits + len(overdue) - resolutions,
        resolve_limits=found.resolve_limits + resolutions,
    )


_One = TypeVar("_One", bound=_OfCase)


def _in_groups(found: Iterable[_One], by: str, root: str) -> dict[str, list[_One]]:
    """Return recoveries or cases by the names of their groups. `by` and `root`: as `grouped` has them."""
    groups_of, groups = GROUPS[by] if by in GROUPS else _below(root), defaultdict[str, list[_One]](list)
    for one in found:
        for name in groups_of(one):
            groups[name].append(one)
    return groups
