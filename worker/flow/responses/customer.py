"""A customer's row: the answers, and when the customer was last invited.

Duplicates of the answers in the row are recognised. HistoryPolicy limits the number and the age of these answers.
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
#: survey tools. Version 0.1.0 made the ids of the response id alone, so that they were the same.
RESPONSE_ALONE = 0
CUSTOMER_AND_RESPONSE = 1
#: Why an answer does not count: it is a copy of one that was given a moment earlier, or one of many that a mail scanner
#: gave, or it turned out later that another customer gave it.
DOUBLE_CLICK = 1
SCANNER = 2
MOVED = 3


#: How an older id is packed: the hash of the response id, and its revision in 32 bits (`short_revision`).
_OLDER_ID = Struct(">QI")
#: From this revision on, revisions are kept in steps. If revisions are milliseconds since 1970, a step is 70 minutes.
_LARGE, _STEP_BITS = 2**31, 22
#: This number of answers fits in a row, however long their ids and segments are.
_ALWAYS_FIT = 64
#: If there are more answers, they take at most this number of bytes. With the older ids, a row then stays below Kafka's
#: default limit of 1 MiB.
_MOST_BYTES = 400_000
#: The largest number of bytes that an answer takes in a row in addition to its texts.
_BYTES_BESIDES_TEXTS = 100


def short_revision(revision: int) -> int:
    """Return a revision in 32 bits. The order of revisions is kept; large ones that are close together become equal."""
    return revision if revision < _LARGE else _LARGE + (revision >> _STEP_BITS)


class Answer(msgspec.Struct, array_like=True, gc=False):
    """The latest revision of one response."""

    response_id: str
    revision: int
    score: int
    #: The path of the segment.
    segment: str
    #: When the answer was given, in ms.
    at: int
    counted: bool
    #: When the first revision arrived, by Kafka's time in ms.
    arrived_at: int
    #: Empty in rows of versions that did not count surveys.
    survey_id: str = ""
    #: What the ids of the alert and of the invitation are made of.
    scheme: int = RESPONSE_ALONE
    #: Whether the alert is open; None in rows of version 0.1.0, where that follows from the score.
    alerted: bool | None = None
    #: What the response says; None in rows of version 0.1.0.
    content: Content | None = None
    #: Why the answer does not count although it is no test: DOUBLE_CLICK, SCANNER or MOVED. 0 if there is no such
    #: reason.
    exclusion: int = 0
    #: The offset at which the answer was last counted; -1 if a version counted it whose hashes had no salt (ids.py).
    offset: int = -1
    #: Whether its first revision was imported from the past (`history` in the response). Its corrections do not change
    #: this: what was counted for the incidents is taken out of them, and nothing else. In rows of versions before this
    #: rule, whether any revision was.
    is_history: bool = False

    def identity(self, customer_id: str) -> tuple[str, ...]:
        """Return what the ids of the alert and of the invitation are made of."""
        return (customer_id, self.response_id) if self.scheme == CUSTOMER_AND_RESPONSE else (self.response_id,)

    @property
    def is_excluded_in_burst(self) -> bool:
        """Whether the answer does not count because of a burst (bursts.py)."""
        return self.exclusion in {DOUBLE_CLICK, SCANNER}

    @property
    def has_alert(self) -> bool:
        """Whether an alert about this answer is open."""
        if self.alerted is None:
            return self.counted and self.score < PASSIVE_FROM
        return self.alerted


class Contact(msgspec.Struct, array_like=True, gc=False):
    """The row of a customer."""

    #: The highest offset whose record is part of this row.
    mark: int = -1
    #: In the order in which their first revisions arrived.
    answers: list[Answer] = msgspec.field(default_factory=list)
    #: When the customer was last invited, by Kafka's time in ms.
    invited_at: int | None = None
    #: The ids and revisions of answers that are not kept any more, the oldest first: their duplicates are recognised.
    older_ids: bytes = b""
    #: The salt of the hashes by which segments know this customer's answers (ids.py). It is erased with the row.
    salt: bytes = b""

    def answer(self, response_id: str) -> Answer | None:
        """Return the answer of a response; None if the row does not have it."""
        for answer in self.answers:
            if answer.response_id == response_id:
                return answer
        return None

    def remember(self, answer: Answer, previous: Answer | None, now: int, policy: HistoryPolicy) -> None:
        """Put an answer in the place of its previous revision, or at the end. Forget answers that are too old or many.

        `now`: the latest Kafka time, in ms.
        """
        if previous is not None:
            self.replace(previous, answer)
            return
        oldest = now - policy.days * DAY
        self.answers = [known for known in self.answers if known.arrived_at >= oldest]
        self.answers.append(answer)
        if len(self.answers) > _ALWAYS_FIT or len(self.answers) > policy.answers:
            self._make_room(policy)

    def older_revision(self, response_id: str) -> int | None:
        """Return the short revision of an answer of which only the id is kept; None if the id is not kept."""
        place = self._place_of_id(response_id) if self.older_ids else None
        return None if place is None else _OLDER_ID.unpack_from(self.older_ids, place)[1]

    def keep_id(self, response_id: str, revision: int, policy: HistoryPolicy) -> None:
        """Keep an answer's id and revision as the newest of the older ids. Drop the oldest if there are too many."""
        place = self._place_of_id(response_id)
        kept = self.older_ids if place is None else self.older_ids[:place] + self.older_ids[place + _OLDER_ID.size :]
        kept += _OLDER_ID.pack(id_hash(response_id), short_revision(revision))
        self.older_ids = kept[-policy.known_ids * _OLDER_ID.size :] if policy.known_ids else b""

    def _make_room(self, policy: HistoryPolicy) -> None:
        """Forget the oldest answers if there are too many, or if they take too many bytes. Their ids are kept."""
        excess = max(len(self.answers) - policy.answers, 0)
        while len(self.answers) - excess > _ALWAYS_FIT and _bytes_of(self.answers[excess:]) > _MOST_BYTES:
            excess += 1
        for known in self.answers[:excess]:
            self.keep_id(known.response_id, known.revision, policy)
        del self.answers[:excess]

    def _place_of_id(self, response_id: str) -> int | None:
        """Return where an id begins among the older ids; None if it is not there."""
        wanted = id_hash(response_id).to_bytes(8)
        place = self.older_ids.find(wanted)
        while place >= 0 and place % _OLDER_ID.size:
            place = self.older_ids.find(wanted, place + 1)
        return place if place >= 0 else None

    def replace(self, before: Answer, after: Answer) -> None:
        """Put an answer in the place of another."""
        self.answers[self.answers.index(before)] = after


def _bytes_of(answers: Sequence[Answer]) -> int:
    """Return the number of bytes that answers take in a row, at most."""
    texts = (text for a in answers for text in (a.response_id, a.segment, a.survey_id))
    return sum(len(text.encode()) for text in texts) + _BYTES_BESIDES_TEXTS * len(answers)


encode_contact = msgspec.msgpack.Encoder().encode
decode_contact = msgspec.msgpack.Decoder(Contact).decode


def customers(read: Read) -> Overlay[Contact]:
    """Return the customers of one partition while a batch is decided."""
    return Overlay(read, decode_contact, encode_contact)
