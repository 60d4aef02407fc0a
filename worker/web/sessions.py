"""The sessions of all web processes, as `nps.audit` has them: who has logged in, and which sessions were ended.

Each process follows the topic from as far back as a session can last. So a session that somebody has ended is refused
by all processes, also after a restart. Before the topic was read once, nobody with a session is let in.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from schemas.audit import Audit, AuditAction
from worker.flow import events
from worker.flow.timestamps import HOUR
from worker.kafka import following, reading, topics
from worker.kafka.awaiting import when_it_exists
from worker.settings import Settings

log = logging.getLogger(__name__)

#: By how much Kafka's clock and that of a web process may differ, in ms.
_CLOCKS_DIFFER = HOUR
#: The largest number of ended sessions, and of open ones, that are remembered; the oldest are forgotten first.
_MOST = 100_000


class OpenSession(NamedTuple):
    """A session that has begun, and that nobody has ended."""

    #: Its public id.
    id: str
    name: str
    permission: str
    #: When the person has logged in, in ms.
    began: int


class Sessions:
    """The sessions, and what follows the topic."""

    def __init__(self, settings: Settings, now: Callable[[], int]) -> None:
        self._kafka = settings.kafka
        self._topic = topics.topic_name(settings.topic_prefix, events.AUDIT)
        self._span = settings.web.auth.session_hours * HOUR
        self._now = now
        self._places: dict[int, int] = {}
        self._ended: dict[str, int] = {}
        self._open: dict[str, OpenSession] = {}
        self._caught_up = False

    @property
    def ready(self) -> bool:
        """Whether it is known which sessions were ended."""
        return self._caught_up

    def is_ended(self, public: str) -> bool:
        """Say whether a session was ended. `public`: its public id. Each counts as ended until the topic was read."""
        return not self._caught_up or public in self._ended

    def open(self) -> list[OpenSession]:
        """Return the sessions that have neither expired nor been ended, the newest first."""
        since = self._now() - self._span
        return sorted((one for one in self._open.values() if one.began > since), key=lambda one: -one.began)

    def end(self, public: str) -> None:
        """End a session in this process at once. The others learn it from the topic."""
        self._ended[public] = self._now()
        self._open.pop(public, None)
        self._forget_old(self._ended)

    async def follow(self) -> None:
        """Follow the topic until cancelled. Raise Refused if Kafka does not let the worker in or read the topic."""
        self._places = dict(await when_it_exists(self._kafka, self._topic, self._beginnings))
        await following.follow(self._kafka, self._topic, self)

    async def _beginnings(self, reader: reading.Reader, partitions: set[int]) -> Mapping[int, int]:
        """Return the offset of each partition from which on sessions matter that are valid now."""
        since = max(0, self._now() - self._span - _CLOCKS_DIFFER)
        ends = await reader.ends(self._topic, partitions)
        return {**ends, **await reader.from_time(self._topic, partitions, since)}

    def next_offset(self, partition: int) -> int:
        """Return the offset of a partition up to which the topic was read."""
        return self._places.get(partition, 0)

    def forget(self, partition: int) -> None:
        """Read a partition from its beginning, since the topic was created again. Ended sessions stay ended."""
        self._places.pop(partition, None)

    def note_caught_up(self, ends: Mapping[int, int]) -> None:
        """Let people with sessions in."""
        for partition, end in ends.items():
            self._places[partition] = max(end, self.next_offset(partition))
        self._caught_up = True

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Take records of the topic."""
        for record in records:
            self._places[record.partition] = record.offset + 1
            try:
                event = Audit.model_validate_json(record.value or b"")
            except ValidationError:
                text = "%s, partition %d, offset %d: this version cannot read the record, and leaves it out"
                log.warning(text, self._topic, record.partition, record.offset)
                continue
            self._note(event)

    def _note(self, event: Audit) -> None:
        if event.action == AuditAction.LOGGED_IN and event.session is not None:
            if event.session not in self._ended:
                began = int(event.at.timestamp() * 1_000)
                self._open[event.session] = OpenSession(event.session, event.actor or "", event.permission or "", began)
                self._forget_old(self._open)
        elif event.action == AuditAction.LOGGED_OUT and event.session is not None:
            self.end(event.session)
        elif event.action == AuditAction.SESSION_ENDED and event.about is not None:
            self.end(event.about)

    def _forget_old(self, known: dict[str, int] | dict[str, OpenSession]) -> None:
        """Bound what is known. Sessions that have expired may be forgotten, and they were added first."""
        since = self._now() - self._span - _CLOCKS_DIFFER
        while known:
            oldest = next(iter(known))
            value = known[oldest]
            if len(known) <= _MOST and (value if isinstance(value, int) else value.began) > since:
                return
            del known[oldest]
