"""What probes ask about a process: whether it has started, is alive, and is ready. Pure."""

from typing import NamedTuple, Protocol


class State(Protocol):
    """The state of a worker, as far as probes ask for it."""

    @property
    def ready(self) -> bool:
        """Whether the worker holds its partitions with their state, or stands by, and all of its parts can work."""

    @property
    def is_failing(self) -> bool:
        """Whether a failure has happened because of which the worker ends."""

    @property
    def is_stopping(self) -> bool:
        """Whether the worker ends, for whatever reason."""


class Answer(NamedTuple):
    """The answer to a probe."""

    fine: bool
    #: The state in words.
    text: str


_FINE = Answer(fine=True, text="ok")


class Probes:
    """Answers probes. There is no worker until Kafka has answered for the first time (`watch`)."""

    def __init__(self) -> None:
        self._worker: State | None = None
        self._has_started = False

    def watch(self, worker: State) -> None:
        """Answer for this worker from now on."""
        self._worker = worker

    @property
    def ready(self) -> bool:
        """Whether the worker is ready now."""
        is_ready = self._worker is not None and self._worker.ready and not self._worker.is_stopping
        self._has_started = self._has_started or is_ready
        return is_ready

    def live(self) -> Answer:
        """Say whether the process works. That it answers shows that the event loop turns."""
        is_failing = self._worker is not None and self._worker.is_failing
        return Answer(fine=False, text="a failure ends this process; its log says why") if is_failing else _FINE

    def readiness(self) -> Answer:
        """Say whether the worker is ready."""
        if self.ready:
            return _FINE
        if self._worker is None:
            return Answer(fine=False, text="waiting for Kafka")
        if self._worker.is_stopping:
            return Answer(fine=False, text="stopping")
        return Answer(fine=False, text="starting, or its group is rebalancing")

    def startup(self) -> Answer:
        """Say whether the worker has been ready for the first time."""
        return _FINE if self.ready or self._has_started else Answer(fine=False, text="has not been ready yet")
