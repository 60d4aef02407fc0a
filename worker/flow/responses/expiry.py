"""Customers who have been silent for longer than `history.days`: their rows are erased, though no record is about them.

Whether a row has expired depends on its content and on the latest Kafka time of its partition alone. So it makes no
difference when a row is checked: until an expired row is erased, it counts as one that is not there.
"""

from collections.abc import Iterable, Mapping

import msgspec

from worker.flow.policy import Policy
from worker.flow.responses.customer import Answer, Contact, decode_contact, encode_contact
from worker.flow.timestamps import DAY

#: The number of rows that are checked with each batch. That costs a fraction of deciding and writing one row.
_ROWS_PER_BATCH = 16


class _AnswerPeek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of an answer in a row. To decode the others would take several times as long."""

    response_id: str
    revision: int
    score: int
    segment: str
    at: int
    counted: bool
    arrived_at: int


class _Peek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of a customer's row."""

    mark: int
    answers: list[_AnswerPeek]


_peek = msgspec.msgpack.Decoder(_Peek).decode


def unexpired(contact: Contact, time: int, policy: Policy) -> Contact | None:
    """Return what remains of a customer's row at a time, in ms: the row itself while its customer is not silent.

    If the customer is silent, only a quarantine that has not ended remains; None if there is none.
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
        if answer.arrived_at >= oldest:
            return False
    return True


class Sweep:
    """Finds expired rows in one partition, in rounds. A few rows are checked with each batch.

    A round takes the rows that there are at its beginning. The next round begins a day later, by Kafka's time. How far
    a round has come is kept in memory only: a worker that takes the partition over begins a new round.
    """

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rows = rows
        self._remaining: list[bytes] = []
        self._next_round = 0

    def changes(self, time: int, policy: Policy) -> dict[bytes, bytes | None]:
        """Check the next rows at a time, in ms. Return the rows that change; None stands for a row to erase."""
        if not self._remaining and time >= self._next_round:
            self._remaining = list(self._rows)
            self._next_round = time + DAY
        checked = self._remaining[-_ROWS_PER_BATCH:]
        del self._remaining[-_ROWS_PER_BATCH:]
        found: dict[bytes, bytes | None] = {}
        for key in checked:
            row = self._rows.get(key)
            if row is None or not _are_old(_peek(row).answers, time, policy):
                continue  # the row was erased after the round began, or its customer is not silent
            contact = decode_contact(row)
            remaining = unexpired(contact, time, policy)
            if remaining != contact:
                found[key] = None if remaining is None else encode_contact(remaining)
        return found
