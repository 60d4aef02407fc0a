"""The latest recoveries, and the figures of the closed loop that they give."""

import sys
from datetime import datetime
from functools import lru_cache
from typing import Annotated, NamedTuple

import msgspec

from worker.board.figures import Grouped, grouped
from worker.board.interned import interned
from worker.board.newest import Bounds, Index, Kept, Newest
from worker.board.visible import EVERYTHING, sees
from worker.flow.batch import Record
from worker.flow.timestamps import to_ms

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class FollowUp(msgspec.Struct, gc=False):
    """The customer's next answer."""

    answered_at: _Time
    recovered: bool


class _Read(msgspec.Struct, gc=False):
    """What is read of a recovery."""

    recovery_id: str
    customer_id: str
    survey_id: str
    segment: str
    severity: str
    state: str
    opening: int
    opened_at: _Time
    acknowledged_at: _Time | None = None
    ended_at: _Time | None = None
    seconds_to_acknowledge: float | None = None
    seconds_to_resolve: float | None = None
    working_seconds_to_acknowledge: float | None = None
    working_seconds_to_resolve: float | None = None
    acknowledge_due_at: _Time | None = None
    resolve_due_at: _Time | None = None
    cause: str | None = None
    follow_up: FollowUp | None = None
    receivers: tuple[str, ...] = ()


class _Kept(Kept):
    """A recovery. Texts that many have are kept once."""

    read: _Read
    #: When the case was opened or reopened, in ms.
    opened_at: int


_read = msgspec.json.Decoder(_Read).decode


class LoopQuery(NamedTuple):
    """Which recoveries are wanted, and what they are grouped by."""

    #: A key of worker.board.figures.FIELDS.
    by: str
    #: The segment that they are in or below.
    segment: str = ""
    #: Those whose cases were opened, or reopened, at this time or later, in ms.
    since: int = 0
    #: The segments that the person may see, with what is below them.
    visible: tuple[str, ...] = EVERYTHING


class RecoveryLog:
    """The newest event of each recovery, as nps.recoveries has them."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        #: It grows with each change.
        self.version = 0
        self._newest: Newest[_Kept] = Newest(bounds or Bounds(), self._drop)
        self._by_id: dict[str, _Kept] = {}
        self._of_customer: Index[_Kept] = Index()
        self._computed = lru_cache(maxsize=64)(self._figures)

    def __len__(self) -> int:
        return len(self._newest)

    def take(self, record: Record) -> None:
        """Take in an event, which replaces the one before. A null value erases the customer.

        Raise one of UNREADABLE if the record is none.
        """
        if record.value is None:
            self.version += 1
            self._newest.remove(self._of_customer.of((record.key or b"").decode(errors="replace")))
            return
        read = _read(record.value)
        read.survey_id, read.segment, read.severity, read.state = map(
            sys.intern, (read.survey_id, read.segment, read.severity, read.state)
        )
        read.receivers = interned(read.receivers)
        read.cause = None if read.cause is None else sys.intern(read.cause)
        kept = _Kept(
            (record.timestamp, record.partition, record.offset), len(record.value), read, to_ms(read.opened_at)
        )
        known = self._by_id.get(read.recovery_id)
        if known is not None:
            self._newest.remove([known])
        self.version += 1
        self._by_id[read.recovery_id] = kept
        self._of_customer.put(read.customer_id, kept)
        self._newest.put(kept)

    def forget(self, partition: int) -> None:
        """Forget what a partition had, since its topic was deleted and created again."""
        self.version += 1
        self._newest.forget(partition)

    def figures(self, query: LoopQuery) -> Grouped:
        """Return the figures of the recoveries that a query wants, and of groups of them."""
        return self._computed(query, self.version)

    def since(self) -> int | None:
        """Return when the oldest kept event was written, in ms; None without events."""
        return self._newest.oldest_at()

    def _figures(self, query: LoopQuery, _: int) -> Grouped:
        found = [one.read for one in self._newest.newest_first() if one.opened_at >= query.since]
        if query.visible != EVERYTHING:
            found = [one for one in found if sees(query.visible, one.segment)]
        return grouped(found, query.by, query.segment)

    def _drop(self, kept: _Kept) -> None:
        self._of_customer.drop(kept.read.customer_id, kept)
        if self._by_id.get(kept.read.recovery_id) is kept:
            del self._by_id[kept.read.recovery_id]
