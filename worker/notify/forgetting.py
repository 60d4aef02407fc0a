"""Mailboxes of customers about whom nothing was sent for longer than `history.days`: they are erased. Pure.

By then the worker has forgotten the customer's answers too (worker/flow/responses/expiry.py), so no step of an alert
that the mailbox knows can follow. Nothing that waits is erased. The mailboxes of segments stay, since they name nobody,
and an incident may last.

Whether a mailbox counts as forgotten depends on its content and on the latest Kafka time of a batch alone. So it makes
no difference when its row is checked: until it is erased, it counts as one that is not there.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from worker.flow.batch import Decided, Read, Record
from worker.flow.sweeping import Rounds
from worker.flow.timestamps import DAY
from worker.notify import mailbox, planning, receiver_planning
from worker.notify.forwarded import Spread
from worker.notify.planning import Planner

#: The number of rows that are checked with each batch, which takes a fraction of a millisecond.
ROWS_PER_BATCH = 64


class _MailPeek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The first fields of a mail in a row."""

    delivery_id: str
    alert_id: str
    route: str
    status: str
    attempts: int
    planned: int


class _Peek(msgspec.Struct, array_like=True, frozen=True, gc=False):
    mails: list[_MailPeek]


_peek = msgspec.msgpack.Decoder(_Peek).decode


def is_forgotten(key: bytes, row: bytes, oldest: int) -> bool:
    """Say whether a row is the mailbox of a customer in which nothing waits, and nothing was planned since `oldest`.

    `oldest`: in ms.
    """
    if not mailbox.is_of_customer(key) or mailbox.has_open(row):
        return False
    return all(mail.planned < oldest for mail in _peek(memoryview(row)[1:]).mails)


class Sweep:
    """Finds forgotten mailboxes in one partition."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self._rounds = Rounds(rows, ROWS_PER_BATCH, mailbox.is_of_customer)

    def changes(self, oldest: int) -> dict[bytes, bytes | None]:
        """Check the next rows; return those to erase, with None in place of the row. `oldest`: in ms."""
        return {key: None for key, row in self._rounds.next_rows(oldest) if is_forgotten(key, row, oldest)}


def plan(
    records: Sequence[Record],
    planner: Planner,
    rows: Mapping[bytes, bytes],
    sweep: Sweep,
    days: int,
    spread: Spread | None = None,
) -> Decided:
    """Plan the mails of a batch as if forgotten mailboxes were not there, and erase some of them.

    `rows`: those of the partition; `days`: how long a mailbox is remembered after its last mail was planned; `spread`:
    where the plans of receivers are.
    """
    oldest = _oldest(records, days)
    decided = planning.plan(records, planner, _remembered(rows, oldest), spread)
    return decided._replace(rows={**sweep.changes(oldest), **decided.rows})


def plan_receivers(
    batch: receiver_planning.Batch, planner: Planner, rows: Mapping[bytes, bytes], sweep: Sweep, days: int
) -> Decided:
    """Plan the mails of receivers that have plans in the same way."""
    oldest = _oldest(batch.records, days)
    decided = receiver_planning.plan(batch, planner, _remembered(rows, oldest))
    return decided._replace(rows={**sweep.changes(oldest), **decided.rows})


def _oldest(records: Iterable[Record], days: int) -> int:
    return max((record.timestamp for record in records), default=0) - days * DAY


def _remembered(rows: Mapping[bytes, bytes], oldest: int) -> Read:
    """Return what reads rows, but no forgotten mailboxes."""

    def read(key: bytes) -> bytes | None:
        row = rows.get(key)
        return None if row is None or is_forgotten(key, row, oldest) else row

    return read
