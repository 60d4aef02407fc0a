"""The short form of `make chaos`: one trial of each fault, two of the controls. Times are reported, not asserted."""

from collections.abc import AsyncIterator

import pytest
from chaos import controls
from chaos.controls import CONTROLS
from chaos.plan import FAULTS
from chaos.runner import Asked, Report, run, say, summary

FAULTS_TRIED = [fault for fault in FAULTS if fault.how_often(quick=True)]
CONTROLS_TRIED = [control for control in CONTROLS if control.bug in controls.QUICK]

# All of it runs before the first test, which therefore takes as long.
pytestmark = pytest.mark.timeout(3_600)


@pytest.fixture(scope="module")
async def report() -> AsyncIterator[Report]:
    print()
    found = await run(Asked(FAULTS_TRIED, CONTROLS_TRIED, seed=1, quick=True), say)
    yield found
    print("\n".join(["", *summary(found)]))


# What failed is said without the test's own lines: pytest's short summary has room for the first line only, and that
# is to name the trial and what was wrong.


async def test_the_harness_is_whole(report: Report) -> None:
    if report.broken:
        pytest.fail("\n".join(report.broken), pytrace=False)


@pytest.mark.parametrize("fault", [fault.name for fault in FAULTS_TRIED])
async def test_nothing_is_lost_and_nothing_doubled(report: Report, fault: str) -> None:
    trials = report.trials[fault]
    if wrong := [trial.account(report.asked.seed) for trial in trials if trial.wrong]:
        pytest.fail("\n".join(wrong), pytrace=False)
    assert trials, f"{fault} was not tried to its end: see test_the_harness_is_whole"


@pytest.mark.parametrize("bug", [control.bug for control in CONTROLS_TRIED])
async def test_a_bug_put_in_on_purpose_is_found(report: Report, bug: str) -> None:
    if bug not in report.red:
        missed = report.green.get(bug, f"control {bug} was not tried to its end: see test_the_harness_is_whole")
        pytest.fail(missed, pytrace=False)
