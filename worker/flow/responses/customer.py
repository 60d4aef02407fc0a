"""A customer's row: what was answered, and when the customer was last invited.

The answers are also how far back a duplicate is recognised: HistoryPolicy bounds them by number and age.
"""

from collections.abc import Sequence
from struct import Struct

import msgspec

from worker.flow.batch import Overlay, Read
from worker.flow.ids import id_hash
from worker.flow.policy import HistoryPolicy
from worker.flow.responses.content import Content
from worker.flow.timestamps import DAY
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


#: An id as a 63-bit number, and the revision in 32 bits (`short_revision`).
_OLDER = Struct(">QI")
#: From here on revisions are kept in steps; of milliseconds since 1970, a step is 70 minutes.
_LARGE, _STEP_BITS = 2**31, 22
#: So many answers fit a row, however long their ids and segments are. More may weigh so many bytes: with the ids of
#: further ones, a row is below Kafka's default limit of 1 MiB.
_LIGHT, _HEAVIEST = 64, 400_000
#: What an answer takes in a row besides its texts, in bytes, at most.
_AROUND_TEXTS = 100


def short_revision(revision: int) -> int:
    """Return a revision in 32 bits, in the same order: as it is, or of a large one the step that it lies in."""
    return revision if revision < _LARGE else _LARGE + (revision >> _STEP_BITS)


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

    offset: int = -1  # at which it was last counted; -1: by a version whose numbers were not keyed (ids.py)

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
    older: bytes = b""  # ids and revisions of answers that are kept no more, oldest first: duplicates of them are known
    salt: bytes = b""  # of the numbers that segments have of this customer's answers (ids.py); gone with the row

    def answer(self, response_id: str) -> Answer | None:
        """Return what is known of a response."""
        for answer in self.answers:
            if answer.response_id == response_id:
                return answer
        return None

    def remember(self, answer: Answer, previous: Answer | None, now: int, policy: HistoryPolicy) -> None:
        """Put an answer in place of its earlier revision, or at the end; forget what is too old or too much."""
        if previous is not None:
            self.replace(previous, answer)
            return
        oldest = now - policy.days * DAY
        self.answers = [known for known in self.answers if known.seen >= oldest]
        self.answers.append(answer)
        if len(self.answers) > _LIGHT or len(self.answers) > policy.answers:
            self._make_room(policy)

    def older_revision(self, response_id: str) -> int | None:
        """Return the short revision of an answer of which only the id is kept; None if it is not known."""
        place = self._older_place(response_id) if self.older else None
        return None if place is None else _OLDER.unpack_from(self.older, place)[1]

    def note_older(self, response_id: str, revision: int, policy: HistoryPolicy) -> None:
        """Keep an answer's id and revision, as the newest of those; drop the oldest beyond the number kept."""
        place = self._older_place(response_id)
        kept = self.older if place is None else self.older[:place] + self.older[place + _OLDER.size :]
        kept += _OLDER.pack(id_hash(response_id), short_revision(revision))
        self.older = kept[-policy.known_ids * _OLDER.size :] if policy.known_ids else b""

    def _make_room(self, policy: HistoryPolicy) -> None:
        """Forget the oldest answers that are too many or too heavy; their ids are kept."""
        surplus = max(len(self.answers) - policy.answers, 0)
        while len(self.answers) - surplus > _LIGHT and _weight(self.answers[surplus:]) > _HEAVIEST:
            surplus += 1
        for known in self.answers[:surplus]:
            self.note_older(known.response_id, known.revision, policy)
        del self.answers[:surplus]

    def _older_place(self, response_id: str) -> int | None:
        wanted = id_hash(response_id).to_bytes(8)
        place = self.older.find(wanted)
        while place >= 0 and place % _OLDER.size:
            place = self.older.find(wanted, place + 1)
        return place if place >= 0 else None

    def replace(self, before: Answer, answer: Answer) -> None:
        """Put an answer in another's place."""
        self.answers[self.answers.index(before)] = answer


def _weight(answers: Sequence[Answer]) -> int:
    texts = (text for a in answers for text in (a.response_id, a.segment, a.survey_id))
    return sum(len(text.encode()) for text in texts) + _AROUND_TEXTS * len(answers)


encode_contact = msgspec.msgpack.Encoder().encode
decode_contact = msgspec.msgpack.Decoder(Contact).decode


def customers(read: Read) -> Overlay[Contact]:
    """Return the customers of one partition while a batch is decided."""
    return Overlay(read, decode_contact, encode_contact)
