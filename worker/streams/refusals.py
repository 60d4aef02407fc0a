"""Lines of the log about refused records: one for the first, and then at most one a minute, with a count."""

import logging
from collections.abc import Callable, Iterable
from time import monotonic

import msgspec

from worker.flow import events
from worker.flow.batch import Output
from worker.streams.seldom import Seldom

log = logging.getLogger(__name__)

#: The least time between two lines about one topic, in seconds: a publisher's mistake is made with every record.
_QUIET_SECONDS = 60.0


class _Letter(msgspec.Struct):
    """What a line says of a dead letter; nothing of it is personal."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str


_read = msgspec.json.Decoder(_Letter).decode


class Refusals:
    """Counts the dead letters of one lane."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._seldom = Seldom(_QUIET_SECONDS, clock)
        self._count = 0

    def note(self, outputs: Iterable[Output]) -> None:
        """Count the dead letters among a batch's outputs; say where the last of them lies if it is time to."""
        letters = [output for output in outputs if output.topic == events.DEAD_LETTERS]
        if not letters:
            return
        self._count += len(letters)
        if not self._seldom.allows():
            return
        last = _read(letters[-1].value or b"")
        log.warning(
            "%s, partition %d, offset %d: the record was refused (%s: %s) and became a dead letter (%d since the "
            "start); python -m worker dead-letters shows them",
            *(last.topic, last.partition, last.offset, last.reason, last.detail),
            self._count,
        )
