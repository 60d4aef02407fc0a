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
    resolved = [r for r in found if r.state == CaseState.RESOLVED]
    to_acknowledge = [one for r in found if (one := r.seconds_to_acknowledge) is not None]
    to_resolve = [one for r in found if (one := r.seconds_to_resolve) is not None]
    working_to_acknowledge = [one for r in found if (one := r.working_seconds_to_acknowledge) is not None]
    working_to_resolve = [one for r in found if (one := r.working_seconds_to_resolve) is not None]
    acknowledged_in_time = [
        at <= due for r in found if (due := r.acknowledge_due_at) and (at := r.acknowledged_at) is not None
    ]
    resolved_in_time = [at <= due for r in resolved if (due := r.resolve_due_at) and (at := r.ended_at) is not None]
    answers = [answer for r in found if (answer := r.follow_up) is not None]
    after_resolved = [
        answer.recovered
        for r in resolved
        if (answer := r.follow_up) is not None and (at := r.ended_at) is not None and at <= answer.answered_at
    ]
    return Figures(
        resolved=len(resolved),
        withdrawn=sum(r.state == CaseState.WITHDRAWN for r in found),
        median_to_acknowledge=quantile(to_acknowledge, 0.5),
        median_to_resolve=quantile(to_resolve, 0.5),
        ninth_decile_to_resolve=quantile(to_resolve, 0.9),
        working_median_to_acknowledge=quantile(working_to_acknowledge, 0.5),
        working_median_to_resolve=quantile(working_to_resolve, 0.5),
        working_ninth_decile_to_resolve=quantile(working_to_resolve, 0.9),
        acknowledge_limits=len(acknowledged_in_time),
        acknowledged_in_time=sum(acknowledged_in_time),
        resolve_limits=len(resolved_in_time),
        resolved_in_time=sum(resolved_in_time),
        answered_again=len(answers),
        recovered=sum(answer.recovered for answer in answers),
        answered_after_resolved=len(after_resolved),
        recovered_after_resolved=sum(after_resolved),
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


#: The same for what is grouped by anything else than segments, by a key of FIELDS.
_GROUPS: Mapping[str, Groups] = MappingProxyType(
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

    `by`: a key of FIELDS; "segment" stands for the segments directly below `root`, whose path is empty for all. A
    recovery of several receivers counts in the group of each of them.
    """
    found = [one for one in recoveries if is_below(one.segment, root)]
    groups = _in_groups(found, _groups_of(by, root))
    return Grouped(figures(found), {name: figures(groups[name]) for name in sorted(groups)})


class Overdue(NamedTuple):
    """What some cases have in common whose time limit is over, and on which nobody has acted yet.

    There are no recoveries of them until they end. At least the field is filled by which they will be grouped.
    """

    #: Whether the time limit of the resolution is over, and not that of the acknowledgement.
    is_resolution: bool
    segment: str = ""
    severity: str = ""
    survey_id: str = ""
    cause: str | None = None
    receivers: tuple[str, ...] = ()


#: By what cases and recoveries can be grouped, and the field of an overdue case that says it.
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "segment": "segment",
        "cause": "cause",
        "receiver": "receivers",
        "severity": "severity",
        "survey": "survey_id",
    }
)


def overdue_of(case: Case, now: int, since: int = 0) -> Overdue | None:
    """Return a case as one whose time limit is over; None if it has none, or if it is not over yet.

    `since`: only if it was opened, or reopened, at this time or later; both times in ms.
    """
    due = case.next_due
    if due is None or due > now or case.opened_at < since:
        return None
    receivers = tuple(case.receivers)
    return Overdue(case.is_resolution_next, case.segment, case.severity, case.survey_id, case.cause, receivers)


def with_overdue(found: Grouped, overdue: Mapping[Overdue, int], by: str, root: str) -> Grouped:
    """Return figures in which overdue cases count as time limits that were not met.

    `found`: what `grouped` has returned; `overdue`: how many cases in or below `root` have this in common; `by` and
    `root`: as `grouped` has them.
    """
    groups_of = _groups_of(by, root)
    groups = _in_groups(overdue.items(), lambda one: groups_of(one[0]))
    names = sorted({*found.groups, *groups})
    nothing = figures(())
    return Grouped(
        _missed(found.whole, overdue.items()),
        {name: _missed(found.groups.get(name, nothing), groups.get(name, [])) for name in names},
    )


def _missed(found: Figures, overdue: Iterable[tuple[Overdue, int]]) -> Figures:
    numbers = {True: 0, False: 0}
    for one, number in overdue:
        numbers[one.is_resolution] += number
    return found._replace(
        acknowledge_limits=found.acknowledge_limits + numbers[False],
        resolve_limits=found.resolve_limits + numbers[True],
    )


_One = TypeVar("_One")


def _groups_of(by: str, root: str) -> Groups:
    """Return the function from a recovery or a case to the names of its groups. `by`, `root`: as `grouped` has them."""
    return _below(root) if by == "segment" else _GROUPS[by]


def _in_groups(found: Iterable[_One], groups_of: Callable[[_One], Sequence[str]]) -> dict[str, list[_One]]:
    """Return things by the names of their groups."""
    groups = defaultdict[str, list[_One]](list)
    for one in found:
        for name in groups_of(one):
            groups[name].append(one)
    return groups
