"""Customers who have been silent for longer than `history.days`: their rows go, though nothing comes that changes them.

Whether a row has expired is a matter of its content and of how far Kafka's time has come in its partition. So it makes
no difference when a row is looked at: until it is erased, an expired row counts as one that is not there.
"""

from collections.abc import Iterable, Mapping

import msgspec

from worker.flow.policy import Policy
from worker.flow.responses.customer import Answer, Contact, decode_contact, encode_contact
from worker.flow.timestamps import DAY

#: How many rows are looked at with each batch: a fraction of what it costs to decide and write one.
_ROWS_PER_BATCH = 16


class _AnswerPeek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An answer in a row, up to `seen`: to read the rest takes several times as long."""

    response_id: str
    revision: int
    score: int
    segment: str
    at: int
    counted: bool
    seen: int


class _Peek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A customer's row, of which only the answers' times are read."""

    mark: int
    answers: list[_AnswerPeek]


_peek = msgspec.msgpack.Decoder(_Peek).decode


def unexpired(contact: Contact, time: int, policy: Policy) -> Contact | None:
    """Return what remains of a customer's row at a time, in ms: the row itself, as long as its customer is not silent.

    Of a silent customer only a quarantine remains that has not ended yet; without one, nothing (None).
    """
    if not _are_old(contact.answers, time, policy):
        return contact
    invited_at = contact.invited_at
    if invited_at is None or time >= invited_at + policy.invitations.quarantine_days * DAY:
        return None
    return Contact(contact.mark, invited_at=invited_at)


def _are_old(answers: Iterable[Answer | _AnswerPeek], time: int, policy: Policy) -> bool:
    oldest = time - policy.history.days * DAY
    for answer in answers:  # noqa: SIM110 - `all` takes twice as long for the one or two answers of most customers
        if answer.seen >= oldest:
            return False
    return True


class Sweep:
    """Looks for expired rows among those of one partition, a few with each batch, in rounds.

    A round takes the rows that there are at its beginning; the next one begins a day later, by Kafka's time. Where it
    stands is kept in memory only: a worker that takes the partition over begins a new round.
    """

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._remaining: list[bytes] = []
        self._next_round = 0

    def changes(self, time: int, policy: Policy) -> dict[bytes, bytes | None]:
        """Look at the next rows; return those that change at this time, in ms (None: the row is erased)."""
        if not self._remaining and time >= self._next_round:
            self._remaining = list(self._rows)
            self._next_round = time + DAY
        looked_at = self._remaining[-_ROWS_PER_BATCH:]
        del self._remaining[-_ROWS_PER_BATCH:]
        found: dict[bytes, bytes | None] = {}
        for key in looked_at:
            row = self._rows.get(key)
            if row is None or not _are_old(_peek(row).answers, time, policy):
                continue  # erased since the round began, or of a customer who is not silent
            contact = decode_contact(row)
            remaining = unexpired(contact, time, policy)
            if remaining != contact:
                found[key] = None if remaining is None else encode_contact(remaining)
        return found
