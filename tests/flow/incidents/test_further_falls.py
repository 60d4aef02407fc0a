"""Further falls of segments with an open incident, judged on rows that are made by hand."""

import pytest
from flow.incidents.judged import (
    FURTHER,
    FURTHER_FALLEN,
    GOOD,
    LOW,
    LOWER,
    NOW,
    WITH_B,
    Table,
    further,
    one_further,
    opened,
    second_further,
    watch,
)
from msgspec.structs import replace

from schemas.alert import Severity
from worker.detect.watch import OpenIncident
from worker.flow.timestamps import HOUR, from_ms

DAY = 24


def test_the_segment_that_has_fallen_further_is_the_first_one_from_then_on() -> None:
    table = second_further()
    (step,) = table.judge()

    assert (step.segment, step.reason, step.fell_further) == ("fr/b", "worse", True)
    assert (step.also, step.first_segment) == (["fr/a"], "fr/a")
    assert step.summary.startswith("NPS fell further at fr/b: from +30 to ")
    assert step.summary.endswith("; to -53 since the further fall")
    assert step.severity is Severity.CRITICAL
    assert table.watches["fr/a"].drop is None
    assert table.watches["fr/b"].detector.open_since == NOW
    assert table.judge() == []


def test_a_further_fall_is_told_with_the_answers_since_it_began_and_not_only_those_since_the_first_fall() -> None:
    """Answers since the first fall may be better than they were when that was told, although the NPS fell further."""
    (step,) = second_further().judge()

    assert step.further_since == from_ms(FURTHER * HOUR)
    assert step.further is not None
    assert step.after is not None
    assert step.further.n == 150
    assert step.further.nps == pytest.approx(-53.3, abs=0.1)
    assert step.after.n == 360


def test_if_two_have_fallen_further_the_next_update_says_the_second_one() -> None:
    table = second_further()
    table.watches["fr/a"] = further(watch(*FURTHER_FALLEN, drop=WITH_B))
    (step,) = table.judge()
    assert (step.segment, step.reason) == ("fr/a", "worse")
    (drop,) = (one.drop for one in table.watches.values() if one.drop is not None)
    table.watches["fr/a"].drop = replace(drop, updated=NOW - DAY)
    (step,) = table.judge()

    assert (step.segment, step.also, step.reason) == ("fr/b", ["fr/a"], "worse")


@pytest.mark.parametrize(("hours", "steps"), [(23, 0), (24, 1)])
def test_it_is_said_no_earlier_than_a_day_after_the_last_update(hours: int, steps: int) -> None:
    table = one_further(replace(opened(severity=Severity.CRITICAL), updated=NOW - hours))
    found = table.judge()

    assert len(found) == steps
    assert (table.watches[""].detector.open_since == NOW) is bool(steps)


def test_in_the_hour_in_which_it_is_opened_a_further_fall_is_no_step_of_its_own() -> None:
    table = one_further(OpenIncident(NOW, NOW - 12 * DAY, Severity.CRITICAL))

    assert table.judge() == []
    assert table.watches[""].drop == OpenIncident(NOW, NOW - 12 * DAY, Severity.CRITICAL)


@pytest.mark.parametrize(("is_mix", "severity"), [(False, Severity.CRITICAL), (True, Severity.WARNING)])
def test_it_is_as_severe_as_the_drop_is_now_and_a_changed_mix_stays_a_warning(
    severity: Severity, *, is_mix: bool
) -> None:
    (step,) = one_further(replace(opened(), is_mix=is_mix)).judge()

    assert (step.reason, step.severity) == ("worse", severity)


# The level that counts after 60 days


def lasting(fell_further: int) -> Table:
    """Return a tree in which two segments are low for 61 days; the second one fell further some days ago."""
    drop = OpenIncident(NOW - 61 * DAY, NOW - 61 * DAY, Severity.CRITICAL, also=["fr/b"])
    others = {path: watch((90, GOOD)) for path in ("", "fr")}
    a = watch((29, GOOD), (61, LOW), drop=drop)
    b = watch((29, GOOD), (61 - fell_further, LOW), (fell_further, LOWER), low=drop)
    b.detector.fall_further(b.split(NOW - fell_further * DAY)[1], NOW - fell_further * DAY)
    for one in (a, b):
        one.detector.baseline = (15.0 * 29, 9.0 * 29, 6.0 * 29)
    return Table({**others, "fr/a": a, "fr/b": b})


def test_no_level_is_new_while_another_segment_of_the_incident_has_just_fallen_further() -> None:
    table = lasting(5)
    assert table.judge() == []
    assert table.watches["fr/a"].drop is not None

    table = lasting(60)
    (step,) = table.judge()
    assert (step.segment, step.reason, step.also) == ("fr/a", "new_level", ["fr/b"])
    promoters, passives, detractors = table.watches["fr/b"].detector.baseline
    assert [round(30 * each / (promoters + passives + detractors)) for each in (promoters, passives, detractors)] == [
        *LOWER
    ]


def test_a_second_segment_does_not_leave_before_the_first_one_has_settled() -> None:
    table = lasting(60)
    table.watches["fr/a"].detector.open_since = NOW - 5 * DAY

    assert table.judge() == []
    assert table.watches["fr/b"].detector.open_size is not None
    left = table.watches["fr/a"].drop
    assert left is not None
    assert left.also == ["fr/b"]


def test_a_segment_of_an_open_incident_is_watched_on_although_it_has_no_answers() -> None:
    table = second_further()
    table.watches["fr/b"].last_hour = NOW - 91 * DAY
    drop = table.watches["fr/a"].drop
    assert drop is not None
    table.watches["fr/a"].drop = replace(drop, updated=NOW)

    assert table.judge() == []
