"""One judgement of a tree whose rows are made by hand."""

from array import array

import pytest

from schemas.incident import Incident
from worker.detect.drops import Detector
from worker.detect.watch import Watch
from worker.flow.incidents.judging import Judge
from worker.flow.incidents.slices import Slices
from worker.flow.policy import IncidentPolicy
from worker.nps import columns
from worker.nps.windows import HOUR

NOW = 480_007
DAY = 24


class Table:
    """Watches in memory."""

    def __init__(self, watches: dict[str, Watch]) -> None:
        self.watches = watches

    def all(self) -> dict[str, Watch]:
        return dict(sorted(self.watches.items()))

    def put(self, path: str, watch: Watch | None) -> None:
        assert watch is self.watches[path]


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
