"""One judgement of a tree whose rows are made by hand."""

from array import array

import pytest
from flow.incidents.judged import Table

from schemas.alert import Severity
from schemas.incident import Incident
from worker.detect.drops import Detector
from worker.detect.watch import OpenIncident, Watch
from worker.flow.incidents.judging import Judge
from worker.flow.incidents.slices import Slices
from worker.flow.policy import IncidentPolicy
from worker.nps import columns
from worker.nps.windows import HOUR

NOW = 480_007
DAY = 24


def judge(watches: dict[str, Watch], policy: IncidentPolicy | None = None) -> list[tuple[str, str]]:
    """Judge a tree; return the segments and the reasons of the steps."""
    judged = Judge(Table(watches), NOW - 1, NOW, NOW * HOUR, lambda _: 0, policy or IncidentPolicy())
    for _ in judged.judge(Slices(1_000_000)):
        pass
    steps = [Incident.model_validate_json(output.value or b"", strict=False) for output in judged.outputs]
    return [(step.segment, step.reason) for step in steps]


def segment(n: int, r: float = 0.0) -> Watch:
    """Return the watch over a segment of n answers, of which the last third is lower by 40 points if there is an R."""
    lower = 0.2 * n / 3 if r else 0.0
    before = NOW - 60 * DAY, round(n / 3), round(0.2 * n), round(0.4 * n / 3)
    since = NOW - DAY, round(0.5 * n / 3 - lower), round(0.1 * n), round(0.2 * n / 3 + lower)
    promoters, passives, detractors = before[1:] if r else (before[1] + since[1], before[2] + since[2], 0.2 * n)
    detector = Detector(baseline=(promoters, passives, detractors), taken_until=NOW - 1)
    if r:
        detector.pending, detector.r_values = (since[1], since[2], since[3]), (r, r, r)
        detector.cusums, detector.possible_starts = (5.0, 5.0, 5.0), (since[0], since[0], since[0])
    recent = columns.write(array("I", (*before, *since)))
    return Watch(detector, NOW - 1, before[0], NOW - 1, recent=recent)


@pytest.mark.parametrize(("r", "found"), [(50_000.0, []), (150_000.0, [("shop-7", "nps_fell")])])
def test_false_alarms_are_shared_out_among_all_segments_that_can_raise_one(
    r: float, found: list[tuple[str, str]]
) -> None:
    """A small segment can, if the segment above it stands for what it does not know: 1,001 segments, 91,341 days."""
    watches = {f"shop-{number}": segment(90, r if number == 7 else 0.0) for number in range(1_000)}
    watches[""] = segment(90_000)
    watches[""].likeness = 500.0

    assert found == judge(watches)


def test_a_segment_that_can_raise_no_alarm_counts_for_none() -> None:
    """Without a likeness, the segment above stands for nothing, and 60 answers are too few."""
    watches = {f"shop-{number}": segment(90) for number in range(1_000)} | {"": segment(90_000, 150.0)}

    assert [""] == [path for path, _ in judge(watches)]


# When an incident is over.

FELL, BETTER = NOW - 40 * DAY, NOW - 8 * DAY
HIGH, LOW = (500, 300, 200), (350, 300, 350)


def course(*levels: tuple[int, tuple[int, int, int]]) -> Watch:
    """Return the watch over a segment; `levels`: the hours of some answers with these answers."""
    recent = columns.write(array("I", [number for hour, counts in levels for number in (hour, *counts)]))
    promoters, passives, detractors = levels[0][1]
    detector = Detector(baseline=(promoters, passives, detractors), taken_until=NOW - 1)
    return Watch(detector, NOW - 1, levels[0][0], NOW - 1, recent=recent)


def child(since: tuple[int, int, int], r: float) -> Watch:
    """Return a child that was low while the whole country was, and since then as it is given. Its alarm was covered."""
    watch = course((NOW - 80 * DAY, HIGH), (FELL, LOW), (BETTER + 1, since))
    watch.detector.r_values, watch.detector.cusums = (r, r, r), (40.0, 40.0, 40.0)
    watch.detector.possible_starts = (FELL, FELL, FELL)
    return watch


def country(children: dict[str, Watch]) -> dict[str, Watch]:
    """Return a tree with a country whose drop is open, and whose answers have been better for eight days."""
    columns_of = [columns.read(each.recent, "I").tolist() for each in children.values()]
    counts = [[sum(one[at + place] for one in columns_of) for place in (1, 2, 3)] for at in (0, 4, 8)]
    hours = (NOW - 80 * DAY, FELL, BETTER)
    watch = course(*((hour, (n[0], n[1], n[2])) for hour, n in zip(hours, counts, strict=True)))
    watch.detector.open_drop(watch.split(FELL)[1], FELL + 24)
    watch.detector.fall, watch.detector.recovery_r, watch.detector.recovering_since = 20.0, 10_000.0, BETTER
    watch.detector.cusums = (40.0, 0.0, 0.0)
    watch.drop = OpenIncident(FELL + 24, FELL, Severity.ERROR)
    root = course((NOW - 80 * DAY, (50_000, 30_000, 20_000)), (FELL, (50_000, 30_000, 20_000)))
    return {"": root, "fr": watch, **children}


def test_a_child_that_is_still_low_when_its_parent_has_recovered_gets_an_incident_of_its_own() -> None:
    children = {f"fr/{name}": child(HIGH, 1e12) for name in "abc"} | {"fr/d": child((140, 120, 140), 1e12)}
    watches = country(children)

    assert [("fr", "recovered"), ("fr/d", "nps_fell")] == judge(watches)
    assert watches["fr/d"].drop is not None
    assert BETTER <= watches["fr/d"].drop.since
    assert [watches[f"fr/{name}"].detector.r for name in "abc"] == [0, 0, 0]


@pytest.mark.parametrize(("hours", "is_over"), [(23, False), (24, True)])
def test_a_drop_is_over_no_sooner_than_a_day_after_answers_have_become_better(hours: int, *, is_over: bool) -> None:
    watch = course((NOW - 80 * DAY, HIGH), (FELL, LOW), (NOW - hours, HIGH))
    watch.detector.open_drop(watch.split(FELL)[1], FELL + 24)
    watch.detector.fall, watch.detector.recovery_r, watch.detector.recovering_since = 20.0, 10_000.0, NOW - hours
    watch.detector.cusums = (40.0, 0.0, 0.0)
    watch.drop = OpenIncident(FELL + 24, FELL, Severity.ERROR)

    assert ([("", "recovered")] if is_over else []) == judge({"": watch})


def test_if_that_is_not_sure_it_keeps_the_evidence_since_its_parent_is_better() -> None:
    children = {f"fr/{name}": child(HIGH, 1e12) for name in "abc"} | {"fr/d": child((37, 30, 33), 1e12)}
    watches = country(children)

    assert [("fr", "recovered")] == judge(watches)
    assert watches["fr/d"].detector.open_size is None
    assert [37, 30, 33] == list(watches["fr/d"].detector.pending)
    assert watches["fr/d"].detector.r > 0


@pytest.mark.parametrize(
    ("r", "steps"), [(1e12, [("fr", "recovered"), ("fr/d", "nps_fell")]), (1.0, [("fr", "recovered")])]
)
def test_if_a_child_had_surely_dropped_less_evidence_since_then_is_enough(
    r: float, steps: list[tuple[str, str]]
) -> None:
    children = {f"fr/{name}": child(HIGH, 1e12) for name in "abc"} | {"fr/d": child((42, 36, 42), r)}

    assert steps == judge(country(children))


@pytest.mark.parametrize(("since", "steps"), [((15, 9, 6), [("", "recovered")]), ((13, 9, 8), [])])
def test_without_a_sign_of_a_drop_it_is_over_unless_answers_are_lower_by_the_least_drop(
    since: tuple[int, int, int], steps: list[tuple[str, str]]
) -> None:
    watch = course((NOW - 80 * DAY, HIGH), (FELL, since))
    watch.detector.open_drop(watch.split(FELL)[1], FELL)
    watch.detector.fall = 20.0
    watch.drop = OpenIncident(FELL, FELL, Severity.CRITICAL)

    assert steps == judge({"": watch})


def test_a_segment_is_as_before_although_a_few_below_it_are_still_low() -> None:
    """The whole country is 5 points lower, which is as much as the least drop; without one child it is not."""
    steady = {f"fr/{name}": child((2_500, 1_500, 1_000), 1e12) for name in "abc"}
    watches = country(steady | {"fr/d": child((2_000, 1_500, 1_500), 1e12)})

    assert [("fr", "recovered"), ("fr/d", "nps_fell")] == judge(watches)
    everywhere = {f"fr/{name}": child((2_375, 1_500, 1_125), 1e12) for name in "abcd"}
    assert [] == judge(country(everywhere))


def test_a_segment_below_an_incident_that_has_moved_up_is_told_when_it_has_fallen_further() -> None:
    watches = {f"fr/{name}": child(LOW, 0.0) for name in "abc"} | {"fr/d": child((100, 200, 700), 0.0)}
    watches |= country(watches)
    watches["fr"].detector.recovery_r = watches["fr"].detector.recovering_since = 0
    detector = watches["fr/d"].detector
    detector.open_drop((350.0, 300.0, 350.0), FELL + 24)
    assert detector.further is not None
    detector.further.pending, detector.further.r_values = (100.0, 200.0, 700.0), (1e9, 1e9, 1e9)
    detector.further.cusums, detector.further.possible_starts = (9.0, 9.0, 9.0), (BETTER, BETTER, BETTER)

    assert [("fr/d", "nps_fell")] == judge(watches)


def test_an_incident_is_worse_when_its_segment_has_fallen_further() -> None:
    watches = country({f"fr/{name}": child((200, 200, 600), 0.0) for name in "abcd"})
    detector = watches["fr"].detector
    detector.recovery_r = detector.recovering_since = 0
    assert detector.further is not None
    detector.further.pending, detector.further.r_values = (800.0, 800.0, 2_400.0), (1e9, 1e9, 1e9)
    detector.further.cusums, detector.further.possible_starts = (9.0, 9.0, 9.0), (BETTER, BETTER, BETTER)

    assert [("fr", "worse")] == judge(watches)
    assert [800, 800, 2_400] == list(detector.pending)
    assert NOW == detector.open_since
    assert [] == judge(watches)
