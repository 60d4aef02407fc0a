"""What the log says about servers that do not accept: a line when it begins, at most one a minute, and one at the end.

An endpoint that fails is tried again and again, and many notices may wait for it. Each attempt has a record in the
delivery log, so the worker's log only says how many there were. A server that only limits how often it is asked has no
line at the end.
"""

import logging
from collections import defaultdict

from worker.errors import DeliveryError
from worker.logs import counted
from worker.notify.channel import Wording
from worker.notify.dispatcher import Verdict

log = logging.getLogger(__name__)

#: The shortest time between two lines about the same trouble of a server, in ms.
_QUIET_MS = 60_000


class _Said:
    """What was said about one kind of trouble of a server."""

    def __init__(self) -> None:
        # Until when no further line is written that is not more urgent than the last one.
        self._quiet_until = 0
        self._level = 0
        # The number of failed attempts since the last line that no line is about.
        self._unsaid = 0
        # Whether a line has said that there is trouble, which has not ended since; and the attempts that have failed.
        self._has_begun = False
        self._failed = 0

    def allows(self, level: int, now: int) -> bool:
        """Count a failed attempt. Say whether a line about it may be written, which then counts as written."""
        if now < self._quiet_until and level <= self._level:
            self.count()
            return False
        self._quiet_until, self._level, self._has_begun = now + _QUIET_MS, level, True
        self._failed += 1
        return True

    def count(self) -> None:
        """Count a failed attempt that no line is about."""
        self._unsaid += 1
        self._failed += 1

    def others(self) -> str:
        """Return how many attempts failed that no line is about."""
        unsaid, self._unsaid = self._unsaid, 0
        return f"; {counted(unsaid, 'other attempt')} failed since the last such line" if unsaid else ""

    def ends(self, at_least: int = 1) -> bool:
        """Note that the trouble is over. Say whether a line has to say so, since one has said that it had begun.

        `at_least`: the number of failed attempts that are worth a line at the end.
        """
        is_news = self._has_begun and self._failed >= at_least
        self._has_begun, self._failed = False, 0
        return is_news


class Trouble:
    """The log's lines about a channel's servers. Times are in ms, of a monotonic clock."""

    def __init__(self, words: Wording) -> None:
        self._words = words
        # By the name of the server.
        self._outages: defaultdict[str, _Said] = defaultdict(_Said)
        self._limits: defaultdict[str, _Said] = defaultdict(_Said)
        self._refusals: defaultdict[str, _Said] = defaultdict(_Said)

    def note_refused(self, server: str, delivery_id: str, error: DeliveryError, now: int) -> None:
        """Note that a notice was not accepted, although its server can be used."""
        said, level = self._refusals[server], _level(error)
        if said.allows(level, now):
            text = "%s %s was not accepted: %s%s"
            log.log(level, text, self._words.one, delivery_id, _reason(error), said.others())

    def note_unusable(self, server: str, error: DeliveryError, verdict: Verdict, now: int) -> None:
        """Note that a server cannot be used now."""
        said = (self._limits if error.limits_rate else self._outages)[server]
        level = logging.INFO if error.limits_rate else logging.ERROR if verdict.refuses_all else _level(error)
        # Without a wait, the outage had begun before the attempt failed, and a line has said so.
        if verdict.retry_after is None:
            said.count()
        elif said.allows(level, now):
            why = f"{error.reason}; {self._words.refuses_all}" if verdict.refuses_all else _reason(error)
            state = "limits how often it is asked" if error.limits_rate else "cannot be used"
            text = "%s wait, since %s %s: %s; trying again in %.0f s%s"
            named = self._words.server_called(server)
            log.log(level, text, self._words.many, named, state, why, verdict.retry_after / 1_000, said.others())

    def note_usable(self, server: str) -> None:
        """Note that an outage of a server has ended."""
        if self._outages[server].ends():
            log.info("%s can be used again", self._words.server_called(server))

    def note_accepted(self, server: str) -> None:
        """Note that a server has accepted a notice. A single one that it had not accepted is worth no line."""
        if self._refusals[server].ends(at_least=2):
            log.info("%s accepts %s again", self._words.server_called(server), self._words.many)


def _level(error: DeliveryError) -> int:
    return logging.ERROR if error.alarm else logging.WARNING


def _reason(error: DeliveryError) -> str:
    return f"{error.reason}; {error.hint}" if error.hint else error.reason
