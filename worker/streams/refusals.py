"""Log lines about refused records: one for the first, and then at most one a minute, with a count."""

import logging
from collections.abc import Callable, Iterable
from time import monotonic

import msgspec

from worker.flow import events
from worker.flow.batch import Output
from worker.throttle import Throttle

log = logging.getLogger(__name__)

#: The shortest time between two lines about one topic, in seconds. A publisher often makes the same mistake in every
#: record.
_QUIET_SECONDS = 60.0


class _DeadLetter(msgspec.Struct):
    """The fields of a dead letter that a line names; no field is personal data."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


_read = msgspec.json.Decoder(_DeadLetter).decode


class Refusals:
    """Counts the dead letters of one lane."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._throttle = Throttle(_QUIET_SECONDS, clock)
        self._count = 0

    def note(self, outputs: Iterable[Output]) -> None:
        """Count the dead letters among a batch's outputs; log the place of the last one if a line is allowed now."""
        letters = [output for output in outputs if output.topic == events.DEAD_LETTERS]
        if not letters:
            return
        self._count += len(letters)
        if not self._throttle.allows():
            return
        last = _read(letters[-1].value or b"")
        log.warning(
            "%s, partition %d, offset %d: the record was refused (%s: %s) and became a dead letter (%d since the "
            "start); python -m worker dead-letters shows them",
            *(last.topic, last.partition, last.offset, last.reason, last.detail),
            self._count,
        )
