"""A topic that is followed: its records are given to stores of the board, and it is known how far it was read."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from aiokafka import ConsumerRecord

from worker.board.unreadable import UNREADABLE
from worker.clock import Clock
from worker.throttle import Throttle

log = logging.getLogger(__name__)

#: A line about records that cannot be read is written this often at most, in seconds.
_WARN_SECONDS = 60.0

Take = Callable[[ConsumerRecord], None]
Forget = Callable[[int], None]


class Source(NamedTuple):
    """A topic, and what its records are for."""

    #: Its full name.
    topic: str
    #: The kinds of the board's data that are complete once it was read (worker.board.board.KINDS).
    kinds: tuple[str, ...]
    #: Takes in a record. It raises one of UNREADABLE if it cannot read the record.
    take: Take
    #: Forgets what a partition had.
    forget: Forget
    #: How many of the newest records are read at first, the same number in each partition; None for all.
    newest: int | None = None


class Followed:
    """Follows one topic (worker/kafka/following.py)."""

    def __init__(self, source: Source, known_at: dict[str, int | None], clock: Clock) -> None:
        """`known_at`: of the board, which is told when Kafka had nothing newer."""
        self.source = source
        #: The partitions that the topic has; empty until it was read once.
        self.partitions: list[int] = []
        self._known_at = known_at
        self._clock = clock
        self._next: dict[int, int] = {}
        self._asked_at = 0
        self._awaited: Mapping[int, int] | None = None
        self._throttle = Throttle(_WARN_SECONDS)
        for kind in source.kinds:
            known_at[kind] = None

    @property
    def caught_up(self) -> bool:
        """Whether the topic was read to its end once."""
        return bool(self.partitions)

    def note_ends(self, asked_at: int, ends: Mapping[int, int]) -> None:
        """Note the ends that the partitions had after a time, in ms. Once they are reached, nothing older is missing.

        While earlier ends are awaited, others are not noted: in a topic with many records, the end is always ahead.
        """
        if self._awaited is None and self.caught_up:
            self._asked_at, self._awaited = asked_at, ends
        self._look_at_ends()

    # -- What following asks (worker/kafka/following.py).

    def next_offset(self, partition: int) -> int:
        """Return the offset of a partition up to which the topic was read."""
        return self._next.get(partition, 0)

    def forget(self, partition: int) -> None:
        """Forget a partition, since its topic was deleted and created again."""
        self._next.pop(partition, None)
        self._awaited = None
        self.source.forget(partition)

    def take(self, records: Iterable[ConsumerRecord]) -> None:
        """Give records to the stores."""
        for record in records:
            if record.offset < self.next_offset(record.partition):
                self.forget(record.partition)
            self._next[record.partition] = record.offset + 1
            try:
                self.source.take(record)
            except UNREADABLE:
                if self._throttle.allows():
                    text = "%s, partition %d, offset %d: this version cannot read the record, and leaves it out"
                    log.warning(text, record.topic, record.partition, record.offset)
        self._look_at_ends()

    def note_caught_up(self, ends: Mapping[int, int]) -> None:
        """Note that the topic was read to its ends. Its last records may have been compacted away."""
        if not self.caught_up:
            log.info("%s was read to its end", self.source.topic)
        self.partitions = [*ends]
        for partition, end in ends.items():
            self._next[partition] = max(end, self.next_offset(partition))
        self._note_known(self._clock.now())

    def _look_at_ends(self) -> None:
        if self._awaited is not None and all(self.next_offset(one) >= end for one, end in self._awaited.items()):
            self._awaited = None
            self._note_known(self._asked_at)

    def _note_known(self, at: int) -> None:
        for kind in self.source.kinds:
            self._known_at[kind] = at
