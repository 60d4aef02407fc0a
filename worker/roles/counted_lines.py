"""Counting lines of the delivery log which the worker's own log has to report, at most once a minute."""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import NamedTuple

import msgspec

from worker.flow import events
from worker.flow.batch import Output
from worker.throttle import Throttle

#: The shortest time between two reports, in seconds.
_QUIET_SECONDS = 60.0


class Line(msgspec.Struct):
    """The fields that are read from a line of the delivery log; no field is personal data."""

    alert_id: str
    status: str
    reason: str


class Report(NamedTuple):
    """What the worker's log has to say now."""

    #: The last of the lines.
    last: Line
    #: The number of lines since the start.
    total: int


_read = msgspec.json.Decoder(Line).decode


class CountedLines:
    """Counts the lines that `counts` accepts. `mark`: bytes that each of these lines has, and few others have."""

    def __init__(self, mark: bytes, counts: Callable[[Line], bool], clock: Callable[[], float] = monotonic) -> None:
        self._mark = mark
        self._counts = counts
        self._throttle = Throttle(_QUIET_SECONDS, clock)
        self._count = 0

    def note(self, outputs: Iterable[Output]) -> Report | None:
        """Count such lines among a batch's outputs. Return what to report; None if there is nothing to report now."""
        # Most lines are not counted. The mark recognises them without decoding them.
        marked = [
            _read(output.value or b"")
            for output in outputs
            if output.topic == events.DELIVERIES and self._mark in (output.value or b"")
        ]
        found = [line for line in marked if self._counts(line)]
        self._count += len(found)
        return Report(found[-1], self._count) if found and self._throttle.allows() else None
