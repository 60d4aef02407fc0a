"""The orders of one source that wait to be fetched: which is next, when, and what a failure means for it. Pure.

An outage of the tool's API is not the fault of any order: all of them wait, and one at a time is tried (notify's
outage.py). An order that the API could not answer is published again, with the number of its attempts, so that a
restart does not forget them. It comes back at once, and waits here until its time. An order that waits holds the
committed offset of its partition back. So the fetcher may take it out, and publish it once more behind those that are
finished. Orders that ask for the same are fetched once for all of them.

Times are in ms, of a monotonic clock.
"""

import heapq
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from worker.errors import FetchError
from worker.flow.batch import Place
from worker.flow.messages.fetch_order import FetchOrder
from worker.notify.outage import Outage, Refusal, Refusals
from worker.notify.retry import RetryPolicy

#: How long the API is left alone after it has refused the token, or every request, in ms.
_REFUSING_MS = 60_000


@dataclass(eq=False)
class Errand:
    """What is fetched at once: one order, or several that ask for the same."""

    order: FetchOrder
    due: int
    places: list[Place] = field(default_factory=list)
    #: The partitions that other workers own once the errand is not in flight any more.
    given_away: set[int] = field(default_factory=set)

    @property
    def content(self) -> Hashable:
        """What is asked for, whatever the attempts."""
        return _content(self.order)


def _content(order: FetchOrder) -> Hashable:
    requests = tuple((name, one.path, *sorted(one.query.items())) for name, one in sorted(order.requests.items()))
    return requests, tuple(sorted(order.known.items()))


class Fate(Enum):
    """What becomes of an errand that has failed."""

    #: It waits for the end of the outage.
    WAITS = auto()
    #: It is published again.
    AGAIN = auto()
    #: It becomes a dead letter.
    GIVEN_UP = auto()


class Verdict(NamedTuple):
    """What a failure means."""

    fate: Fate
    #: The orders to publish if the fate is AGAIN: how many attempts have failed, and how long to wait, in ms.
    attempts: int = 0
    wait: int = 0
    #: When the API is tried again, if an outage or its next wait has begun; None if none has.
    retry_after: int | None = None
    #: Whether the outage is one in which the API refuses every request.
    refuses_all: bool = False


class Waiting:
    """The orders of one source. `connections`: the largest number of errands in flight."""

    def __init__(self, connections: int, retry: RetryPolicy) -> None:
        self.outage = Outage()
        self._refusals = Refusals()
        self._connections = connections
        self._retry = retry
        self._waiting: dict[Hashable, Errand] = {}
        # The errands in the order in which they are due. An entry whose time is not that of its errand is out of date.
        self._order: list[tuple[int, int, Errand]] = []
        self._count = 0
        self._in_flight: set[Errand] = set()

    @property
    def orders(self) -> int:
        """The number of orders that are not finished."""
        errands = [*self._waiting.values(), *self._in_flight]
        return sum(len(errand.places) for errand in errands)

    def add(self, order: FetchOrder, place: Place, due: int) -> None:
        """Add an order that is due at a time."""
        known = self._waiting.get(_content(order))
        if known is None:
            self._put(Errand(order, due, [place]))
            return
        known.places.append(place)
        known.order = known.order._replace(attempts=max(known.order.attempts, order.attempts))
        if due < known.due:
            known.due = due
            self._push(known)

    def forget(self, partitions: Collection[int]) -> None:
        """Forget the orders of partitions that other workers own now, or will soon.

        Those in flight come to their end, but do not wait for another attempt here.
        """
        for content, errand in list(self._waiting.items()):
            errand.places = [place for place in errand.places if place.partition not in partitions]
            if not errand.places:
                del self._waiting[content]
        for errand in self._in_flight:
            errand.given_away.update(partitions)

    def before(self, offsets: Mapping[int, int]) -> dict[int, list[Errand]]:
        """Return the errands that wait and have an order before an offset of its partition.

        `offsets`: by partition. The errands are by partition as well, each under one, and the first due one first.
        """
        found = defaultdict[int, list[Errand]](list)
        for errand in self._waiting.values():
            at = next((at for at, offset in errand.places if offset < offsets.get(at, 0)), None)
            if at is not None:
                found[at].append(errand)
        return {at: sorted(errands, key=lambda errand: errand.due) for at, errands in found.items()}

    def take_out(self, errand: Errand) -> None:
        """Let an errand wait here no longer, since its order comes again."""
        del self._waiting[errand.content]

    def take(self, now: int) -> list[Errand]:
        """Return the errands that are due and that the API can be asked for. They are in flight from now on."""
        taken = []
        while self._order and len(self._in_flight) < self.outage.limit(self._connections, now):
            due, _, errand = self._order[0]
            if not self._is_current(due, errand):
                heapq.heappop(self._order)
                continue
            if due > now:
                break
            heapq.heappop(self._order)
            del self._waiting[errand.content]
            self._in_flight.add(errand)
            taken.append(errand)
        return taken

    def next_at(self, now: int) -> int | None:
        """Return when to call `take` again if nothing happens before; None if only an event can matter."""
        while self._order and not self._is_current(self._order[0][0], self._order[0][2]):
            heapq.heappop(self._order)
        if not self._order or len(self._in_flight) >= max(1, self.outage.limit(self._connections, now)):
            return None
        due = self._order[0][0]
        return due if self.outage.until is None else max(due, self.outage.until)

    def succeeded(self, errand: Errand, now: int) -> None:
        """Note that an errand was answered, which may end an outage."""
        self._in_flight.discard(errand)
        # What the API has refused may be tried now: the next attempt shows whether it refuses this one alone.
        for content in self._refusals.accepted(errand.content):
            in_doubt = self._waiting.get(content)
            if in_doubt is not None:
                in_doubt.due = now
                self._push(in_doubt)
        self.outage.ends(now, accepted=True)

    def failed(self, errand: Errand, error: FetchError, now: int) -> Verdict:
        """Note that an errand has failed, and return what becomes of it."""
        self._in_flight.discard(errand)
        refusal = self._refusals.refused(errand.content, error.reason) if error.in_doubt else None
        if error.unavailable or refusal is Refusal.OUTAGE:
            refuses_all = refusal is Refusal.OUTAGE
            least = max(int(error.retry_after * 1_000), _REFUSING_MS if refuses_all else 0)
            begins = self.outage.begins(now, refusing=refuses_all, at_least=least, asked=bool(error.retry_after))
            # It is the last one in the queue now, so that the next attempt is about another order.
            self._put_back(errand, now)
            until = self.outage.until if begins else None
            return Verdict(Fate.WAITS, retry_after=None if until is None else until - now, refuses_all=refuses_all)
        self.outage.ends(now, accepted=False)
        if refusal is Refusal.FINAL or not (error.retry or error.in_doubt):
            return Verdict(Fate.GIVEN_UP)
        attempts = errand.order.attempts + 1
        wait = self._retry.delay(attempts)
        if wait is None:
            return Verdict(Fate.GIVEN_UP)
        return Verdict(Fate.AGAIN, attempts, int(wait.total_seconds() * 1_000))

    def drop(self, errand: Errand) -> None:
        """Note that an errand is not in flight any more, since nobody waits for it."""
        self._in_flight.discard(errand)

    def _put_back(self, errand: Errand, now: int) -> None:
        errand.places = [place for place in errand.places if place.partition not in errand.given_away]
        if not errand.places:
            return
        errand.given_away.clear()
        errand.due = now
        same = self._waiting.get(errand.content)
        if same is None:
            self._put(errand)
        else:
            same.places += errand.places

    def _put(self, errand: Errand) -> None:
        self._waiting[errand.content] = errand
        self._push(errand)

    def _push(self, errand: Errand) -> None:
        self._count += 1
        heapq.heappush(self._order, (errand.due, self._count, errand))

    def _is_current(self, due: int, errand: Errand) -> bool:
        return errand.due == due and self._waiting.get(errand.content) is errand
