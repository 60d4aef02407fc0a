"""What differs between the notices of two configurations, in figures for each receiver and as cases. Pure.

Notices are compared by alert, channel and receiver, and there step by step: the first notice about an opening with the
first one of the other configuration, and so on. As soon as a receiver has got the same notices about an alert with both
configurations, they are only counted. So memory is needed for what differs or waits, and not for the whole time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from worker.replay.outcomes import Outcome, Received


class Change(StrEnum):
    """How a notice of the new configuration differs from that of the current one."""

    MORE = "more"  # only the new configuration sends it
    FEWER = "fewer"  # only the current configuration sends it
    EARLIER = "earlier"
    LATER = "later"
    SEVERITY = "severity"  # it is sent at the same time, with another severity


class Place(NamedTuple):
    """A receiver on a channel, under its name in the new configuration."""

    channel: str
    receiver: str


@dataclass
class Count:
    """The numbers of notices to one receiver on one channel."""

    #: With the current configuration, and with the new one.
    current: int = 0
    new: int = 0
    changes: dict[Change, int] = field(default_factory=lambda: dict.fromkeys(Change, 0))


class Difference(NamedTuple):
    """One notice that differs. `was` is that of the current configuration, and `would` that of the new one."""

    place: Place
    change: Change
    was: Received | None
    would: Received | None
    #: Why one of them is missing; empty if only the routes are the reason.
    why: str


class Case(NamedTuple):
    """An alert or an incident about which some receivers would have got other notices."""

    #: The time of the first notice that differs, in ms.
    at: int
    alert_id: str
    kind: str
    segment: str
    differences: list[Difference]


@dataclass
class _Pair:
    """The notices of one receiver on one channel about one alert until now, without those that are the same."""

    was: list[Received] = field(default_factory=list)
    would: list[Received] = field(default_factory=list)
    why_not_was: str = ""
    why_not_would: str = ""


#: Stands for all receivers.
_ALL = Place("", "")


class Comparison:
    """Compares what two configurations do, partition by partition.

    `limit`: how many cases are kept, the earliest ones. `names`: the names of receivers in the new configuration, by
    the channel and the name in the current one, if they differ.
    """

    def __init__(self, limit: int, names: Mapping[Place, str]) -> None:
        self._limit = limit
        self._names = names
        self._open: defaultdict[str, defaultdict[Place, _Pair]] = defaultdict(lambda: defaultdict(_Pair))
        self._cases: list[Case] = []
        self.counts: defaultdict[Place, Count] = defaultdict(Count)
        #: The number of cases, including those that are not kept.
        self.differing = 0
        #: The numbers of notices that wait at the end, with the current configuration and with the new one.
        self.waiting = [0, 0]

    @property
    def cases(self) -> list[Case]:
        """The earliest cases, in the order of their times."""
        return sorted(self._cases, key=_order)[: self._limit]

    def add(self, current: Iterable[Outcome], new: Iterable[Outcome]) -> None:
        """Add what becomes of notices until the same moment with each of the configurations."""
        touched: set[tuple[str, Place]] = set()
        for outcome in current:
            place = self._renamed(outcome)
            touched.add((outcome.alert_id, place))
            pair = self._open[outcome.alert_id][place]
            if isinstance(outcome, Received):
                pair.was.append(outcome._replace(receiver=place.receiver))
                self.waiting[0] += outcome.waits
            else:
                pair.why_not_was = outcome.reason
        for outcome in new:
            place = Place(outcome.channel, outcome.receiver)
            touched.add((outcome.alert_id, place))
            pair = self._open[outcome.alert_id][place]
            if isinstance(outcome, Received):
                pair.would.append(outcome)
                self.waiting[1] += outcome.waits
            else:
                pair.why_not_would = outcome.reason
        for alert_id, place in touched:
            self._settle(alert_id, place)

    def close(self) -> None:
        """Turn what is not the same into cases, at the end of a partition."""
        for alert_id, pairs in self._open.items():
            differences: list[Difference] = []
            for place, pair in pairs.items():
                general = pairs.get(_ALL, pair)
                why_not_was = pair.why_not_was or general.why_not_was
                why_not_would = pair.why_not_would or general.why_not_would
                self._count(place, pair.was, pair.would)
                for difference in _differences(place, pair, why_not_was, why_not_would):
                    self.counts[place].changes[difference.change] += 1
                    differences.append(difference)
            if differences:
                self.differing += 1
                self._keep(_case(alert_id, differences))
        self._open.clear()

    def _renamed(self, outcome: Outcome) -> Place:
        place = Place(outcome.channel, outcome.receiver)
        return place._replace(receiver=self._names.get(place, place.receiver))

    def _settle(self, alert_id: str, place: Place) -> None:
        """Only count the notices of a receiver if they are the same with both configurations."""
        pairs = self._open[alert_id]
        pair = pairs[place]
        if pair.was == pair.would and place != _ALL:
            self._count(place, pair.was, pair.would)
            del pairs[place]
            if not pairs:
                del self._open[alert_id]

    def _count(self, place: Place, was: list[Received], would: list[Received]) -> None:
        if was or would:
            self.counts[place].current += len(was)
            self.counts[place].new += len(would)

    def _keep(self, case: Case) -> None:
        self._cases.append(case)
        if len(self._cases) > 2 * self._limit:
            self._cases = self.cases


def _order(case: Case) -> tuple[int, str]:
    return case.at, case.alert_id


def _differences(place: Place, pair: _Pair, why_not_was: str, why_not_would: str) -> Iterator[Difference]:
    """Yield what differs between the notices of two configurations about one alert to one receiver."""
    all_was, all_would = [*pair.was], [*pair.would]
    for same in pair.was:
        if same in all_would:
            all_was.remove(same)
            all_would.remove(same)
    for action in dict.fromkeys(told.action for told in (*all_was, *all_would)):
        was = [told for told in all_was if told.action == action]
        would = [told for told in all_would if told.action == action]
        for one, other in zip(was, would, strict=False):
            if (change := _change(one, other)) is not None:
                yield Difference(place, change, one, other, "")
        for one in was[len(would) :]:
            yield Difference(place, Change.FEWER, one, None, why_not_would)
        for other in would[len(was) :]:
            yield Difference(place, Change.MORE, None, other, why_not_was)


def _change(was: Received, would: Received) -> Change | None:
    if was.at != would.at:
        return Change.EARLIER if would.at < was.at else Change.LATER
    return Change.SEVERITY if was.severity != would.severity else None


def _case(alert_id: str, differences: list[Difference]) -> Case:
    told = [one for difference in differences for one in (difference.was, difference.would) if one is not None]
    first = min(told, key=attrgetter("at"))
    return Case(first.at, alert_id, first.kind, first.segment, differences)
