"""What deciding a response costs in memory, without Kafka: python -m bench.deciding [RESPONSES].

To compare two versions on a machine that does other work as well, run it several times in turns in a work tree of each.
"""

import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench.feed import Feed
from worker.app import calm_collector
from worker.flow import events
from worker.flow.policy import Policy
from worker.flow.responses import road
from worker.flow.responses.expiry import Sweep
from worker.flow.responses.moved import Holders
from worker.flow.responses.road import Batch

_RESPONSES = 20_000
#: Responses to a batch.
_TOGETHER = 500
_RUNS = 8
_SECRET = bytes(range(32))


class _Record(NamedTuple):
    key: bytes
    value: bytes
    offset: int
    timestamp: int
    topic: str = events.RESPONSES
    partition: int = 0
    headers: Sequence[tuple[str, bytes | None]] = ()


def main() -> None:
    """Decide the same responses several times; print the CPU time of each batch's best run, for each response.

    As many responses are decided before them, so that more than half of their customers have a row.
    """
    count = int(sys.argv[1]) if len(sys.argv) > 1 else _RESPONSES
    now = int(time.time() * 1_000)
    feed = Feed(2 * count, customers=count).responses()
    records = [_Record(key, value, offset, now) for offset, (key, value) in enumerate(feed)]
    known: dict[bytes, bytes] = {}
    _decide(records[:count], known)
    calm_collector()
    runs = [_decide(records[count:], dict(known)) for _ in range(_RUNS)]
    best = sum(min(batch) for batch in zip(*runs, strict=True))
    print(f"deciding takes {best / max(1, count) * 1e6:.1f} µs of CPU for each response")


def _decide(records: Sequence[_Record], rows: dict[bytes, bytes]) -> list[float]:
    """Decide and write rows; return the seconds of CPU that it took to decide each batch."""
    holders, sweep, policy = Holders(rows), Sweep(rows), Policy()
    took, latest = [], 0
    for first in range(0, len(records), _TOGETHER):
        batch = Batch(
            records[first : first + _TOGETHER],
            0,
            events.RESPONSES,
            f"bench/{events.RESPONSES}",
            {},
            _SECRET,
            holders=holders,
            sweep=sweep,
            latest_time=latest,
        )
        began = time.process_time()
        decided = road.decide(batch, policy, rows.get, lambda _: 0)
        took.append(time.process_time() - began)
        latest = decided.latest_time
        rows.update((key, row) for key, row in decided.rows.items() if row is not None)
    return took


if __name__ == "__main__":
    main()
