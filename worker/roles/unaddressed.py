"""Log lines about alerts and incidents that nobody gets, since no route has a receiver for them; at most one a minute.

The delivery log has a line about each of them.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from time import monotonic

from schemas.delivery import DeliveryStatus
from worker.flow.batch import Output
from worker.notify.planning import RECEIVERS_REMOVED
from worker.roles.counted_lines import CountedLines, Line
from worker.routing.routing import Nobody

log = logging.getLogger(__name__)

#: What to look at, by the reason. A route that has no receivers on purpose is no reason for a warning.
_HINTS: Mapping[str, str] = {
    Nobody.NO_ROUTE: "no route takes it, and [route] has no receivers",
    RECEIVERS_REMOVED: "the settings have none of the receivers of this step of the escalation any more",
    Nobody.OWNER_UNKNOWN: "no receiver stands for the customer's account owner, and its route has no receivers",
}


class Unaddressed:
    """Counts the alerts and incidents that nobody gets although no setting says so."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._lines = CountedLines(b'"nobody"', _is_unaddressed, clock)

    def note(self, outputs: Iterable[Output]) -> None:
        """Count them among a batch's outputs; log their number and the last one, if a line is allowed now."""
        if (report := self._lines.note(outputs)) is not None:
            last = report.last
            log.warning(
                "alert %s is for nobody (%s): %s; alerts and incidents for nobody since the start: %d",
                *(last.alert_id, last.reason, _HINTS[last.reason], report.total),
            )


def _is_unaddressed(line: Line) -> bool:
    return line.status == DeliveryStatus.NOBODY and line.reason in _HINTS
