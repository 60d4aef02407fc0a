"""The short form of `make chaos`: one trial of each fault, two of the controls. Times are reported, not asserted."""

from collections.abc import AsyncIterator

import pytest
from chaos import controls
from chaos.controls import CONTROLS
from chaos.plan import FAULTS
from chaos.runner import Asked, Report, run, summary

FAULTS_TRIED = [fault for fault in FAULTS if fault.how_often(quick=True)]
CONTROLS_TRIED = [control for control in CONTROLS if control.bug in controls.QUICK]

# All of it runs before the first test, which therefore takes as long.
pytestmark = pytest.mark.timeout(1_200)


@pytest.fixture(scope="module")
async def report() -> AsyncIterator[Report]:
    found = await run(Asked(FAULTS_TRIED, CONTROLS_TRIED, seed=1, quick=True), print)
    yield found
    print("\n".join(["", *summary(found)]))


async def test_the_harness_is_whole(report: Report) -> None:
    assert report.broken == []


@pytest.mark.parametrize("fault", [fault.name for fault in FAULTS_TRIED])
async def test_nothing_is_lost_and_nothing_doubled(report: Report, fault: str) -> None:
    trials = report.trials[fault]
    assert trials
    assert [line for trial in trials for line in trial.wrong] == []


@pytest.mark.parametrize("bug", [control.bug for control in CONTROLS_TRIED])
async def test_a_bug_put_in_on_purpose_is_found(report: Report, bug: str) -> None:
    assert bug in report.red
