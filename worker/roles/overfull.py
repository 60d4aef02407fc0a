"""Log lines about alerts that get no mail because too many mails of one customer wait; at most one line a minute."""

import logging
from collections.abc import Callable, Iterable
from time import monotonic

from worker.flow.batch import Output
from worker.notify.channel import Wording
from worker.notify.planning import TOO_MANY_WAITING
from worker.roles.counted_lines import CountedLines

log = logging.getLogger(__name__)


class Overfull:
    """Counts the mails of a channel that are not sent for this reason."""

    def __init__(self, words: Wording, most_open: int, clock: Callable[[], float] = monotonic) -> None:
        self._words = words
        self._most_open = most_open
        self._lines = CountedLines(TOO_MANY_WAITING.encode(), lambda line: line.reason == TOO_MANY_WAITING, clock)

    def note(self, outputs: Iterable[Output]) -> None:
        """Count such mails among a batch's outputs; log their number and the last one, if a line is allowed now."""
        if (report := self._lines.note(outputs)) is None:
            return
        words = self._words
        log.error(
            "alert %s gets no %s (too_many_waiting): %d %s about its customer or segment wait already, which is "
            "the limit; %s not sent for this reason since the start: %d",
            *(report.last.alert_id, words.one, self._most_open, words.many, words.many, report.total),
        )
