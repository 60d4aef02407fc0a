"""How long records gather before the next batches begin. The more of a CPU core the process takes, the longer it is.

At an ordinary rate each response is a batch of its own, and a batch costs many times as much CPU as a response in it.
While the process is idle for most of the time, that does not matter, and nothing waits. Before its CPU core is full,
batches have to grow. So records gather for some milliseconds, and then the batches of all partitions begin together.
They also share fetches and produce requests.
"""

from collections.abc import Callable
from time import monotonic, process_time

#: The share of a CPU core below which nothing waits, and from which on records gather for the longest time.
_CALM, _FULL = 0.05, 0.2
#: The longest time for which records gather, in seconds. It adds to how long an alert takes.
_LONGEST_SECONDS = 0.02
#: Over how long the share is measured, in seconds.
_LOOK_SECONDS = 0.25


class Gathering:
    """Measures the share of a CPU core that this process takes; `cpu` and `clock` give seconds."""

    def __init__(self, cpu: Callable[[], float] = process_time, clock: Callable[[], float] = monotonic) -> None:
        self._cpu = cpu
        self._clock = clock
        self._cpu_then, self._then = cpu(), clock()
        self._seconds = 0.0

    def seconds(self) -> float:
        """Return how long records gather now, in seconds."""
        now = self._clock()
        if now - self._then >= _LOOK_SECONDS:
            cpu = self._cpu()
            share = (cpu - self._cpu_then) / (now - self._then)
            self._seconds = _LONGEST_SECONDS * min(max((share - _CALM) / (_FULL - _CALM), 0.0), 1.0)
            self._cpu_then, self._then = cpu, now
        return self._seconds
