"""What a tick costs with many open cases that have time limits, without Kafka: python -m bench.due [CASES]."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from time import process_time
from typing import NamedTuple

from schemas.alert import Severity
from worker.app import calm_collector
from worker.flow.batch import Decided
from worker.flow.cases import road
from worker.flow.cases.case import Cases, encode_cases, opened
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.forgetting import Sweep
from worker.flow.cases.service import ServiceLevels
from worker.flow.messages import case_log
from worker.flow.messages.case_log import AlertStep
from worker.flow.policy import CasePolicy, IntakePolicy
from worker.rebuild.records import apply
from worker.routing.service_level import EscalationStep, ServiceLevel, Terms

_CASES = 100_000
_NOW = 1_760_000_000_000
_MINUTE = 60_000
_LEVEL = ServiceLevel(
    acknowledge_within_minutes=240,
    remind_before_minutes=60,
    resolve_within_hours=24,
    escalation=[EscalationStep(receivers=["team-lead"]), EscalationStep(receivers=["director"], after_minutes=60)],
)
_SERVICE = ServiceLevels({"standard": _LEVEL}, {})
_RUNS = 5


class _Tick(NamedTuple):
    timestamp: int
    topic: str = "nps.cases"
    partition: int = 0
    offset: int = 0
    key: bytes | None = case_log.TICK_KEY
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes | None]] = ()


def main() -> None:
    """Open cases over a day, all of them after each other; print what ticks cost, in CPU time, and the index."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else _CASES
    rows = {
        b"customer-%d" % number: _row(number, _NOW + number * 24 * 60 * _MINUTE // count) for number in range(count)
    }
    calm_collector()
    began = process_time()
    DueIndex(rows)
    print(
        f"{count:,} open cases, {sum(map(len, rows.values())) / count:,.0f} bytes each; the index after a take-over: "
        f"{process_time() - began:.2f} s"
    )
    sweep = Sweep(rows)
    _tick("before anything is due", _NOW, rows, sweep)
    for timers in (1, 10, 100, 1_000):
        _tick(
            f"with {timers:,} reminders",
            _NOW + 180 * _MINUTE + (timers - 1) * 24 * 60 * _MINUTE // count,
            rows,
            sweep,
        )


def _row(number: int, at: int) -> bytes:
    step = AlertStep(
        number, 0, f"00000000-0000-5000-8000-{number:012d}", "opened", Severity.CRITICAL, 2, "fr/lyon/delivery",
        "after-delivery", f"r-{number}", 0, at, at, "standard", "",
    )  # fmt: skip
    return encode_cases(Cases([opened(step, _SERVICE.due(Terms("standard"), at))]))


def _tick(what: str, at: int, rows: dict[bytes, bytes], sweep: Sweep) -> None:
    """Decide a tick several times, slice by slice, and print its best run; the rows stay as they are."""
    runs = []
    for _ in range(_RUNS):
        written = dict(rows)
        due = DueIndex(written)
        batch = road.Batch([_Tick(at)], "nps.alert-commands", {}, 0, sweep, _SERVICE, due)
        times, events = [], 0
        rest: Callable[[], Decided] | None = partial(road.decide, batch, CasePolicy(), IntakePolicy(), written.get)
        while rest is not None:
            began = process_time()
            decided = rest()
            times.append(process_time() - began)
            apply(written, decided.rows)
            due.update(decided.rows)
            events, rest = events + len(decided.outputs), decided.rest
        runs.append((sum(times), max(times), len(times)))
    best, _, slices = min(runs)
    longest = min(longest for _, longest, _ in runs)
    print(
        f"a tick {what}: {best * 1e3:.2f} ms in {slices} slices, the longest one {longest * 1e3:.2f} ms; "
        f"{events:,} events"
    )


if __name__ == "__main__":
    main()
