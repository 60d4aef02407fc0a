"""A customer's row: what was answered, and when the customer was last invited.

The answers are also how far back a duplicate is recognised: HistoryPolicy bounds them by number and age.
"""

from collections.abc import Callable

import msgspec

from worker.flow.content import Content
from worker.flow.moment import DAY
from worker.flow.policy import HistoryPolicy
from worker.nps.histogram import PASSIVE_FROM

#: What the ids of an alert and of an invitation are made of. Two customers may have the same response id, from two
#: survey tools; the ids of the version before did not tell them apart.
RESPONSE_ALONE = 0
CUSTOMER_AND_RESPONSE = 1
#: Why an answer does not count: it is a copy of one given a moment before, or one of many that a mail scanner gave.
DOUBLE_CLICK = 1
SCANNER = 2
#: Or because another customer has it: who gave it became known later.
MOVED = 3


class Answer(msgspec.Struct, array_like=True, gc=False):
    """The latest revision of one response. `at`: when it was given, `seen`: when it first came in, in ms."""

    response_id: str
    revision: int
    score: int
    segment: str
    at: int
    counted: bool
    seen: int
    survey_id: str = ""  # not known of rows before surveys were counted
    scheme: int = RESPONSE_ALONE  # what the ids of its alert and its invitation are made of
    alerted: bool | None = (
        None  # whether its alert is open; None in rows of the version before, where the score says it
    )

    content: Content | None = None  # what it said; None in rows of the version before

    held: int = 0  # why it does not count, though it is no trial

    def identity(self, customer_id: str) -> tuple[str, ...]:
        """Return what the ids of its alert and its invitation are made of."""
        return (customer_id, self.response_id) if self.scheme == CUSTOMER_AND_RESPONSE else (self.response_id,)

    @property
    def is_held(self) -> bool:
        """Whether it is one of a burst (bursts.py) and does not count."""
        return self.held in {DOUBLE_CLICK, SCANNER}

    @property
    def has_alert(self) -> bool:
        """Whether an alert about this answer is open."""
        if self.alerted is None:
            return self.counted and self.score < PASSIVE_FROM
        return self.alerted


class Contact(msgspec.Struct, array_like=True, gc=False):
    """`mark`: the highest offset this row stands for. `invited_at` in ms."""

    mark: int = -1
    answers: list[Answer] = msgspec.field(default_factory=list)
    invited_at: int | None = None

    def answer(self, response_id: str) -> Answer | None:
        """Return what is known of a response."""
        for answer in self.answers:
            if answer.response_id == response_id:
                return answer
        return None

    def remember(self, answer: Answer, before: Answer | None, now: int, policy: HistoryPolicy) -> None:
        """Put an answer in place of its earlier revision, or at the end; forget what is too old or too much."""
        if before is not None:
            self.replace(before, answer)
            return
        oldest = now - policy.days * DAY
        self.answers = [known for known in self.answers if known.seen >= oldest]
        self.answers.append(answer)
        del self.answers[: -policy.answers]

    def replace(self, before: Answer, answer: Answer) -> None:
        """Put an answer in another's place."""
        self.answers[self.answers.index(before)] = answer


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Contact).decode


class Contacts:
    """The customers of one partition while a batch is decided: rows as they are read, with the changes on top."""

    def __init__(self, read: Callable[[bytes], bytes | None]) -> None:
        self._read = read
        self._open: dict[bytes, Contact | None] = {}

    def get(self, key: bytes) -> Contact | None:
        """Return the customer's row, None if there is none (or it was erased in this batch)."""
        if key in self._open:
            return self._open[key]
        row = self._read(key)
        contact = self._open[key] = None if row is None else _decode(row)
        return contact

    def put(self, key: bytes, contact: Contact) -> None:
        """Keep a row; later changes to it are kept as well."""
        self._open[key] = contact

    def erase(self, key: bytes) -> None:
        """Forget the customer."""
        self._open[key] = None

    def rows(self) -> dict[bytes, bytes | None]:
        """Return every row that was opened, encoded; None erases."""
        return {key: None if contact is None else _encode(contact) for key, contact in self._open.items()}
