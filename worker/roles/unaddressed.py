"""Log lines about alerts and incidents that nobody gets, since no route has a receiver for them; at most one a minute.

The delivery log has a line about each of them.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from time import monotonic

import msgspec

from schemas.delivery import DeliveryStatus
from worker.flow import events
from worker.flow.batch import Output
from worker.notify.planning import RECEIVERS_REMOVED
from worker.routing.routing import Nobody
from worker.streams.throttle import Throttle

log = logging.getLogger(__name__)

#: The shortest time between two lines, in seconds.
_QUIET_SECONDS = 60.0
#: What to look at, by the reason. A route that has no receivers on purpose is no reason for a warning.
_HINTS: Mapping[str, str] = {
    Nobody.NO_ROUTE: "no route takes it, and [route] has no receivers",
    RECEIVERS_REMOVED: "the settings have none of the receivers of this step of the escalation any more",
    Nobody.OWNER_UNKNOWN: "no receiver stands for the customer's account owner, and its route has no receivers",
}


class _Line(msgspec.Struct):
    """The fields that are read from a line of the delivery log; no field is personal data."""

    alert_id: str
    status: str
    reason: str


_read = msgspec.json.Decoder(_Line).decode


class Unaddressed:
    """Counts the alerts and incidents that nobody gets although no setting says so."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._throttle = Throttle(_QUIET_SECONDS, clock)
        self._count = 0

    def note(self, outputs: Iterable[Output]) -> None:
        """Count them among a batch's outputs; log their number and the last one, if a line is allowed now."""
        found = [line for output in outputs if (line := _line(output)) is not None]
        if not found:
            return
        self._count += len(found)
        if not self._throttle.allows():
            return
        last = found[-1]
        log.warning(
            "alert %s is for nobody (%s): %s; alerts and incidents for nobody since the start: %d",
            *(last.alert_id, last.reason, _HINTS[last.reason], self._count),
        )


def _line(output: Output) -> _Line | None:
    # Most lines have another status. They are recognised without decoding them.
    if output.topic != events.DELIVERIES or b'"nobody"' not in (output.value or b""):
        return None
    line = _read(output.value or b"")
    return line if line.status == DeliveryStatus.NOBODY and line.reason in _HINTS else None
