"""The latest dead letters: what was refused, and why."""

from base64 import b64decode
from typing import NamedTuple

from schemas.dead_letter import DeadLetter
from worker.board.newest import Bounds, Kept, Newest, Page, page_of
from worker.flow.batch import Record
from worker.flow.timestamps import to_ms


class Letter(Kept):
    """A refused record, or what is refused in a delivery by HTTP."""

    id: str
    reason: str
    detail: str
    #: Where it was: `receive/` and the source's name for a delivery, whose partition and offset are -1.
    topic: str
    partition: int
    offset: int
    #: Its Kafka time, or when the delivery arrived, in ms.
    refused_at: int
    key: bytes | None
    #: The beginning of the value or body; None if the record had none.
    payload: bytes | None
    #: The size of the whole value or body, in bytes.
    payload_bytes: int
    #: Whether `payload` is only a part of it.
    truncated: bool

    @property
    def was_delivered(self) -> bool:
        """Whether it came by HTTP, and lay on no topic."""
        return self.partition < 0


class LetterQuery(NamedTuple):
    """Which dead letters are wanted. What is empty does not limit them."""

    reason: str = ""
    topic: str = ""
    #: Where the page begins: `next` of the page before.
    after: str = ""


class DeadLetters:
    """The latest dead letters by their ids, as nps.dead-letters has them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        #: It grows with each change.
        self.version = 0
        self._newest: Newest[Letter] = Newest(bounds or Bounds(), self._drop)
        self._by_id: dict[str, Letter] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, record: Record) -> None:
        """Take in a dead letter. Raise one of UNREADABLE if the record is none.

        If it is known already, since a delivery was repeated or a batch decided again, the newer record counts.
        """
        read = DeadLetter.model_validate_json(record.value or b"")
        letter = Letter(
            (record.timestamp, record.partition, record.offset),
            len(record.value or b""),
            read.dead_letter_id,
            read.reason,
            read.detail,
            read.topic,
            read.partition,
            read.offset,
            to_ms(read.timestamp),
            None if read.key is None else b64decode(read.key, validate=True),
            None if read.payload is None else b64decode(read.payload, validate=True),
            read.payload_bytes,
            read.truncated,
        )
        known = self._by_id.get(letter.id)
        if known is not None:
            self._newest.remove([known])
        self.version += 1
        self._by_id[letter.id] = letter
        self._newest.put(letter)

    def forget(self, partition: int) -> None:
        """Forget what a partition had, since its topic was deleted and created again."""
        self.version += 1
        self._newest.forget(partition)

    def find(self, letter_id: str) -> Letter | None:
        """Return a dead letter; None if it is not known."""
        return self._by_id.get(letter_id)

    def latest(self, query: LetterQuery) -> Page[Letter]:
        """Return a page of the dead letters that a query wants, the latest one first."""
        found = self._newest.newest_first()
        if query.reason:
            found = [one for one in found if one.reason == query.reason]
        if query.topic:
            found = [one for one in found if one.topic == query.topic]
        return page_of(found, query.after)

    def reasons(self) -> dict[str, int]:
        """Return how many dead letters there are of each reason, the most frequent reason first."""
        counted: dict[str, int] = {}
        for one in self._by_id.values():
            counted[one.reason] = counted.get(one.reason, 0) + 1
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    def _drop(self, letter: Letter) -> None:
        if self._by_id.get(letter.id) is letter:
            del self._by_id[letter.id]
