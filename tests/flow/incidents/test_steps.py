"""What the steps of incidents say: whether a drop got worse, which children fell, and where an incident goes on."""

import pytest
from flow.incidents.judged import GOOD, LOW, LOWER, MOVED, NOW, Classes, Table, opened, watch

from schemas.alert import Severity
from schemas.incident import Incident
from worker.detect.watch import OpenIncident


@pytest.mark.parametrize(
    ("periods", "further", "words"),
    [
        ([(50, GOOD), (3, LOW), (9, LOWER)], True, "NPS fell further"),
        ([(50, GOOD), (12, LOWER)], False, "Further answers show how far NPS fell"),
    ],
)
def test_a_drop_becomes_worse_since_the_nps_fell_further_or_since_its_size_is_known_better(
    periods: list[tuple[int, Classes]], words: str, *, further: bool
) -> None:
    root = watch(*periods, drop=opened())
    assert root.detector.further is not None
    if further:
        root.detector.further.pending, root.detector.further.r_values = root.split(NOW - 9 * 24)[1], (1e9, 1e9, 1e9)
        root.detector.further.baseline = (36.0, 27.0, 27.0)
        root.detector.further.cusums, root.detector.further.possible_starts = (9.0, 9.0, 9.0), (NOW - 9 * 24,) * 3
    (step,) = Table({"": root}).judge()

    assert (step.action, step.reason, step.severity) == ("updated", "worse", Severity.CRITICAL)
    assert step.fell_further is further
    assert (step.further is not None, step.further_since is not None) == (further, further)
    assert step.summary.startswith(f"{words} at the root segment: from +30 to ")


def test_lower_answers_alone_are_no_further_fall() -> None:
    """Only the detector of further falls knows how often one looks for them."""
    (step,) = Table({"": watch((50, GOOD), (2, LOW), (10, LOWER), drop=opened())}).judge()

    assert (step.reason, step.fell_further) == ("worse", False)


def test_an_incident_about_a_fall_that_the_mix_explains_is_a_warning_from_the_next_look_on() -> None:
    drop = opened(severity=Severity.CRITICAL)
    watches = {path: watch(*periods, drop=None if path else drop) for path, periods in MOVED.items()}
    table = Table(watches)
    (step,) = table.judge()

    assert (step.action, step.reason, step.severity) == ("updated", "mix_changed", Severity.WARNING)
    assert step.moved is not None
    assert step.moved.segment == "uk"
    assert [] == table.judge()


def test_of_a_changed_mix_the_children_that_fell_are_named_although_others_rose() -> None:
    tree = {path: list(periods) for path, periods in MOVED.items()}
    tree["it"] = [(50, (5, 3, 2)), (12, (2, 3, 5))]
    tree["es"] = [(50, (2, 3, 5)), (12, (5, 3, 2))]
    tree[""] = [(50, (52, 14, 19)), (12, (33, 13, 34))]
    (step,) = Table({path: watch(*periods, alarm=not path) for path, periods in tree.items()}).judge()

    assert (step.segment, step.reason) == ("", "mix_changed")
    assert step.fallen_below == ["it"]
    assert "; it fell as well, but uk gets 50% of the answers" in step.summary


def test_of_a_changed_mix_in_which_no_child_fell_none_is_named() -> None:
    (step,) = Table({path: watch(*periods, alarm=not path) for path, periods in MOVED.items()}).judge()

    assert (step.segment, step.reason, step.fallen_below) == ("", "mix_changed", [])
    assert "; no segment below it clearly fell by three points or more, but uk gets " in step.summary


def test_an_incident_that_has_become_part_of_another_one_names_it() -> None:
    """Each of two desks has an incident, but all desks of the country fell by as much."""
    older, younger = opened(days=11), opened(days=9, severity=Severity.ERROR)
    desks = {f"fr/{name}": watch((50, GOOD), (12, LOW)) for name in "cdef"}
    desks |= {"fr/a": watch((50, GOOD), (12, LOW), drop=younger), "fr/b": watch((50, GOOD), (12, LOW), drop=older)}
    six = [(50, (90, 54, 36)), (12, (72, 54, 54))]
    country = watch(*six)
    end, wider = Table({"": watch(*six), "fr": country, **desks}).judge()

    assert (end.segment, end.action, end.reason) == ("fr/a", "resolved", "merged")
    assert (wider.action, wider.reason, wider.first_segment) == ("updated", "wider", "fr/b")
    assert end.merged_into is not None
    assert (end.merged_into.alert_id, end.merged_into.segment) == (wider.alert_id, wider.segment)
    assert end.summary.endswith(f"; the other incident is at {wider.segment or 'the root segment'}")
    assert wider.merged_segments == ["fr/a"]
    assert wider.severity is Severity.ERROR
    assert wider.merged_into is None


def test_an_incident_that_has_just_become_part_of_another_one_is_not_looked_at_again() -> None:
    """Both are more severe by now than they were. Only the one that goes on may say so."""
    desks = {f"fr/{name}": watch((50, GOOD), (12, LOWER)) for name in "cdef"}
    desks |= {f"fr/{name}": watch((50, GOOD), (12, LOWER), drop=opened(days)) for name, days in (("a", 9), ("b", 11))}
    six = [(50, (90, 54, 36)), (12, (24, 36, 120))]
    table = Table({"": watch(*six), "fr": watch(*six), **desks})

    assert sorted(step.reason for step in table.judge()) == ["merged", "wider"]
    assert len([path for path, found in table.watches.items() if found.drop is not None]) == 1


def test_the_level_before_a_drop_that_is_older_than_the_answers_kept_is_the_baseline() -> None:
    old = OpenIncident(NOW - 121 * 24, NOW - 123 * 24, Severity.ERROR)
    root = watch((90, LOW), drop=old)
    root.detector.baseline, root.detector.open_since = (1_500.4, 900.0, 600.0), old.hour
    (step,) = Table({"": root}).judge()

    assert step.reason == "new_level"
    assert step.before is not None
    assert (step.before.nps, step.before.n) == (30, 3_000)
    assert "from +30 to +10" in step.summary


def test_the_change_to_a_new_level_is_the_difference_although_the_drop_began_more_than_60_days_ago() -> None:
    old = OpenIncident(NOW - 61 * 24, NOW - 75 * 24, Severity.ERROR)
    root = watch((15, GOOD), (75, LOWER), drop=old)
    root.detector.baseline, root.detector.open_since = (1_500.0, 900.0, 600.0), old.hour
    (step,) = Table({"": root}).judge()

    assert step.reason == "new_level"
    assert step.change is not None
    assert step.change.points == pytest.approx(-83.3, abs=0.1)
    assert step.change.low < -83.3 < step.change.high < -75


@pytest.mark.parametrize(("heard_until", "reported"), [(NOW, ["silent"]), (NOW + 1, [])])
def test_a_segment_that_has_answered_again_is_not_reported_as_silent_at_once(
    monkeypatch: pytest.MonkeyPatch, heard_until: int, reported: list[str]
) -> None:
    monkeypatch.setattr("worker.flow.incidents.judging.is_silent", lambda *_: True)
    root = watch((60, GOOD))
    root.heard_until = heard_until

    steps = [Incident.model_validate_json(output.value or b"") for output in Table({"": root}).outputs()]
    assert reported == [step.reason for step in steps]


def test_the_rest_after_a_silence_begins_when_answers_come_again() -> None:
    root = watch((60, GOOD))
    root.silence = OpenIncident(NOW - 90, NOW - 100, Severity.ERROR)

    steps = [Incident.model_validate_json(output.value or b"") for output in Table({"": root}).outputs()]
    assert ["answered_again"] == [step.reason for step in steps]
    assert NOW + 24 == root.heard_until
