"""A log line once a minute that says what a role has done, if it has done something.

It counts the records that were acknowledged, so a replay counts again what it repeats. The line holds only numbers and
kinds of events, and nothing that a customer wrote.
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

#: The delivery log has one line when something is planned, and further lines about it when it is tried.
_PLANNED = DeliveryStatus.PENDING.value
#: It has one line about an alert or an incident that has no receiver, and so no mail.
_NOBODY = DeliveryStatus.NOBODY.value

_EVERY_SECONDS = 60.0
#: For each topic: what its records are called, in the singular and in the plural, and the text in a record's value that
#: stands directly before its kind. In front of that text, the value has nothing that comes from outside.
_COUNTED = {
    events.DECISIONS: (("answer decided", "answers decided"), b'"outcome":"'),
    events.ALERTS: (("alert", "alerts"), b'"action":"'),
    events.INVITATIONS: (("invitation", "invitations"), b""),
    events.DEAD_LETTERS: (("dead letter", "dead letters"), b'"reason":"'),
}
#: The same text for deliveries, whose name depends on the channel.
_STATUS = b'"status":"'


class Activity:
    """Counts what is sent to the topics of a role. `topic_name` returns a topic's full name.

    `deliveries`: what deliveries are called, in the singular and in the plural.
    """

    def __init__(self, topic_name: Callable[[str], str], deliveries: tuple[str, str] = ("mail", "mails")) -> None:
        counted = {**_COUNTED, events.DELIVERIES: (deliveries, _STATUS)}
        self._counted = {topic_name(topic): how for topic, how in counted.items()}
        self._kinds: dict[str, Counter[str]] = {topic: Counter() for topic in self._counted}

    def sent(self, topic: str, records: Iterable[Sendable]) -> None:
        """Count records that the broker has acknowledged. A null value erases something, and is not counted."""
        if topic in self._counted:
            _, prefix = self._counted[topic]
            self._kinds[topic].update(_kind(value, prefix) for _, value, *_ in records if value is not None)

    def write_line(self) -> None:
        """Log what was counted since the last line, if anything was."""
        done = [part for topic, (nouns, _) in self._counted.items() for part in _described(nouns, self._kinds[topic])]
        if done:
            log.info("in the last minute: %s", ", ".join(done))
        for kinds in self._kinds.values():
            kinds.clear()

    async def report(self) -> None:
        """Write a line every minute, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.write_line()


def _kind(value: bytes, prefix: bytes) -> str:
    """Return the kind of an event that the worker made: the text between `prefix` and the next quotation mark.

    It is empty if `prefix` is empty, or is not in the value.
    """
    found = value.find(prefix) if prefix else -1
    begin = found + len(prefix)
    return "" if found < 0 else value[begin : value.find(b'"', begin)].decode(errors="replace")


def _described(nouns: tuple[str, str], count_by_kind: Counter[str]) -> list[str]:
    """Return the parts of the line about one topic: how many records of each kind there were.

    Planned deliveries are a part of their own, and so is what is for nobody. `nouns`: the singular and the plural.
    """
    others = +Counter({kind: count for kind, count in count_by_kind.items() if kind not in {_PLANNED, _NOBODY}})
    parts = []
    if count_by_kind[_PLANNED]:
        parts.append(f"{counted(count_by_kind[_PLANNED], *nouns)} planned")
    if count_by_kind[_NOBODY]:
        parts.append(f"{counted(count_by_kind[_NOBODY], 'notice')} for nobody")
    if others:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.most_common() if kind)
        parts.append(counted(others.total(), *nouns) + (f" ({kinds})" if kinds else ""))
    return parts
