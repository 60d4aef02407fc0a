"""The third stage: a tree of segments over weeks, and what is reported of it at each tick."""

import json
import random
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache
from typing import Any

import msgspec
import pytest
from flow.carrying import PARTITIONS, spread
from flow.records import Record, of
from hypothesis import given
from hypothesis import strategies as st

from schemas.emitted import to_json
from schemas.incident import Incident
from worker.detect.watch import Watch
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.incidents import road as watching
from worker.flow.messages import gaming_flag, hourly_report
from worker.flow.messages.hourly_report import HourlyReport
from worker.flow.policy import IncidentPolicy
from worker.lineage import paths_of
from worker.nps.windows import HOUR

#: The first hour, and the classes' shares there.
BEGAN = 480_000
USUAL = (0.5, 0.3, 0.2)
DAY = 24
DESKS = [f"{country}/{shop}/{desk}" for country in ("fr", "uk") for shop in "abc" for desk in ("pay", "send")]

#: What is in no test by chance.
CALM = IncidentPolicy(false_alarms_per_year=0.1)

#: The classes' shares at a desk; None where nobody answers.
Mix = Callable[[str], tuple[float, float, float] | None]


class World:
    """Answers by the hour, each hour reported and followed by a tick of every partition. All of it from a seed."""

    def __init__(self, seed: int = 2, policy: IncidentPolicy | None = None) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.log: list[Record] = []
        self.outputs: list[Output] = []
        self.hour = BEGAN
        self.slices = 0
        self._chance = random.Random(seed)
        self._policy = policy or CALM

    def live(self, days: float, mix: Mix = lambda _: USUAL) -> list[Incident]:
        """Live through some days; return the incidents' steps."""
        first = len(self.outputs)
        for _ in range(round(days * DAY)):
            self._hour(mix)
        return incidents(self.outputs[first:])

    def flags(self) -> list[gaming_flag.GamingFlag]:
        return [gaming_flag.decode(output.value or b"") for output in self.outputs if output.topic == events.TALLIES]

    def carry(self, records: Iterable[Record]) -> None:
        """Carry records, one batch."""
        decided = watching.watch(records, self.rows, PARTITIONS, spread, self._policy)
        while decided.rest is not None:
            assert (decided.outputs, decided.rows) == ([], {})
            self.slices += 1
            decided = decided.rest()
        self.slices += 1
        for key, row in decided.rows.items():
            if row is None:
                del self.rows[key]
            else:
                self.rows[key] = row
        self.outputs += decided.outputs

    def _hour(self, mix: Mix) -> None:
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for desk in DESKS:
            shares = mix(desk)
            for _ in range(self._chance.choice([0, 0, 0, 1, 1, 2]) if shares is not None else 0):
                kind = self._chance.choices(range(3), shares)[0]
                for path in paths_of(desk, "autumn"):
                    counts[path][kind] += 1
        reported: dict[int, dict[str, bytes]] = defaultdict(dict)
        for path, found in counts.items():
            reported[spread(path.encode())][path] = array("q", (self.hour, *found)).tobytes()
        self.hour += 1
        records = [
            Record(output.value, None, len(self.log) + number, timestamp=self.hour * HOUR + 5)
            for number in range(PARTITIONS)
            for output in hourly_report.outputs(HourlyReport(number, reported[number], self.hour * HOUR))
        ]
        self.log += records
        self.carry(records)


def incidents(outputs: Iterable[Output]) -> list[Incident]:
    return [
        Incident.model_validate_json(output.value or b"", strict=False)
        for output in outputs
        if output.topic == events.ALERTS
    ]


@cache
def _settled() -> World:
    world = World()
    world.live(40)
    return world


def settled() -> World:
    """Return a tree whose levels are known, after 40 days."""
    return deepcopy(_settled())


def only(path: str, shares: tuple[float, float, float] | None) -> Mix:
    """Return the mix where one part of the tree is another than the rest."""
    return lambda desk: shares if desk == path or desk.startswith(path + "/") else USUAL


def steps_of(found: Iterable[Incident]) -> list[tuple[str, str, str]]:
    return [(step.segment, step.action, step.reason) for step in found]


def at(path: str, found: Iterable[Incident]) -> list[Incident]:
    """Return the steps at one segment: over months, chance alone may make some elsewhere."""
    return [step for step in found if step.segment == path]


BAD = (0.15, 0.25, 0.6)


@pytest.mark.unmeasured
def test_nothing_is_reported_for_a_tree_that_stays_as_it_is() -> None:
    assert World().live(40) == []


@pytest.mark.unmeasured
def test_a_drop_at_one_desk_is_reported_for_that_desk_alone() -> None:
    world = settled()
    fell = world.hour
    (incident,) = world.live(14, only("fr/b/send", BAD))

    assert ("fr/b/send", "opened", "nps_fell") == (incident.segment, incident.action, incident.reason)
    assert incident.kind == "segment_drop"
    assert incident.touchpoint == "send"
    assert incident.severity == "critical"
    assert abs(incident.since.timestamp() / 3_600 - fell) <= 5 * DAY
    assert incident.before is not None
    assert incident.after is not None
    assert incident.change is not None
    assert incident.change.low < incident.change.points < incident.change.high < 0


def test_a_drop_of_a_whole_country_is_reported_for_the_country_and_of_nothing_below_or_above() -> None:
    world = settled()

    assert steps_of(world.live(7, only("uk", BAD))) == [("uk", "opened", "nps_fell")]


@pytest.mark.unmeasured
def test_a_drop_everywhere_is_reported_for_the_root() -> None:
    world = settled()
    (incident,) = world.live(5, lambda _: BAD)

    assert incident.segment == ""
    assert incident.summary.startswith("NPS fell at the root segment: from +")


@pytest.mark.unmeasured
def test_a_desk_below_an_open_incident_is_reported_if_it_is_worse() -> None:
    world = settled()
    country = world.live(7, only("uk", (0.4, 0.25, 0.35)))
    found = world.live(14, lambda desk: (0, 0, 1.0) if desk == "uk/c/pay" else only("uk", (0.4, 0.25, 0.35))(desk))

    assert steps_of(country) == [("uk", "opened", "nps_fell")]
    assert ("uk/c/pay", "opened", "nps_fell") in steps_of(found)


@pytest.mark.unmeasured
def test_an_incident_is_resolved_when_the_answers_are_as_before_and_the_next_one_is_another() -> None:
    world = settled()
    (opened,) = at("fr/b/send", world.live(10, only("fr/b/send", BAD)))
    (resolved,) = at("fr/b/send", world.live(40))
    (again,) = at("fr/b/send", world.live(14, only("fr/b/send", BAD)))

    assert (resolved.segment, resolved.action, resolved.reason) == ("fr/b/send", "resolved", "recovered")
    assert resolved.severity == opened.severity
    assert resolved.alert_id == opened.alert_id != again.alert_id
    assert resolved.after is not None
    assert resolved.after.nps is not None
    assert resolved.after.nps > 0


@pytest.mark.unmeasured
def test_a_level_that_stays_becomes_the_new_one() -> None:
    world = settled()
    found = at("fr/b", world.live(75, only("fr/b", BAD)))

    assert steps_of(found)[:2] == [("fr/b", "opened", "nps_fell"), ("fr/b", "resolved", "new_level")]
    assert len(found) == 2


@pytest.mark.unmeasured
def test_after_an_incident_the_next_one_waits() -> None:
    world = World(policy=CALM.model_copy(update={"rest_hours": 8_760}))
    world.live(40)
    world.live(10, only("fr/b/send", BAD))
    world.live(40)

    assert at("fr/b/send", world.live(14, only("fr/b/send", BAD))) == []


@pytest.mark.unmeasured
def test_how_many_false_alarms_there_may_be_is_a_setting() -> None:
    found = [World(policy=IncidentPolicy(false_alarms_per_year=number)).live(40) for number in (400, 0.01)]

    assert len(found[0]) > len(found[1]) == 0


def test_a_shop_that_falls_silent_is_reported_once_and_so_are_its_answers() -> None:
    world = settled()
    last = world.hour
    (silent,) = world.live(5, only("uk/a", None))
    (again,) = world.live(1)

    assert ("uk/a", "opened", "silent") == (silent.segment, silent.action, silent.reason)
    assert silent.kind == "no_responses"
    assert silent.since.timestamp() / 3_600 < last
    assert silent.expected is not None
    assert silent.expected >= 12
    assert ("uk/a", "resolved", "answered_again") == (again.segment, again.action, again.reason)
    assert silent.alert_id == again.alert_id


def test_a_survey_that_falls_silent_with_everything_else_is_reported_for_as_the_root() -> None:
    world = settled()
    found = world.live(3, lambda _: None)

    assert steps_of(found) == [("", "opened", "silent")]


@pytest.mark.unmeasured
def test_a_segment_that_never_answers_again_is_forgotten() -> None:
    world = settled()
    found = world.live(95, only("uk/a", None))

    at_the_shop = [step for step in steps_of(found) if step[0] == "uk/a"]
    assert at_the_shop == [("uk/a", "opened", "silent"), ("uk/a", "resolved", "retired")]
    assert not [key for key in world.rows if key.startswith(b"uk/a")]


@pytest.mark.unmeasured
def test_promoters_that_appear_at_one_desk_alone_are_hinted_at_and_the_hint_is_taken_back() -> None:
    world = settled()
    world.live(12, only("fr/a/pay", (1.0, 0.0, 0.0)))
    flagged = world.flags()
    world.live(20)
    later = world.flags()

    assert {each.path for each in flagged} == {"fr/a/pay"}
    assert flagged[-1].jump is not None
    assert flagged[-1].jump.share_since > 0.9
    assert [each.jump for each in later if each.path == "fr/a/pay"][-1] is None
    partitions = {output.partition for output in world.outputs if output.topic == events.TALLIES}
    assert partitions == {spread(b"fr/a/pay")}


@pytest.mark.unmeasured
def test_without_every_partition_s_tick_nothing_is_judged() -> None:
    world = settled()
    late = [
        record
        for record in world.log
        if not (reported := hourly_report.decode(record.value or b"")).source
        or (reported.tick or 0) < (BEGAN + 30 * DAY) * HOUR
    ]
    other = World()
    other.carry(late)

    assert watching.Watches(other.rows).clock.judged < (BEGAN + 30 * DAY) * HOUR


@cache
def _fallen() -> World:
    world = World()
    world.live(30)
    world.live(6, only("fr/b", BAD))
    return world


@pytest.mark.unmeasured
@pytest.mark.parametrize("size", [1, 3, 7, 1_000_000])
def test_neither_cuts_nor_replays_change_what_is_reported(size: int) -> None:
    """A batch is cut anywhere. After a crash before its rows are durable it comes again, cut in another way."""
    world, again = _fallen(), World()
    for first in range(0, len(world.log), size):
        batch = world.log[first : first + size]
        kept, sent = dict(again.rows), len(again.outputs)
        again.carry(batch[: len(batch) // 2])
        crashed = again.outputs[sent:]
        again.rows, again.outputs = kept, again.outputs[:sent]
        again.carry(batch)
        assert crashed == again.outputs[sent : sent + len(crashed)]

    assert again.rows == world.rows
    assert [to_json(each.headers[1]) for each in again.outputs if each.headers] == [
        to_json(each.headers[1]) for each in world.outputs if each.headers
    ]


@pytest.mark.unmeasured
def test_a_judgement_in_many_slices_is_the_same_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """World.carry sees to it that no slice but the last causes anything, so that a crash between two leaves nothing."""
    world, again = _fallen(), World()
    monkeypatch.setattr(watching, "SLICE", 5)
    again.carry(world.log)

    assert again.rows == world.rows
    assert [output.value for output in again.outputs] == [output.value for output in world.outputs]
    assert again.slices > 10 * world.slices > 0


def test_no_slice_of_a_judgement_is_about_many_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is done once for each segment is done in slices: a slice reads and changes few rows at most."""
    looked: list[str] = []
    watch_of, slices = watching.Watches.get, list[int]()

    def get(watches: watching.Watches, path: str) -> Watch | None:
        looked.append(path)
        return watch_of(watches, path)

    monkeypatch.setattr(watching, "SLICE", 5)
    monkeypatch.setattr(watching.Watches, "get", get)
    world = settled()
    reported = hourly_report.outputs(HourlyReport(0, {}, (world.hour + 1) * HOUR))
    records = [Record(output.value, None, 0, timestamp=0) for output in reported]
    decided = watching.watch(records, world.rows, 1, spread, CALM)
    while decided.rest is not None:
        slices.append(len(looked))
        looked.clear()
        decided = decided.rest()

    assert len(slices) > 8 * len(DESKS) / 5
    assert max(slices) <= 5


def test_hours_that_come_twice_count_once() -> None:
    world = World()
    world.live(10)
    rows = dict(world.rows)
    world.carry(world.log[-20:])

    assert rows == world.rows


def test_an_event_says_what_its_contract_says() -> None:
    world = settled()
    world.live(14, only("fr/b/send", BAD))
    (output,) = [output for output in world.outputs if output.topic == events.ALERTS]
    body: Any = json.loads(output.value or b"")

    assert output.key == b"incident:fr/b/send"
    assert dict(output.headers)["ce_type"] == b"nps.incident.v1"
    assert body.keys() == Incident.model_fields.keys()
    assert Incident.model_validate_json(output.value or b"")


# What somebody else wrote there

STRAYS = [
    None,
    b"",
    b"hello",
    b"{}",
    msgspec.msgpack.encode([0]),
    msgspec.msgpack.encode([0, {"fr": b"x" * 31}]),
    msgspec.msgpack.encode([0, {"fr": array("q", (-1, 0, 0, 1)).tobytes()}]),
    msgspec.msgpack.encode([0, {"fr": array("q", (1, 0, 0, 2**40)).tobytes()}]),
    msgspec.msgpack.encode([0, {"\0clock": array("q", (1, 0, 0, 1)).tobytes()}]),
    msgspec.msgpack.encode([0, {}, -1]),
    msgspec.msgpack.encode([0, {}, 2**62]),
    msgspec.msgpack.encode([0, {}, 1, [2**40, 1]]),
    msgspec.msgpack.encode([0, {}, 1, [1, -1]]),
    msgspec.msgpack.encode([0, {}, 1, [1, 1, [2**40, "fr"]]]),
]


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_record_is_a_dead_letter_and_its_neighbours_are_taken_in(stray: bytes | None) -> None:
    message = HourlyReport(0, {"fr": array("q", (BEGAN, 1, 2, 3)).tobytes()}, 0)
    reported = [Record(output.value, None, 2 * n) for n, output in enumerate(hourly_report.outputs(message))]
    clean, disturbed = World(), World()
    clean.carry(reported)
    disturbed.carry([Record(stray, b"x", 1, topic="nps.hours"), *reported])
    (letter,) = of(events.DEAD_LETTERS, disturbed.outputs)

    assert (letter["reason"], letter["topic"], letter["offset"]) == ("wrong_type", "nps.hours", 1)
    assert disturbed.rows == clean.rows


_COLUMN = st.one_of(
    st.binary(max_size=70),
    st.lists(st.integers(-1, 2**33), max_size=12).map(lambda some: array("q", some).tobytes()),
    st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8).map(lambda some: array("q", some).tobytes()),
)
_TICK = st.one_of(st.none(), st.integers(-1, 2**62))
_LIKE_HOURS = st.tuples(
    st.integers(-1, 5),
    st.dictionaries(st.text(max_size=3), _COLUMN, max_size=3),
    _TICK,
    st.one_of(
        st.none(),
        st.tuples(st.integers(-1, 2**33), st.integers(-1, 2**33)),
        st.tuples(st.just(1), st.just(1), st.tuples(st.integers(-1, 2**62), st.text(max_size=3))),
    ),
)


@given(st.lists(st.one_of(st.binary(max_size=50), _LIKE_HOURS.map(msgspec.msgpack.encode)), max_size=3))
def test_nothing_that_can_lie_there_stops_the_watching(values: list[bytes]) -> None:
    world = World()
    for n, value in enumerate([*values, *values]):
        world.carry([Record(value, None, n, topic="nps.hours")])
