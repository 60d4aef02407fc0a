"""Customers who have been silent for longer than `history.days`: their rows are erased, though no record is about them.

Whether a row has expired depends on its content and on the latest Kafka time of its partition alone. So it makes no
difference when a row is checked: until an expired row is erased, it counts as one that is not there.
"""

from collections.abc import Iterable, Mapping

import msgspec

from worker.flow.policy import Policy
from worker.flow.responses.customer import Answer, Contact, decode_contact, encode_contact
from worker.flow.sweeping import Rounds
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
    """Finds expired rows in one partition. A few rows are checked with each batch."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rounds = Rounds(rows, _ROWS_PER_BATCH)

    def changes(self, time: int, policy: Policy) -> dict[bytes, bytes | None]:
        """Check the next rows at a time, in ms. Return the rows that change; None stands for a row to erase."""
        found: dict[bytes, bytes | None] = {}
        for key, row in self._rounds.next_rows(time):
            if not _are_old(_peek(row).answers, time, policy):
                continue
            contact = decode_contact(row)
            remaining = unexpired(contact, time, policy)
            if remaining != contact:
                found[key] = None if remaining is None else encode_contact(remaining)
        return found
