"""The next timer of each customer's cases. With it, a tick does not look at each row of a partition."""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

from worker.flow.cases.case import next_timer_in

#: The heap is made again once this many of its entries are obsolete, and more than there are others.
_TIDY_FROM = 1_000


class DueIndex:
    """The times of the next timers, by the keys of rows. It is derived from the rows, and kept in memory only."""

    def __init__(self, rows: Mapping[bytes, bytes | None] | None = None) -> None:
        self._next: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []
        self.update(rows or {})

    def update(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Note rows that were written; None stands for a row that was erased."""
        for key, row in rows.items():
            at = None if row is None else next_timer_in(row)
            if at is None:
                self._next.pop(key, None)
            elif self._next.get(key) != at:
                self._next[key] = at
                heappush(self._heap, (at, key))
        if len(self._heap) > _TIDY_FROM + 2 * len(self._next):
            self._heap = [(at, key) for key, at in self._next.items()]
            heapify(self._heap)

    def next_at(self) -> int | None:
        """Return the time of the next timer, in ms; None if there is none."""
        while self._heap and not self._is_current(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> Iterator[tuple[int, bytes]]:
        """Yield the times and keys of the rows whose next timer is due, in order. The index is not changed."""
        places = [(self._heap[0], 0)] if self._heap else []
        seen: tuple[int, bytes] | None = None
        while places and places[0][0][0] <= now:
            entry, place = heappop(places)
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(self._heap):
                    heappush(places, (self._heap[child], child))
            if entry != seen and self._is_current(entry):  # an entry may be there twice, after a change and back
                yield entry
            seen = entry

    def _is_current(self, entry: tuple[int, bytes]) -> bool:
        return self._next.get(entry[1]) == entry[0]
