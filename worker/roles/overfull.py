"""Log lines about alerts that get no mail because too many mails of one customer wait; at most one line a minute."""

import logging
from collections.abc import Callable, Iterable
from time import monotonic

import msgspec

from worker.flow import events
from worker.flow.batch import Output
from worker.notify.channel import Wording
from worker.notify.planning import TOO_MANY_WAITING
from worker.streams.throttle import Throttle

log = logging.getLogger(__name__)

#: The shortest time between two lines, in seconds.
_QUIET_SECONDS = 60.0


class _Line(msgspec.Struct):
    """The fields that are read from a line of the delivery log; no field is personal data."""

    alert_id: str
    reason: str


_read = msgspec.json.Decoder(_Line).decode


class Overfull:
    """Counts the mails of a channel that are not sent for this reason."""

    def __init__(self, words: Wording, most_open: int, clock: Callable[[], float] = monotonic) -> None:
        self._words = words
        self._most_open = most_open
        self._throttle = Throttle(_QUIET_SECONDS, clock)
        self._count = 0

    def note(self, outputs: Iterable[Output]) -> None:
        """Count such mails among a batch's outputs; log their number and the last one, if a line is allowed now."""
        lost = [line for output in outputs if (line := _line(output)) is not None]
        if not lost:
            return
        self._count += len(lost)
        if not self._throttle.allows():
            return
        log.error(
            "alert %s gets no %s (too_many_waiting): %d %s about its customer or segment wait already, which is "
            "the limit; %s not sent for this reason since the start: %d",
            *(lost[-1].alert_id, self._words.one, self._most_open, self._words.many, self._words.many, self._count),
        )


def _line(output: Output) -> _Line | None:
    # Most lines have another reason. They are recognised without decoding them.
    if output.topic != events.DELIVERIES or TOO_MANY_WAITING.encode() not in (output.value or b""):
        return None
    line = _read(output.value or b"")
    return line if line.reason == TOO_MANY_WAITING else None
