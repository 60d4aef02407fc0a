"""A line of the log once a minute that says what a role has done, if it did something.

The records that were acknowledged are counted, so a replay counts again what it repeats. The line has numbers and kinds
of events only, nothing that a customer wrote.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from schemas.delivery import DeliveryStatus
from worker.flow import events
from worker.logs import counted
from worker.streams.sending import Sendable

log = logging.getLogger(__name__)

#: The delivery log has a line when a mail is planned, and further ones of what becomes of it: it is one mail.
_PLANNED = DeliveryStatus.PENDING.value

_EVERY_SECONDS = 60.0
#: What is counted of each topic, as one and as many, and after what its records have the word that tells the kinds
#: apart. Nothing from outside stands before that word.
_COUNTED = {
    events.DECISIONS: (("answer decided", "answers decided"), b'"outcome":"'),
    events.ALERTS: (("alert", "alerts"), b'"action":"'),
    events.INVITATIONS: (("invitation", "invitations"), b""),
    events.DEAD_LETTERS: (("dead letter", "dead letters"), b'"reason":"'),
    events.DELIVERIES: (("mail", "mails"), b'"status":"'),
}


class Activity:
    """Counts what is sent to the topics of a role; `topic_name` gives a topic's full name."""

    def __init__(self, topic_name: Callable[[str], str]) -> None:
        self._counted = {topic_name(topic): counted for topic, counted in _COUNTED.items()}
        self._kinds: dict[str, Counter[str]] = {topic: Counter() for topic in self._counted}

    def sent(self, topic: str, records: Iterable[Sendable]) -> None:
        """Take note of records that the broker has acknowledged; a null value erases, and is not counted."""
        if topic in self._counted:
            _, before = self._counted[topic]
            self._kinds[topic].update(_word(value, before) for _, value, *_ in records if value is not None)

    def say(self) -> None:
        """Say what was done since it was last said, if anything was."""
        done = [line for topic, (what, _) in self._counted.items() for line in _listed(what, self._kinds[topic])]
        if done:
            log.info("in the last minute: %s", ", ".join(done))
        for kinds in self._kinds.values():
            kinds.clear()

    async def report(self) -> None:
        """Say it every minute, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.say()


def _word(value: bytes, before: bytes) -> str:
    """Return the word that follows in an event that the worker made; nothing if the event has no such word."""
    found = value.find(before) if before else -1
    begin = found + len(before)
    return "" if found < 0 else value[begin : value.find(b'"', begin)].decode(errors="replace")


def _listed(what: tuple[str, str], found: Counter[str]) -> list[str]:
    """Return how many there were, and of which kinds where there are kinds; what is only planned stands apart."""
    lines, others = [], +Counter({kind: count for kind, count in found.items() if kind != _PLANNED})
    if found[_PLANNED]:
        lines.append(f"{counted(found[_PLANNED], *what)} planned")
    if others:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.most_common() if kind)
        lines.append(counted(others.total(), *what) + (f" ({kinds})" if kinds else ""))
    return lines
