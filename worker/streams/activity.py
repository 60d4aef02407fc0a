"""A log line once a minute that says what a role has done, if it has done something.

It counts the records that were acknowledged, so a replay counts again what it repeats. The line holds only numbers and
kinds of events, and nothing that a customer wrote.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from schemas.case import CASE
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
#: What something is called in the singular and in the plural.
Nouns = tuple[str, str]
_STEPS_OF_ALERTS = ("step of an alert", "steps of alerts")
_STEPS_OF_CASES = ("step of a case", "steps of cases")
_STEPS_OF_INCIDENTS = ("step of an incident", "steps of incidents")
#: For each topic: what its records are called, and the text in a record's value that stands directly before its kind.
#: In front of that text, the value has nothing that comes from outside.
_COUNTED: Mapping[str, tuple[Nouns, bytes]] = {
    events.DECISIONS: (("answer decided", "answers decided"), b'"outcome":"'),
    events.ALERTS: (_STEPS_OF_INCIDENTS, b'"action":"'),
    events.INVITATIONS: (("invitation", "invitations"), b""),
    events.DEAD_LETTERS: (("dead letter", "dead letters"), b'"reason":"'),
}
#: What the records of the alerts' topic are called that are about something else than an incident, by this text.
_ABOUT = b'"kind":"'
_BY_ABOUT = {"detractor": _STEPS_OF_ALERTS, CASE: _STEPS_OF_CASES}
#: The same text for deliveries, whose name depends on the channel.
_STATUS = b'"status":"'


class Activity:
    """Counts what is sent to the topics of a role. `topic_name` returns a topic's full name.

    `deliveries`: what deliveries are called.
    """

    def __init__(self, topic_name: Callable[[str], str], deliveries: Nouns = ("mail", "mails")) -> None:
        counted = {**_COUNTED, events.DELIVERIES: (deliveries, _STATUS)}
        self._counted = {topic_name(topic): how for topic, how in counted.items()}
        self._alerts = topic_name(events.ALERTS)
        self._kinds: dict[Nouns, Counter[str]] = {}
        for topic, (nouns, _) in self._counted.items():
            for each in (*_BY_ABOUT.values(), nouns) if topic == self._alerts else (nouns,):
                self._kinds[each] = Counter()

    def sent(self, topic: str, records: Iterable[Sendable]) -> None:
        """Count records that the broker has acknowledged. A null value erases something, and is not counted."""
        if topic not in self._counted:
            return
        nouns, prefix = self._counted[topic]
        for _, value, *_ in records:
            if value is not None:
                about = _BY_ABOUT.get(_kind(value, _ABOUT), nouns) if topic == self._alerts else nouns
                self._kinds[about][_kind(value, prefix)] += 1

    def write_line(self) -> None:
        """Log what was counted since the last line, if anything was."""
        done = [part for nouns, kinds in self._kinds.items() for part in _described(nouns, kinds)]
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


def _described(nouns: Nouns, count_by_kind: Counter[str]) -> list[str]:
    """Return the parts of the line about what is called so: how many records of each kind there were.

    Planned deliveries are a part of their own, and so is what is for nobody.
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
