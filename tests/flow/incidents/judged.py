"""Small trees whose watches are as some weeks of answers have left them, and what a judgement makes of them."""

from array import array
from collections.abc import Mapping

from msgspec.structs import replace

from schemas.alert import Severity
from schemas.incident import Incident, IncidentKind
from worker.detect.watch import OpenIncident, Watch
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.incidents.judging import Judge
from worker.flow.incidents.slices import Slices
from worker.flow.policy import IncidentPolicy
from worker.nps import columns
from worker.nps.windows import HOUR

#: The hour of the judgement, which is the first one of a day.
NOW = 20_000 * 24
#: How many days ago the drop began, and was reported.
BEGAN, REPORTED = 12, 10
Classes = tuple[int, int, int]
GOOD, LOW, LOWER = (15, 9, 6), (12, 9, 9), (4, 6, 20)


class Table:
    """The watches of a tree."""

    def __init__(self, watches: Mapping[str, Watch]) -> None:
        self.watches = dict(sorted(watches.items()))

    def all(self) -> dict[str, Watch]:
        return dict(self.watches)

    def put(self, path: str, watch: Watch | None) -> None:
        assert watch is self.watches[path]

    def judge(self) -> list[Incident]:
        """Judge the tree; return the steps of drops."""
        steps = [Incident.model_validate_json(output.value or b"") for output in self.outputs()]
        return [step for step in steps if step.kind == IncidentKind.SEGMENT_DROP]

    def outputs(self) -> list[Output]:
        """Judge the tree; return the records of all steps."""
        judge = Judge(self, NOW - 1, NOW, NOW * HOUR + 5, lambda _: 0, IncidentPolicy())
        list(judge.judge(Slices(1_000)))
        return [output for output in judge.outputs if output.topic == events.ALERTS]


def watch(
    *periods: tuple[int, Classes],
    drop: OpenIncident | None = None,
    low: OpenIncident | None = None,
    alarm: bool = False,
) -> Watch:
    """Return a watch; `periods`: for how many days which answers came, one after the other until now.

    `drop`: the incident about the segment; `low`: one that it is part of.
    """
    days = [classes for length, classes in periods for _ in range(length)]
    first = NOW - 24 * len(days)
    column = [number for day, classes in enumerate(days) for number in (first + 24 * day, *classes)]
    found = Watch(
        recent=columns.write(array("I", column)), reported_until=NOW - 1, first_hour=first, last_hour=NOW - 24
    )
    detector, before = found.detector, found.split(NOW - BEGAN * 24)[0]
    detector.baseline, detector.learning_since, detector.taken_until = before, first, NOW - 24
    if alarm:
        detector.r_values, detector.cusums = (1e9, 1e9, 1e9), (9.0, 9.0, 9.0)
        detector.possible_starts = (NOW - BEGAN * 24,) * 3
    found.drop = drop
    if (since := drop or low) is not None:
        detector.open_drop(found.split(since.since)[1], since.hour)
    return found


def opened(days: int = REPORTED, severity: Severity = Severity.WARNING) -> OpenIncident:
    return OpenIncident(NOW - days * 24, NOW - BEGAN * 24, severity)


#: A tree whose answers moved from fr to uk, where the NPS always was lower. Of its four segments one fell by 30 points,
#: and another one rose.
MOVED = {
    "": ((50, (48, 9, 13)), (12, (31, 8, 31))),
    "fr": ((50, (40, 5, 5)), (12, (8, 1, 1))),
    "uk": ((50, (2, 2, 6)), (12, (10, 5, 25))),
    "de": ((50, (3, 1, 1)), (12, (8, 1, 1))),
}

# Further falls

#: Since when the segment that has fallen further is lower still.
FURTHER = NOW - 5 * 24
FALLEN = (50, GOOD), (12, LOW)
FURTHER_FALLEN = (50, GOOD), (7, LOW), (5, LOWER)
WITH_B = replace(opened(severity=Severity.ERROR), also=["fr/b"])


def further(found: Watch) -> Watch:
    """Let the detector of a further fall have an alarm."""
    detector = found.detector.further
    assert detector is not None
    since = found.split(FURTHER)[1]
    detector.baseline, detector.pending = (60.0, 45.0, 45.0), (float(since[0]), float(since[1]), float(since[2]))
    detector.r_values, detector.cusums, detector.possible_starts = (1e9,) * 3, (9.0,) * 3, (FURTHER,) * 3
    return found


def one_further(drop: OpenIncident) -> Table:
    """Return a tree of one segment, which has fallen further."""
    return Table({"": further(watch(*FURTHER_FALLEN, drop=drop))})


def second_further(drop: OpenIncident = WITH_B) -> Table:
    """Return a tree with an incident about two segments, of which the second one has fallen further."""
    others = {path: watch((62, GOOD)) for path in ("", "fr")}
    a, b = watch(*FALLEN, drop=drop), further(watch(*FURTHER_FALLEN, low=drop))
    return Table({**others, "fr/a": a, "fr/b": b})
