"""What each lane takes to decide in memory, without Kafka: python -m bench.lanes [RESPONSES [ANSWERS]].

ANSWERS is the number of answers of each customer. The responses are those of `make bench`. What the first lane says to
the cases and to the segments is decided as well, as it would be if Kafka brought it. So the sum is what the full job
takes without reading, writing and sending.
"""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from bench.feed import Feed
from worker.app import calm_collector
from worker.flow import events
from worker.flow.batch import Decided, MemoryRecord, Output
from worker.flow.cases import forgetting
from worker.flow.cases import road as cases
from worker.flow.cases.due_index import DueIndex
from worker.flow.responses import road
from worker.flow.responses.expiry import Sweep
from worker.flow.responses.moved import Holders
from worker.flow.responses.road import Batch
from worker.flow.segments import road as segments
from worker.settings import Settings

T = TypeVar("T")

_RESPONSES = 60_000
_ANSWERS = 10
#: Responses to a batch, as at full speed.
_TOGETHER = 2_000
#: The number of batches whose tallies are counted together.
_COUNTED_TOGETHER = 4
_MOST_SEGMENTS = 10_000
_SECRET = bytes(range(32))
#: The topics of the lanes that read what the first one sends.
_READ = (events.CASES, events.TALLIES)

_Rows = dict[bytes, bytes]


class Lanes:
    """One partition of each lane, and the seconds of CPU that its decisions have taken so far."""

    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)
        self.rows = Counter[str]()
        self._settings = Settings()
        self._now = int(time.time() * 1_000)
        self._customers, self._cases, self._segments = _Rows(), _Rows(), _Rows()
        self._holders, self._sweep = Holders(self._customers), Sweep(self._customers)
        self._case_sweep, self._due = forgetting.Sweep(self._cases), DueIndex()
        self._latest_time = 0
        self._arrived: dict[int, int] = {}
        self._offsets = Counter[str]()

    def records(self, topic: str, sent: Iterable[tuple[bytes | None, bytes | None]]) -> list[MemoryRecord]:
        """Return records of a topic, which follow those before them."""
        found = []
        for key, value in sent:
            found.append(MemoryRecord(topic, 0, self._offsets[topic], self._now, key, value, ()))
            self._offsets[topic] += 1
        return found

    def decide(self, records: list[MemoryRecord]) -> list[Output]:
        """Decide responses; return the outputs."""
        batch = Batch(
            records,
            0,
            events.RESPONSES,
            f"bench/{events.RESPONSES}",
            {},
            _SECRET,
            holders=self._holders,
            sweep=self._sweep,
            latest_time=self._latest_time,
            work=self._settings.work,
        )
        policy = self._settings.policy
        decided = self._timed("responses", lambda: road.decide(batch, policy, self._customers.get, lambda _: 0))
        self._latest_time = decided.latest_time
        self._write("responses", self._customers, decided)
        return decided.outputs

    def follow(self, records: list[MemoryRecord]) -> None:
        """Decide messages to the cases."""
        policy, service = self._settings.policy, self._settings.service
        batch = cases.Batch(records, "", self._arrived, self._latest_time, self._case_sweep, service, self._due)
        decided = self._timed("cases", lambda: cases.decide(batch, policy.cases, policy.intake, self._cases.get))
        self._arrived = dict(decided.rerouted)
        self._timed("cases", partial(self._due.update, decided.rows))
        self._write("cases", self._cases, decided)

    def count(self, records: list[MemoryRecord]) -> None:
        """Count tallies."""
        intake = self._settings.policy.intake
        count = partial(segments.count, records, self._segments, 0, _MOST_SEGMENTS, intake)
        decided: Decided | None = self._timed("segments", count)
        while decided is not None:
            self._write("segments", self._segments, decided)
            decided = None if decided.rest is None else self._timed("segments", decided.rest)

    def _timed(self, lane: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        found = work()
        self.seconds[lane] += time.process_time() - began
        return found

    def _write(self, lane: str, rows: _Rows, decided: Decided) -> None:
        self.rows[lane] += len(decided.rows)
        for key, row in decided.rows.items():
            if row is None:
                rows.pop(key, None)
            else:
                rows[key] = row


def main() -> None:
    """Decide; print the CPU time of each lane, and the rows that it writes, for each response."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else _RESPONSES
    answers = int(sys.argv[2]) if len(sys.argv) > 2 else _ANSWERS
    lanes, tallies = Lanes(), []
    records = lanes.records(events.RESPONSES, Feed(count, customers=max(1, count // answers)).responses())
    calm_collector()
    for first in range(0, count, _TOGETHER):
        outputs = lanes.decide(records[first : first + _TOGETHER])
        sent = {topic: [(one.key, one.value) for one in outputs if one.topic == topic] for topic in _READ}
        lanes.follow(lanes.records(events.CASES, sent[events.CASES]))
        tallies += lanes.records(events.TALLIES, sent[events.TALLIES])
        if first // _TOGETHER % _COUNTED_TOGETHER == _COUNTED_TOGETHER - 1 or first + _TOGETHER >= count:
            lanes.count(tallies)
            tallies = []
    for lane, seconds in lanes.seconds.items():
        print(
            f"{lane}: {seconds / count * 1e6:.1f} µs of CPU and {lanes.rows[lane] / count:.2f} rows for each response"
        )


if __name__ == "__main__":
    main()
