"""The detector's figures: the same at each run, and a drop is found sooner than one that is not there."""

import numpy as np
import pytest

from bench.detector import causes, cusum, mix, recovery, weeks
from bench.detector.delays import LINES, Line, lengths
from schemas.incident import IncidentAction, IncidentReason

#: What takes seconds, not minutes.
QUICK = [line for line in LINES if line.segments == 1 and line.a_day < 500]


@pytest.mark.parametrize("line", QUICK, ids=lambda line: f"{line.a_day} a day, of {line.learned}")
def test_a_larger_drop_is_found_sooner(line: Line) -> None:
    medians = [lengths(line, points, 6)[3] for points in (30, 10)]

    assert medians[0] < medians[1]


def test_the_figures_are_the_same_at_each_run() -> None:
    line = QUICK[-1]

    assert lengths(line, 20, 4) == lengths(line, 20, 4)
    assert lengths(line, 20, 4) == sorted(lengths(line, 20, 4))


def test_both_statistics_of_a_path_grow_with_a_drop_only() -> None:
    chance = np.random.default_rng(1)
    alone, fallen = (cusum.path(cusum.LINES[1], points, 20, chance) for points in (0, 30))

    assert len(alone.worker) == len(alone.cusum) == 20 * 24 + 1
    assert fallen.worker[-1] > 1_000 > alone.worker[-1]
    assert fallen.cusum[-1] > 20 > alone.cusum[-1]


def test_a_delay_is_the_time_until_a_path_exceeds_what_few_runs_without_a_drop_exceed() -> None:
    alone = [float(n) for n in range(101)]

    assert list(cusum.delays(alone, [[0.0] * 24 + [96.0] * 24])) == [1.0]


def test_a_course_of_the_level_is_told_when_its_incident_begins() -> None:
    found = recovery.live(500, lambda day: -30.0 * (day >= 40), 44, 1)

    assert recovery.after(found, 40, IncidentReason.RECOVERED) is None
    told = recovery.after(found, 40, IncidentReason.NPS_FELL)
    assert told is not None
    assert 0 < told <= 4


def test_a_rise_for_a_month_and_back_is_no_drop_and_a_second_drop_is_one() -> None:
    back = recovery.live(500, recovery.risen, 150, 3)
    twice = recovery.live(500, recovery.again, 150, 3)

    assert [each.step.reason for each in back] == []
    assert [each.step.reason for each in twice] == ["nps_fell", "recovered", "nps_fell"]


def test_a_slow_fall_is_told_early_and_never_called_over_before_it_settles() -> None:
    found = recovery.live(5_000, recovery.slowly, 190, 3)

    told = [each.step.reason for each in found if each.step.action != IncidentAction.UPDATED]
    assert told[:2] == ["nps_fell", "new_level"]
    assert "recovered" not in told
    assert 60 < found[0].hour / 24 < 80


def test_a_tree_of_like_days_and_one_with_a_weekly_cycle_have_the_answers_of_their_laws() -> None:
    by_name = {line.name: line for line in weeks.LINES}
    rate, shares = weeks.law(by_name["week_tree"], 1)("a/e", 5 * 24)

    assert pytest.approx(5_000 / 24 / 16) == rate
    assert pytest.approx(25) == 100 * (shares[0] - shares[2])
    same = [weeks.law(by_name["days_3_tree"], 7)(leaf, hour) for leaf in ("a/e", "b/f") for hour in (48, 71)]
    assert len(set(same)) == 1


def test_a_fall_of_everything_is_one_incident_about_the_root() -> None:
    (counted,) = causes.run(1, causes.CAUSES[:1], days=2, learning=40)

    assert (1, True) == (counted.opened, counted.is_right)


def test_causes_that_share_a_learned_tree_find_what_each_finds_alone() -> None:
    shared = [causes.CAUSES[at] for at in (4, 6)]
    together = causes.run(1, shared, days=4, learning=20)

    assert together == [causes.run(1, [cause], days=4, learning=20)[0] for cause in shared]
    assert together[0].opened


def test_a_fall_that_only_the_mix_makes_is_told_as_such() -> None:
    assert mix.first_reason(1, 200, days=6, learning=30) == "all: mix_changed"
