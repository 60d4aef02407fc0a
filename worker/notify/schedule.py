"""Which mails are open, and when each may go out. Pure; times in ms, of a clock that only moves forward.

A row lists all open mails of a customer, and is written anew with each mail's outcome. So an entry is queued only when
its mail is new or its time has changed: else the queue would grow with the square of a customer's open mails.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from worker.notify.mailbox import Mail

#: The queue is cleared of entries that no longer count once there are this many, and more of them than of others.
_PASSED_OVER = 1_000


class Errand(NamedTuple):
    """Where a mail lies."""

    partition: int
    key: bytes
    delivery_id: str


class _Due(NamedTuple):
    """From when on a mail may go out; of those that may, customers' (or segments') mails take turns.

    So the many mails of one customer do not hold up the others'. Those of one turn go in the order of planning.
    """

    at: int
    turn: int
    planned: int
    errand: Errand


class _Open(NamedTuple):
    """An open mail; `due` is the time that its row says, by the wall clock."""

    due: int
    route: str
    entry: _Due


def _planned(mail: Mail) -> int:
    return mail.planned


class Schedule:
    """The open mails of the partitions held, but for those in hand in the order of their time."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, bytes], dict[str, _Open]] = {}
        self._queue: list[_Due] = []
        self._size = 0
        #: The turn that is being served: a customer's first mail joins it, and each further one the turn after.
        self._turn = 0
        self._in_hand: set[Errand] = set()
        #: When each mail, and each route, was last tried while an outage lasts: a count, not a time.
        self._probed: dict[Errand | str, int] = {}
        self._probes = 0

    @property
    def entries(self) -> int:
        """How many entries the queue has, those included that no longer count."""
        return len(self._queue)

    def put(self, partition: int, key: bytes, mails: Iterable[Mail], at: Callable[[Mail], int]) -> None:
        """Take note of a row's open mails; `at` says from when on one may go out."""
        known = self._open.pop((partition, key), {})
        found: dict[str, _Open] = {}
        turn = self._turn
        for mail in sorted(mails, key=_planned):
            same = known.get(mail.delivery_id)
            if same is not None and same.due == mail.due:
                found[mail.delivery_id] = same
                turn = max(turn, same.entry.turn + 1)
                continue
            errand = Errand(partition, key, mail.delivery_id)
            found[mail.delivery_id] = _Open(mail.due, mail.route, _Due(at(mail), turn, mail.planned, errand))
            turn += 1
            if errand not in self._in_hand:
                heappush(self._queue, found[mail.delivery_id].entry)
        if found:
            self._open[partition, key] = found
        self._size += len(found) - len(known)
        self._tidy()

    def forget(self, errand: Errand) -> None:
        """Take note that a mail is not open any more."""
        mails = self._open.get((errand.partition, errand.key), {})
        if mails.pop(errand.delivery_id, None) is not None:
            self._size -= 1
        if not mails:
            self._open.pop((errand.partition, errand.key), None)

    def clear(self) -> None:
        """Forget all mails but those in hand."""
        self._open.clear()
        self._queue.clear()
        self._size = 0
        self.outage_ended()

    def hasten(self, errand: Errand, now: int) -> None:
        """Let a mail go out now, if it is open and waits."""
        found = self._find(errand)
        if found is not None and found.entry.at > now:
            entry = found.entry._replace(at=now)
            self._open[errand.partition, errand.key][errand.delivery_id] = found._replace(entry=entry)
            if errand not in self._in_hand:
                heappush(self._queue, entry)

    def take(self, now: int) -> Errand | None:
        """Take the next mail that may go out in hand."""
        self._skip()
        if not self._queue or self._queue[0].at > now:
            return None
        entry = heappop(self._queue)
        errand = entry.errand
        self._turn = max(self._turn, entry.turn)
        self._in_hand.add(errand)
        return errand

    def probe(self, now: int) -> Errand | None:
        """Take a mail in hand while an outage lasts: each time another one, and of another route if there is one."""
        due = [mail for mails in self._open.values() for mail in mails.values() if self._may_go(mail, now)]
        if not due:
            return None
        chosen = min(due, key=self._rank)
        errand = chosen.entry.errand
        self._queue.remove(chosen.entry)
        heapify(self._queue)
        self._probes += 1
        self._probed[errand] = self._probed[chosen.route] = self._probes
        self._in_hand.add(errand)
        return errand

    def outage_ended(self) -> None:
        """Begin the next outage's probes without regard to this one's."""
        self._probed.clear()

    def put_back(self, errand: Errand) -> None:
        """Take note that a mail is not in hand any more; if it is still open, it has its turn again."""
        self._in_hand.discard(errand)
        if (found := self._find(errand)) is not None:
            heappush(self._queue, found.entry)

    def is_open(self, errand: Errand) -> bool:
        """Say whether a mail is open."""
        return self._find(errand) is not None

    def next_at(self) -> int | None:
        """Return when the next mail may go out, those in hand aside; None if there is none."""
        self._skip()
        return self._queue[0].at if self._queue else None

    def count(self, now: int) -> int:
        """Return how many mails may go out now, those in hand included."""
        due = {mail.entry.errand for mails in self._open.values() for mail in mails.values() if mail.entry.at <= now}
        return len(due | self._in_hand)

    def __bool__(self) -> bool:
        return bool(self._open)

    def _find(self, errand: Errand) -> _Open | None:
        return self._open.get((errand.partition, errand.key), {}).get(errand.delivery_id)

    def _may_go(self, mail: _Open, now: int) -> bool:
        return mail.entry.at <= now and mail.entry.errand not in self._in_hand

    def _rank(self, mail: _Open) -> tuple[int, int, _Due]:
        return self._probed.get(mail.route, 0), self._probed.get(mail.entry.errand, 0), mail.entry

    def _counts(self, entry: _Due) -> bool:
        found = self._find(entry.errand)
        return found is not None and found.entry == entry and entry.errand not in self._in_hand

    def _skip(self) -> None:
        while self._queue and not self._counts(self._queue[0]):
            heappop(self._queue)

    def _tidy(self) -> None:
        if len(self._queue) > _PASSED_OVER and len(self._queue) > 2 * self._size:
            self._queue = [entry for entry in self._queue if self._counts(entry)]
            heapify(self._queue)
