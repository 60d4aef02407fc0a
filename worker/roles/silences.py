"""The silences of all receivers in memory, as their topic has them. A task follows the topic."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from worker.errors import Rejected
from worker.flow import events
from worker.kafka.following import follow
from worker.kafka.topics import topic_name
from worker.notify.silenced import KnownSilences
from worker.service import Background
from worker.settings import Settings

log = logging.getLogger(__name__)


class Silences(Protocol):
    """The silences, as those see them who send notices."""

    @property
    def known(self) -> KnownSilences:
        """The silences that are known."""

    @property
    def caught_up(self) -> asyncio.Event:
        """Set once all silences are known that there were at the start. Nothing may be sent before."""

    def observe(self, on_change: Callable[[str], None]) -> None:
        """Call a function with the id of each silence that changes from now on."""


class FollowedSilences(Background):
    """Follows the topic of the silences. It is ready once the topic was read to its end."""

    def __init__(self, settings: Settings) -> None:
        self.known = KnownSilences()
        self.caught_up = asyncio.Event()
        self._observers: list[Callable[[str], None]] = []
        self._next: dict[int, int] = {}
        topic = topic_name(settings.topic_prefix, events.SILENCES)
        super().__init__(partial(follow, settings.kafka, topic, self))

    @property
    def ready(self) -> bool:
        """Whether all silences are known that there were at the start."""
        return self.caught_up.is_set()

    def observe(self, on_change: Callable[[str], None]) -> None:
        """Call a function with the id of each silence that changes from now on."""
        self._observers.append(on_change)

    # -- What following asks (worker/kafka/following.py).

    def next_offset(self, partition: int) -> int:
        """Return the offset of a partition up to which the topic was read."""
        return self._next.get(partition, 0)

    def forget(self, partition: int) -> None:  # noqa: ARG002 - all partitions are read again
        """Forget the silences: the topic was deleted and created again, so all of its partitions were."""
        self._next.clear()
        self.known.forget()

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Take in records of the topic."""
        for record in records:
            self._next[record.partition] = record.offset + 1
            try:
                changed = self.known.take(record.key or b"", record.value)
            except (ValidationError, Rejected):
                text = "%s, partition %d, offset %d: is no silence of this version, and is skipped"
                log.warning(text, record.topic, record.partition, record.offset)
                continue
            if changed is not None and self.caught_up.is_set():
                for on_change in self._observers:
                    on_change(changed)

    def note_caught_up(self, ends: Mapping[int, int]) -> None:  # noqa: ARG002 - only that it was read matters
        """Let notices be sent."""
        if not self.caught_up.is_set():
            log.info("%d silences are known", len(self.known))
        self.caught_up.set()
