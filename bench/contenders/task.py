"""What a contender has to do, and how it measures itself. This needs nothing but Python, whatever contenders need."""

import json
import os
import resource
import sys
import time
from typing import NamedTuple

_PREFIX = "BENCH_"


class Task(NamedTuple):
    """Read `events` records of `topic`, after `before` that are not measured, under names of `name`'s own."""

    kafka: str
    topic: str
    name: str
    events: int
    before: int = 0
    partitions: int = 4

    def environment(self) -> dict[str, str]:
        """Return it as environment variables."""
        return {f"{_PREFIX}{key.upper()}": str(value) for key, value in self._asdict().items()}


def given() -> Task:
    """Return the task that this process was started with."""
    said = {key: os.environ[f"{_PREFIX}{key.upper()}"] for key in Task._fields}
    numbers = {key: int(said[key]) for key in ("events", "before", "partitions")}
    return Task(said["kafka"], said["topic"], said["name"], **numbers)


class Meter:
    """Time and CPU of this process, all threads, between two moments."""

    def __init__(self) -> None:
        self.has_begun = False
        self._wall = self._cpu = 0.0

    def begin(self) -> None:
        """Begin, unless it has begun."""
        if not self.has_begun:
            self.has_begun, self._wall, self._cpu = True, time.perf_counter(), time.process_time()

    def end(self, events: int) -> None:
        """Say what it took, on stdout."""
        seconds, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report(events=events, seconds=seconds, cpu_seconds=cpu, peak_mb=peak_mb)


def report(**figures: float) -> None:
    """Print figures for the process that measures."""
    print(json.dumps(figures), file=sys.__stdout__, flush=True)  # Faust takes sys.stdout for its log
