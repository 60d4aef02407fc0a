"""A source from which nothing comes any more: the three stages over weeks, recounted from the answers themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import lgamma, log, log1p
from random import Random

import pytest
from flow.carrying import Partition, at_home, entries_of
from flow.records import HOUR, NOW, Record, arrived, of, value

from schemas.incident import Incident
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.incidents import road as watching
from worker.flow.messages import tick
from worker.flow.policy import IncidentPolicy
from worker.flow.record import SOURCE_HEADER
from worker.flow.segments import road as segments
from worker.flow.timestamps import from_ms, rfc3339
from worker.lineage import source_path
from worker.rebuild.records import apply

DAY = 24
#: The first hour, counted since 1970.
BEGAN = NOW // HOUR


@dataclass
class World:
    """Answers that come by sources, hour by hour, through all three stages. Everything is in one partition."""

    chance: Random = field(default_factory=lambda: Random(7))
    #: The hours of the answers, by source; "" for those that name none.
    given: dict[str, list[int]] = field(default_factory=dict)
    hour: int = BEGAN
    outputs: list[Output] = field(default_factory=list)
    answers: Partition = field(default_factory=Partition)
    rows: dict[bytes, bytes] = field(default_factory=dict)
    watches: dict[bytes, bytes] = field(default_factory=dict)
    _offset: int = 0

    def live(self, days: int, rates: Mapping[str, float]) -> list[Incident]:
        """Live through some days; return the incidents' steps. `rates`: mean answers an hour, by source."""
        first = len(self.outputs)
        for _ in range(days * DAY):
            self._live_hour([source for source, rate in rates.items() if self.chance.random() < rate])
        found = [output for output in self.outputs[first:] if output.topic == events.ALERTS]
        steps = [output for output in found if (output.key or b"").startswith(b"incident:")]
        return [Incident.model_validate_json(output.value or b"", strict=False) for output in steps]

    def _live_hour(self, sources: Iterable[str]) -> None:
        records = [self._record(source) for source in sources]
        self.hour += 1
        tallies = arrived(self._keep(self.answers.carry(records)), events.TALLIES)
        time = Record(b"", tick.KEY, timestamp=self.hour * HOUR, topic="nps.tallies")
        decided = segments.count([*tallies, time], self.rows, 0)
        hours = [
            record._replace(timestamp=self.hour * HOUR)
            for record in arrived(self._keep(_all(decided, self.rows)), events.HOURS)
        ]
        self._keep(_all(watching.watch(hours, self.watches, 1, at_home, IncidentPolicy()), self.watches))

    def _record(self, source: str) -> Record:
        self._offset += 1
        self.given.setdefault(source, []).append(self.hour)
        at = self.hour * HOUR
        who = f"c-{self._offset}"
        answer = value(response_id=who, customer_id=who, responded_at=rfc3339(at).decode(), segment=[])
        headers = [(SOURCE_HEADER, source.encode())] if source else []
        return Record(answer, who.encode(), self._offset, timestamp=at, headers=headers)

    def _keep(self, outputs: list[Output]) -> list[Output]:
        self.outputs += outputs
        return outputs


def _all(decided: Decided, rows: dict[bytes, bytes]) -> list[Output]:
    """Write what a batch changes; return all of its outputs."""
    outputs = []
    while True:
        outputs += decided.outputs
        apply(rows, decided.rows)
        if decided.rest is None:
            return outputs
        decided = decided.rest()


def silent_at(own: list[int], everything: list[int], until: int) -> int | None:
    """Return the first hour at which a source counts as silent, as docs/statistics.md describes it; None if none.

    `own`: the hours of its answers; `everything`: those of all answers.
    """
    others = Counter(everything) - Counter(own)
    mine = Counter(own)
    n = m = open_hours = 0.0
    gaps = []
    for earlier, later in pairwise(sorted(mine)):
        weight = 0.5 ** ((max(own) - later) / (30 * DAY))
        gaps.append(len([hour for hour in others if earlier < hour < later]))
        n += weight * mine[later]
        m += weight * sum(count for hour, count in others.items() if earlier < hour <= later)
        open_hours += weight * (gaps[-1] + 1)
    for hour in range(max(own) + 2, until + 1):
        since = [count for each, count in others.items() if max(own) < each < hour]
        by_share = lgamma(m) + lgamma(m + n + sum(since)) - lgamma(m + n) - lgamma(m + sum(since))
        surprise = min(by_share, n * log1p(len(since) / open_hours))
        gaps_a_year = min(n * 365.25 / (30 / log(2)), 365.25 * DAY)
        if len(since) > 2 * sorted(gaps)[-2] and surprise >= log(gaps_a_year / 0.02):
            return hour
    return None


def test_a_source_that_stops_is_reported_in_the_hour_that_a_recount_finds_and_resolved_with_its_next_answer() -> None:
    world = World()
    calm = world.live(30, {"typeform_lyon": 0.3, "delighted": 0.6, "": 0.2})
    (opened,) = world.live(10, {"delighted": 0.6, "": 0.2})
    stopped = dict(world.given)
    everything = sorted(hour for hours in stopped.values() for hour in hours)
    (resolved,) = world.live(5, {"typeform_lyon": 0.3, "delighted": 0.6, "": 0.2})

    assert calm == []
    assert (opened.kind, opened.action, opened.reason) == ("no_responses", "opened", "silent")
    assert (opened.segment, opened.source) == ("/source/typeform_lyon", "typeform_lyon")
    assert opened.summary == "No responses any more by the source typeform_lyon"
    last = max(hour for hour in stopped["typeform_lyon"] if hour < BEGAN + 30 * DAY)
    assert opened.since == from_ms(last * HOUR)
    found = silent_at([hour for hour in stopped["typeform_lyon"] if hour <= last], everything, world.hour)
    assert opened.occurred_at == from_ms((found or 0) * HOUR)
    assert (resolved.alert_id, resolved.action, resolved.reason) == (opened.alert_id, "resolved", "answered_again")


@pytest.mark.parametrize(
    ("days", "rate", "why"),
    [(30, 0.008, "fewer than seven answers"), (13, 0.6, "less than two weeks")],
    ids=["few answers", "a short history"],
)
def test_a_source_without_a_known_rhythm_is_not_missed(days: int, rate: float, why: str) -> None:
    world = World()
    world.live(days, {"trial": rate, "delighted": 0.6})

    assert world.live(12, {"delighted": 0.6}) == [], why


def test_a_source_with_all_answers_stops_with_the_root_which_is_reported() -> None:
    world = World()
    world.live(30, {"typeform_lyon": 0.5})
    found = world.live(10, {})

    assert [(step.segment, step.source) for step in found] == [("", None)]


def test_a_source_has_no_scores_and_opens_no_incident_about_its_nps() -> None:
    world = World()
    world.live(20, {"delighted": 0.6})
    keys = {output.key for output in world.outputs if output.topic == events.SCORES}

    assert keys == {b"", b"/survey/autumn"}
    assert source_path("delighted").encode() in world.rows
    row = world.rows[source_path("delighted").encode()]
    assert segments.scores(b"/source/delighted", row).value is None


def test_a_source_counts_what_has_come_and_no_correction() -> None:
    came = [(SOURCE_HEADER, b"delighted")]
    records = [
        Record(value(score=9), offset=0, headers=came),
        Record(value(score=3, revision=1), offset=1, headers=came),
    ]
    (output,) = [each for each in Partition().carry(records) if each.topic == events.TALLIES]
    found = entries_of(output)

    assert [entry for entry in found["/source/delighted", 0] if not isinstance(entry, tuple)] == []
    assert [entry[0] for entry in found["/source/delighted", 0] if isinstance(entry, tuple)] == [0]
    assert len(found["/survey/autumn", 0]) == 2


@pytest.mark.parametrize("name", [b"", b"Upper", b"a b", b"/survey/x", b"x" * 64, b"\xff", None])
def test_a_header_that_is_no_name_of_a_source_is_left_out_of_account(name: bytes | None) -> None:
    outputs = Partition().carry([Record(value(), headers=[(SOURCE_HEADER, name)])])

    assert [each["outcome"] for each in of(events.DECISIONS, outputs)] == ["accepted"]
    assert not [
        path
        for output in outputs
        if output.topic == events.TALLIES
        for path, _ in entries_of(output)
        if "source" in path
    ]
