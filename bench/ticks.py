"""What ticks cost in one partition where there are many surveys, without Kafka: python -m bench.ticks [SURVEYS]."""

import sys
from array import array
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import msgspec

from worker.flow.messages import tick
from worker.flow.messages.tally import Tally
from worker.flow.segments import road as segments
from worker.nps import columns
from worker.nps.segment import Entries
from worker.nps.windows import DAY, HOUR
from worker.rebuild.records import apply

_SURVEYS = 300_000
_BEGAN = 20_000 * DAY
#: Surveys to a message.
_TOGETHER = 2_000
#: How long after the last answer a tick comes, in hours.
_AFTER = (1, 2, 3, 25, 26, 49, 50, 8 * 24, 8 * 24 + 1, 400 * 24, 800 * 24)


class _Record(NamedTuple):
    value: bytes
    key: bytes | None
    offset: int
    timestamp: int
    topic: str = "nps.tallies"
    partition: int = 0
    headers: Sequence[tuple[str, bytes | None]] = ()


def main() -> None:
    """Count one answer of each survey, let hours pass, and print what each tick took."""
    surveys = int(sys.argv[1]) if len(sys.argv) > 1 else _SURVEYS
    rows: dict[bytes, bytes] = {}
    offset = 0
    for first in range(0, surveys, _TOGETHER):
        entries = {}
        for survey in range(first, min(first + _TOGETHER, surveys)):
            put = array(columns.SIGNED, (survey, _BEGAN + survey % HOUR, survey, survey % 11))
            entries[f"/survey/{survey}"] = Entries(columns.write(put))
        value = msgspec.msgpack.encode(Tally(0, entries))
        _carry(_Record(value, None, (offset := offset + 1), _BEGAN + HOUR), rows)
    print(f"{len(rows):,} rows, {sum(map(len, rows.values())) / max(1, len(rows)):,.0f} bytes each")
    for hours in _AFTER:
        ticked = _Record(b"", tick.KEY, (offset := offset + 1), _BEGAN + hours * HOUR)
        took, longest, changed, outputs = _carry(ticked, rows)
        print(
            f"a tick {hours:6,} h later: {took:7.2f} s, the loop blocked for {longest * 1e3:8.1f} ms at most, "
            f"{changed:8,} rows written, {outputs:8,} records sent, {len(rows):8,} rows left"
        )


def _carry(record: _Record, rows: dict[bytes, bytes]) -> tuple[float, float, int, int]:
    """Decide and write; return the seconds, those of the longest piece, and how many rows and records there were."""
    took = longest = 0.0
    changed = outputs = 0
    began = perf_counter()
    decided = segments.count([record], rows, 0, most=sys.maxsize)
    while True:
        spent = perf_counter() - began
        took, longest = took + spent, max(longest, spent)
        changed, outputs = changed + len(decided.rows), outputs + len(decided.outputs)
        apply(rows, decided.rows)
        if decided.rest is None:
            return took, longest, changed, outputs
        began = perf_counter()
        decided = decided.rest()


if __name__ == "__main__":
    main()
