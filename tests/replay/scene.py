"""What the tests of the replay begin with: configurations, and logs that are tried with two of them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from flow.records import HERE, SECRET, TOPIC, Record

from worker.rebuild.answers import Answers
from worker.replay.changes import receivers
from worker.replay.command import rules_of
from worker.replay.comparing import Case, Change, Comparison, Place
from worker.replay.configuration import Rules, configuration
from worker.replay.trial import Trial
from worker.routing.hours import CalendarSettings
from worker.routing.receiver import ReceiverSettings
from worker.routing.tree import RootRoute
from worker.settings import Settings

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
#: A Monday, at noon in UTC.
MONDAY = int(datetime.fromisoformat("2026-06-01T12:00:00+00:00").timestamp()) * 1_000
OFFICE = CalendarSettings(time_zone="UTC", hours=["mon-fri 09:00-17:00"])
SUPPORT, LYON = Place("email", "support"), Place("email", "lyon")


def by_tree(route: dict[str, Any] | None = None, *, calendar: bool = False, **sections: Any) -> Settings:
    """Return settings with the receivers support and lyon, who may work in the office only."""
    receivers = {
        "support": ReceiverSettings(email=["support@example.org"]),
        "lyon": ReceiverSettings(email=["lyon@example.org"], calendar="office" if calendar else None),
    }
    usual = {
        "receivers": receivers,
        "calendars": {"office": OFFICE},
        "route": RootRoute.model_validate(route or {"receivers": ["support"]}),
    }
    return Settings.model_construct(**{**usual, **sections})


TO_LYON = {"receivers": ["support"], "routes": [{"name": "lyon", "segment": "fr/lyon", "receivers": ["lyon"]}]}


class Tried(NamedTuple):
    """What came of a trial, by receiver: the notices now and with the new configuration, and how they differ."""

    counts: dict[Place, tuple[int, int]]
    changes: dict[Place, dict[Change, int]]
    cases: list[Case]
    comparison: Comparison
    trial: Trial


def tried(
    records: Iterable[Record],
    current: Settings,
    new: Settings,
    *,
    since: int = 0,
    until: int = MONDAY + 365 * DAY,
    limit: int = 1_000,
) -> Tried:
    """Try a log of one partition with two configurations. Responses are decided again."""
    rules = rules_of(current), rules_of(new)
    names = receivers(rules[0].planners, rules[1].planners).names
    comparison = Comparison(limit, names)
    trial = Trial(configuration(rules[0], answers(rules[0])), rules[1], since, comparison)
    for record in records:
        if record.topic == TOPIC:
            trial.take_response(record)
        else:
            trial.take_step(record)
    trial.end(until)
    return Tried(
        {place: (count.current, count.new) for place, count in comparison.counts.items()},
        {
            place: {change: number for change, number in count.changes.items() if number}
            for place, count in comparison.counts.items()
            if any(count.changes.values())
        },
        comparison.cases,
        comparison,
        trial,
    )


def answers(rules: Rules) -> Answers:
    return Answers(1, rules.policy, TOPIC, HERE, SECRET, lambda _: 0)
