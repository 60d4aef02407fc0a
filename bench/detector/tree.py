"""A tree of segments whose answers are drawn, carried through the code that watches over all segments."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.incident import Incident
from worker.detect.drops import Classes
from worker.flow import events
from worker.flow.batch import MemoryRecord
from worker.flow.incidents import road
from worker.flow.messages import hourly_report
from worker.flow.messages.hourly_report import HourlyReport
from worker.flow.policy import IncidentPolicy
from worker.lineage import lineage
from worker.nps import columns
from worker.nps.windows import HOUR

#: The first hour, counted since 1970: a Monday, 00:00 UTC.
BEGAN = 482_808
DAY = 24
#: The shares of promoters, passives and detractors where a scenario names no others.
USUAL: Classes = (0.5, 0.3, 0.2)

#: The mean number of answers in an hour, and the shares of the classes, of a leaf in an hour since BEGAN.
Law = Callable[[str, int], tuple[float, Classes]]


class Found(NamedTuple):
    """A step of an incident, and the hour since BEGAN in which it was published."""

    hour: int
    step: Incident


class Tree:
    """Leaves whose answers are drawn hour by hour, and what the worker publishes about the tree.

    `leaves`: their paths; `law`: how they answer; `seed`: of the drawn answers; `every`: how many hours are reported
    and judged at once. The worker judges every hour; 24 takes less time.
    """

    def __init__(
        self, leaves: Sequence[str], law: Law, seed: int, policy: IncidentPolicy | None = None, every: int = 1
    ) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.hour = 0
        self.found: list[Found] = []
        #: It may be replaced: the leaves then answer in another way from the next hour on.
        self.law = law
        self._leaves = leaves
        self._chance = np.random.default_rng(seed)
        self._policy = policy or IncidentPolicy()
        self.every = every

    def live(self, days: float) -> list[Found]:
        """Live through some days; return the steps of incidents that were published."""
        known = len(self.found)
        until = self.hour + round(days * DAY)
        while self.hour < until:
            self._report(min(self.every, until - self.hour))
        return self.found[known:]

    def _report(self, hours: int) -> None:
        """Draw the answers of some hours, and let the worker take them in and judge the tree."""
        reported: dict[str, list[int]] = {}
        for hour in range(self.hour, self.hour + hours):
            for path, counts in self._answers(hour).items():
                reported.setdefault(path, []).extend((BEGAN + hour, *(int(n) for n in counts)))
        self.hour += hours
        segments = {path: columns.write(array("q", numbers)) for path, numbers in reported.items()}
        report = HourlyReport(0, segments, (BEGAN + self.hour) * HOUR)
        time = report.tick or 0
        records = [
            MemoryRecord(output.topic, 0, 0, time, None, output.value, ()) for output in hourly_report.outputs(report)
        ]
        decided = road.watch(records, self.rows, 1, lambda _: 0, self._policy)
        while decided.rest is not None:
            decided = decided.rest()
        for key, row in decided.rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        for output in decided.outputs:
            if output.topic == events.ALERTS:
                step = Incident.model_validate_json(output.value or b"", strict=False)
                self.found.append(Found(self.hour, step))

    def _answers(self, hour: int) -> Mapping[str, NDArray[np.int64]]:
        """Draw an hour's promoters, passives and detractors of each segment that has answers."""
        drawn: dict[str, NDArray[np.int64]] = {}
        for leaf in self._leaves:
            rate, shares = self.law(leaf, hour)
            n = self._chance.poisson(rate)
            if n:
                counts = self._chance.multinomial(n, shares)
                for path in lineage(leaf):
                    drawn[path] = drawn[path] + counts if path in drawn else counts
        return drawn


def falls(shares: Classes, points: float) -> Classes:
    """Return the shares after the NPS changed by some points: half of the change leaves the promoters for each side."""
    moved = points / 200
    return shares[0] + moved, shares[1], shares[2] - moved
