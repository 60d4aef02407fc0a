"""Incidents that have moved while they were open: what a rebuild makes of the steps that were published."""

from collections.abc import Callable

import msgspec
import pytest
from flow.incidents import judged
from flow.incidents.judged import GOOD, LOW, NOW, Table, opened, watch
from flow.records import HOUR

from schemas.alert import Severity
from schemas.incident import Incident, IncidentReason
from worker.detect.split import Split
from worker.detect.watch import OpenIncident, Watch
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.flow.policy import IncidentPolicy
from worker.rebuild.incidents import Incidents
from worker.rebuild.records import as_record

#: The hour in which the first incident is opened.
OPENED = 480_000
FELL, WIDER, DEEPER = IncidentReason.NPS_FELL, IncidentReason.WIDER, IncidentReason.DEEPER
WORSE = IncidentReason.WORSE
PARTLY, MERGED, RECOVERED = IncidentReason.PARTLY_RECOVERED, IncidentReason.MERGED, IncidentReason.RECOVERED
PATHS = ("", "fr", "fr/a", "fr/b", "uk")
FIRST = OpenIncident(OPENED, OPENED - 10, Severity.ERROR)
#: The same one, which is about the segment above by now.
MOVED = msgspec.structs.replace(FIRST, first_segment="fr/a", updated=OPENED + 30)
#: A second one about the segment that the first one was about at first.
SECOND = OpenIncident(OPENED + 50, OPENED + 45, Severity.CRITICAL)
A_QUARTER = 90 * 24
NONE = Split((0, 0, 0), (0, 0, 0))


def step(path: str, drop: OpenIncident, reason: IncidentReason, hour: int) -> Output:
    return incident.drop(incident.Step(path, drop, reason, hour * HOUR + 5), NONE)


def fallen_watch() -> Watch:
    found = Watch(reported_until=OPENED, first_hour=OPENED - 500, last_hour=OPENED)
    found.detector.open_drop((1, 1, 8))
    return found


class Rebuild:
    """Watches that are made again."""

    def __init__(self, *steps: Output) -> None:
        self._incidents = Incidents()
        self._incidents.take([as_record(one) for one in steps])
        self._rows = {path.encode(): msgspec.msgpack.encode(Watch(last_hour=OPENED)) for path in PATHS}

    def put(self, path: str, watch: Watch) -> None:
        self._rows[path.encode()] = msgspec.msgpack.encode(watch)

    def settle(self, hour: int = OPENED + 10_000) -> None:
        self._incidents.settle(self._rows, hour * HOUR + 10, IncidentPolicy())

    def watch(self, path: str) -> Watch:
        return msgspec.msgpack.decode(self._rows[path.encode()], type=Watch)

    def open(self) -> dict[str, OpenIncident]:
        return {path: drop for path in PATHS if (drop := self.watch(path).drop) is not None}


def test_it_is_open_where_its_last_step_says_under_the_id_of_its_opening() -> None:
    last = step("fr", MOVED, WIDER, OPENED + 30)
    rebuild = Rebuild(step("fr/a", FIRST, FELL, OPENED), last)
    rebuild.settle()

    assert rebuild.open() == {"fr": MOVED}
    end = step("fr", rebuild.open()["fr"], RECOVERED, OPENED + 60)
    assert last.key == end.key == b"incident:fr/a"
    steps = [Incident.model_validate_json(one.value or b"") for one in (last, end)]
    assert steps[0].alert_id == steps[1].alert_id


def test_the_segment_that_it_was_about_is_still_taken_for_fallen_as_the_worker_takes_it() -> None:
    rebuild = Rebuild(step("fr/a", FIRST, FELL, OPENED), step("fr", MOVED, WIDER, OPENED + 30))
    rebuild.put("fr/a", fallen_watch())
    rebuild.settle(OPENED)
    assert rebuild.open() == {"fr/a": FIRST}
    before = rebuild.watch("fr/a").detector
    rebuild.settle()

    assert rebuild.watch("fr/a").detector == before
    assert rebuild.watch("fr").detector.open_size is not None


def test_siblings_that_have_joined_it_are_part_of_it_and_its_end_is_theirs() -> None:
    joined = msgspec.structs.replace(FIRST, also=["fr/b"], updated=OPENED + 30)
    steps = [step("fr/a", FIRST, FELL, OPENED), step("fr/a", joined, WIDER, OPENED + 30)]
    rebuild = Rebuild(*steps, step("fr/a", joined, RECOVERED, OPENED + 60))
    rebuild.settle(OPENED + 59)
    assert rebuild.open() == {"fr/a": joined}
    assert rebuild.watch("fr/b").detector.open_size is not None

    rebuild.settle()
    assert rebuild.open() == {}
    assert rebuild.watch("fr/b").detector.open_size is None
    assert rebuild.watch("fr/b").low_until == OPENED + 60


def test_the_first_one_of_its_segments_may_recover_before_the_others() -> None:
    joined = msgspec.structs.replace(FIRST, also=["fr/b"], updated=OPENED + 30)
    left = msgspec.structs.replace(FIRST, first_segment="fr/a", updated=OPENED + 60)
    steps = [step("fr/a", FIRST, FELL, OPENED), step("fr/a", joined, WIDER, OPENED + 30)]
    rebuild = Rebuild(*steps, step("fr/b", left, PARTLY, OPENED + 60))
    rebuild.settle()

    assert rebuild.open() == {"fr/b": left}


def test_one_that_has_become_part_of_another_one_is_over_and_its_drop_goes_on() -> None:
    younger = OpenIncident(OPENED + 3, OPENED - 9, Severity.WARNING)
    steps = [step("fr/a", FIRST, FELL, OPENED), step("fr/b", younger, FELL, OPENED + 3)]
    ends = [step("fr/b", younger, MERGED, OPENED + 30), step("fr", MOVED, WIDER, OPENED + 30)]
    rebuild = Rebuild(*steps, *ends)
    rebuild.settle(OPENED + 29)
    assert rebuild.open() == {"fr/a": FIRST, "fr/b": younger}
    rebuild.settle()

    assert rebuild.open() == {"fr": MOVED}
    assert rebuild.watch("fr/b").detector.open_size is not None
    assert rebuild.watch("fr/b").rests_until == 0


@pytest.mark.parametrize("first", [True, False])
def test_of_two_incidents_with_one_key_each_step_is_about_its_own(*, first: bool) -> None:
    steps = [
        step("fr/a", FIRST, FELL, OPENED),
        step("fr", MOVED, WIDER, OPENED + 30),
        step("fr/a", SECOND, FELL, OPENED + 50),
    ]
    assert {one.key for one in steps} == {b"incident:fr/a"}
    end, left = (("fr", MOVED), ("fr/a", SECOND)) if first else (("fr/a", SECOND), ("fr", MOVED))
    rebuild = Rebuild(*steps, step(*end, RECOVERED, OPENED + 60), step(*left, RECOVERED, OPENED + 70))
    rebuild.settle(OPENED + 59)
    assert rebuild.open() == {"fr": MOVED, "fr/a": SECOND}
    rebuild.settle(OPENED + 69)
    assert rebuild.open() == dict([left])
    rebuild.settle()
    assert rebuild.open() == {}


def test_an_end_after_a_quarter_ends_it() -> None:
    rebuild = Rebuild(step("fr/a", FIRST, FELL, OPENED), step("fr/a", FIRST, RECOVERED, OPENED + A_QUARTER))
    rebuild.settle()

    assert rebuild.open() == {}


def test_an_update_after_a_quarter_is_one_of_the_same_incident() -> None:
    moved = msgspec.structs.replace(MOVED, updated=OPENED + A_QUARTER)
    rebuild = Rebuild(step("fr/a", FIRST, FELL, OPENED), step("fr", moved, WIDER, OPENED + A_QUARTER))
    rebuild.settle()

    assert rebuild.open() == {"fr": moved}


def test_an_update_whose_opening_is_not_on_the_topic_any_more_opens_nothing() -> None:
    rebuild = Rebuild(step("fr", MOVED, WIDER, OPENED + 30))
    rebuild.settle()

    assert rebuild.open() == {}


def test_a_move_that_only_the_rebuild_has_found_is_undone() -> None:
    rebuild = Rebuild(step("fr/a", FIRST, FELL, OPENED))
    fallen = fallen_watch()
    fallen.drop = msgspec.structs.replace(MOVED, first_segment="fr/a")
    rebuild.put("fr", fallen)
    rebuild.settle()

    assert rebuild.open() == {"fr/a": FIRST}
    assert rebuild.watch("fr").detector.open_size is None


def test_a_change_of_the_mix_stays_one_if_it_is_wider_or_worse_but_not_if_it_moves() -> None:
    mix = msgspec.structs.replace(FIRST, is_mix=True)
    opened = step("fr/a", mix, IncidentReason.MIX_CHANGED, OPENED)
    joined = msgspec.structs.replace(mix, also=["fr/b"], updated=OPENED + 30)
    courses = [("fr/a", joined, WIDER), ("fr/a", joined, WORSE), ("fr", MOVED, WIDER), ("fr/a", MOVED, DEEPER)]
    for path, drop, reason in courses:
        rebuild = Rebuild(opened, step(path, drop, reason, OPENED + 30))
        rebuild.settle()

        assert rebuild.open()[path].is_mix is (drop is joined)


def test_segments_that_have_left_an_incident_in_silence_begin_again_with_its_next_step() -> None:
    joined = msgspec.structs.replace(FIRST, also=["fr/b"], updated=OPENED + 30)
    worse = msgspec.structs.replace(FIRST, severity=Severity.CRITICAL, updated=OPENED + 60)
    steps = [step("fr/a", FIRST, FELL, OPENED), step("fr/a", joined, WIDER, OPENED + 30)]
    rebuild = Rebuild(*steps, step("fr/a", worse, IncidentReason.WORSE, OPENED + 60))
    rebuild.settle(OPENED + 59)
    assert rebuild.watch("fr/b").detector.open_size is not None
    rebuild.settle()

    left = rebuild.watch("fr/b")
    assert (left.detector.open_size, left.low_until, left.rests_until) == (None, OPENED + 60, 0)
    assert rebuild.open() == {"fr/a": worse}


def test_segments_have_left_in_silence_too_if_another_one_has_fallen_further() -> None:
    joined = msgspec.structs.replace(FIRST, also=["fr/b", "uk"], updated=OPENED + 30)
    worse = msgspec.structs.replace(FIRST, first_segment="fr/a", also=["fr/a"], updated=OPENED + 60)
    steps = [step("fr/a", FIRST, FELL, OPENED), step("fr/a", joined, WIDER, OPENED + 30)]
    rebuild = Rebuild(*steps, step("fr/b", worse, WORSE, OPENED + 60))
    rebuild.settle()

    assert rebuild.open() == {"fr/b": worse}
    assert [rebuild.watch(path).detector.open_size is None for path in ("fr/a", "fr/b", "uk")] == [False, False, True]


def test_what_was_opened_and_merged_before_the_rebuild_looks_is_low_until_the_other_one_ends() -> None:
    younger = OpenIncident(OPENED + 3, OPENED - 9, Severity.WARNING)
    steps = [step("fr/a", FIRST, FELL, OPENED), step("fr/b", younger, FELL, OPENED + 3)]
    moved = msgspec.structs.replace(MOVED, merged=["fr/b"])
    steps += [step("fr/b", younger, MERGED, OPENED + 30), step("fr", moved, WIDER, OPENED + 30)]
    rebuild = Rebuild(*steps, step("fr", moved, RECOVERED, OPENED + 90))
    rebuild.settle(OPENED + 60)
    assert rebuild.open() == {"fr": moved}
    assert rebuild.watch("fr/b").detector.open_size is not None

    rebuild.settle()
    assert {path: rebuild.watch(path).detector.open_size for path in PATHS} == dict.fromkeys(PATHS)
    assert rebuild.watch("fr/b").low_until == OPENED + 90


@pytest.mark.parametrize(("found", "fallen"), [(True, True), (None, True), (False, False)])
def test_only_a_step_that_says_so_lets_a_drop_fall_further(*, found: bool | None, fallen: bool) -> None:
    """If only the size is known better, there was no further fall. Older versions did not say which one it was."""
    drop = opened()
    worse = msgspec.structs.replace(drop, updated=NOW)
    said = incident.Findings(further=incident.FurtherFall(judged.FURTHER, judged.LOWER) if found else None)
    last = incident.drop(incident.Step("", worse, WORSE, NOW * HOUR + 5), NONE, said)
    if found is None:
        last = msgspec.structs.replace(
            last, value=(last.value or b"").replace(b'"fell_further":false', b'"fell_further":null')
        )
        assert b'"fell_further":null' in (last.value or b"")
    rebuild = Rebuild(step("", drop, FELL, drop.hour), last)
    rebuild.put("", judged.further(watch(*judged.FURTHER_FALLEN, drop=drop)))
    rebuild.settle(NOW)

    assert rebuild.watch("").detector.open_since == (NOW if fallen else drop.hour)


# The same as the judge


#: For how many days the answers of a recovering segment have been better.
SINCE_BETTER = 2


def recovering(found: Watch) -> Watch:
    found.detector.recovery_r, found.detector.recovery_cusum, found.detector.fall = 1e9, 9.0, 20.0
    found.detector.recovering_since = NOW - SINCE_BETTER * 24
    return found


def settled(found: Watch) -> Watch:
    found.detector.open_since = NOW - 61 * 24
    return found


def alarmed(found: Watch) -> Watch:
    """Let a segment below an incident have an alarm that is not reported."""
    found.detector.r_values, found.detector.cusums = (1e9, 1e9, 1e9), (9.0, 9.0, 9.0)
    found.detector.possible_starts = (NOW - judged.BEGAN * 24,) * 3
    return found


FALLEN = (50, GOOD), (12, LOW)
BACK = (50, GOOD), (12 - SINCE_BETTER, LOW), (SINCE_BETTER, (300, 180, 120))
SIX = (50, (90, 54, 36)), (12, (72, 54, 54))
WITH_B = msgspec.structs.replace(opened(), also=["fr/b"])
#: Trees in which something happens to incidents, by what happens.
COURSES: dict[str, Callable[[], dict[str, Watch]]] = {
    "nps_fell": lambda: {"": watch(*FALLEN, alarm=True)},
    "mix_changed": lambda: {path: watch(*periods, alarm=not path) for path, periods in judged.MOVED.items()},
    "nps_fell, beside a changed mix": lambda: {
        # Of "x" only the mix changed; "y" fell. They are told as one incident.
        "": watch((50, (288, 33, 37)), (12, (221, 32, 105))),
        **{path: watch((62, (60, 6, 6))) for path in "abc"},
        **{f"x/{path}" if path else "x": watch(*each, alarm=not path) for path, each in judged.MOVED.items()},
        "y": watch((50, (60, 6, 6)), (12, (10, 6, 56)), alarm=True),
    },
    "worse": lambda: {"": watch((50, GOOD), (12, judged.LOWER), drop=opened())},
    "worse, another segment": lambda: judged.second_further().watches,
    "worse, a changed mix": lambda: judged.one_further(msgspec.structs.replace(opened(), is_mix=True)).watches,
    "recovered": lambda: {
        "": watch((62, GOOD)),
        "fr": recovering(watch(*BACK, drop=msgspec.structs.replace(opened(), explains=[""]))),
        # One below it is still low. Another one is not, although all that it has had since the drop began is low.
        "fr/a": alarmed(watch(*FALLEN)),
        "fr/b": alarmed(watch((50, GOOD), (12 - SINCE_BETTER, LOW), (SINCE_BETTER, GOOD))),
    },
    "new_level": lambda: {
        "": watch((62, GOOD)),
        "fr": settled(watch(*FALLEN, drop=opened())),
        "fr/a": alarmed(watch(*FALLEN)),
    },
    "partly_recovered": lambda: {
        **{path: watch((62, GOOD)) for path in ("", "fr")},
        "fr/a": recovering(watch(*BACK, drop=WITH_B)),
        "fr/b": watch(*FALLEN, low=opened()),
    },
    "merged": lambda: {
        "": watch(*SIX),
        "fr": watch(*SIX),
        "fr/a": watch(*FALLEN, drop=opened(9, Severity.ERROR)),
        "fr/b": watch(*FALLEN, drop=opened(11)),
        **{f"fr/{name}": watch(*FALLEN) for name in "cdef"},
    },
    "deeper": lambda: {
        "": watch((50, (60, 36, 24)), (12, (49, 33, 38)), drop=opened()),
        **{path: watch((62, GOOD)) for path in ("de", "fr", "it")},
        "uk": watch((50, GOOD), (12, judged.LOWER)),
    },
}


def opening(drop: OpenIncident) -> IncidentReason:
    return IncidentReason.MIX_CHANGED if drop.is_mix else FELL


@pytest.mark.parametrize("is_judged", [False, True])
@pytest.mark.parametrize("reason", COURSES)
def test_a_rebuild_makes_of_each_step_what_the_judge_has_made_of_it(reason: str, *, is_judged: bool) -> None:
    """`is_judged`: the rebuild's own judgement has found the same before the steps are applied."""
    before = COURSES[reason]()
    table = Table(COURSES[reason]())
    openings = [
        incident.drop(incident.Step(path, one.drop, opening(one.drop), one.drop.hour * HOUR + 5), NONE)
        for path, one in before.items()
        if one.drop is not None
    ]
    steps = table.outputs()
    told = [Incident.model_validate_json(one.value or b"") for one in steps]
    assert reason.partition(",")[0] in [one.reason for one in told]

    rows = {path.encode(): msgspec.msgpack.encode(one) for path, one in before.items()}
    rebuilt = Incidents()
    rebuilt.take([as_record(one) for one in [*openings, *steps]])
    if is_judged:
        rebuilt.settle(rows, NOW * HOUR, IncidentPolicy())
        rows = {path.encode(): msgspec.msgpack.encode(one) for path, one in table.watches.items()}
    rebuilt.settle(rows, NOW * HOUR + 10, IncidentPolicy())

    for path, judged_watch in table.watches.items():
        # Integers become floats on the wire.
        own = msgspec.msgpack.decode(msgspec.msgpack.encode(judged_watch), type=Watch)
        found = msgspec.msgpack.decode(rows[path.encode()], type=Watch)
        # What the judge notes otherwise is no matter of incidents.
        assert found.detector == own.detector, path
        assert found.drop == own.drop, path
        assert (found.rests_until, found.low_since, found.low_until) == (own.rests_until, own.low_since, own.low_until)
