"""The newest records of a topic: at most so many, and at most so many bytes, in the order of their times."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

#: The number of entries on a page of a list.
PAGE = 50
#: By how much the bounds are exceeded before the oldest entries are dropped, since dropping takes time.
_SLACK = 1.05

#: When an entry was written, in ms, and where it lies: its partition and its offset.
Place = tuple[int, int, int]


class Kept(msgspec.Struct, gc=False):
    """What is kept of a record."""

    place: Place
    #: The size of the record's value, in bytes.
    size: int

    @property
    def at(self) -> int:
        """When the record was written, in ms."""
        return self.place[0]


E = TypeVar("E")
T = TypeVar("T", bound=Kept)


class Bounds(NamedTuple):
    """How much is kept of a topic, in all partitions together. By default, as much as by the default settings."""

    #: The largest number of records.
    records: int = 20_000
    #: Their largest size, in bytes of the records' values.
    size: int = 32_000_000


class Page(NamedTuple, Generic[E]):
    """A page of a list, the newest entry first."""

    entries: Sequence[E]
    #: The number of entries on all pages.
    total: int
    #: Where the next page begins; empty if this is the last one.
    next: str


def _place(entry: Kept) -> Place:
    return entry.place


class Newest(Generic[T]):
    """The newest entries."""

    def __init__(self, bounds: Bounds, dropped: Callable[[T], None]) -> None:
        """Give each entry that is not kept any more to `dropped`."""
        self._bounds = bounds
        self._dropped = dropped
        self._entries: list[T] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: T) -> None:
        """Keep an entry."""
        insort(self._entries, entry, key=_place)
        self._size += entry.size
        if len(self._entries) > self._bounds.records * _SLACK or self._size > self._bounds.size * _SLACK:
            self._trim()

    def remove(self, entries: Iterable[T]) -> None:
        """Drop some entries."""
        for entry in entries:
            place = bisect_left(self._entries, entry.place, key=_place)
            if place < len(self._entries) and self._entries[place].place == entry.place:
                del self._entries[place]
                self._let_go(entry)

    def forget(self, partition: int) -> None:
        """Drop the entries of a partition, since its topic was deleted and created again."""
        self.remove([entry for entry in self._entries if entry.place[1] == partition])

    def newest_first(self) -> list[T]:
        """Return all entries, the newest one first."""
        return self._entries[::-1]

    def oldest_at(self) -> int | None:
        """Return when the oldest entry was written, in ms; None without entries."""
        return self._entries[0].at if self._entries else None

    def _trim(self) -> None:
        number = max(0, len(self._entries) - self._bounds.records)
        size = self._size - sum(entry.size for entry in self._entries[:number])
        while size > self._bounds.size:
            size -= self._entries[number].size
            number += 1
        gone, self._entries = self._entries[:number], self._entries[number:]
        for entry in gone:
            self._let_go(entry)

    def _let_go(self, entry: T) -> None:
        self._size -= entry.size
        self._dropped(entry)


class Index(Generic[T]):
    """The entries by one of their texts, such as the id of their customer."""

    def __init__(self) -> None:
        #: Most texts have one entry, which needs no list.
        self._found: dict[str, T | list[T]] = {}

    def __contains__(self, text: str) -> bool:
        return text in self._found

    def put(self, text: str, entry: T) -> None:
        """Note an entry. An empty text is not noted."""
        if not text:
            return
        known = self._found.get(text)
        if known is None:
            self._found[text] = entry
        elif isinstance(known, list):
            insort(known, entry, key=_place)
        else:
            self._found[text] = sorted([known, entry], key=_place)

    def drop(self, text: str, entry: T) -> None:
        """Forget an entry."""
        left = [one for one in self.of(text) if one.place != entry.place]
        if len(left) > 1:
            self._found[text] = left
        elif left:
            self._found[text] = left[0]
        else:
            self._found.pop(text, None)

    def of(self, text: str) -> list[T]:
        """Return the entries with a text, the oldest one first."""
        found = self._found.get(text)
        return [] if found is None else [*found] if isinstance(found, list) else [found]


def page_of(newest_first: Sequence[T], after: str) -> Page[T]:
    """Return a page of a list. `after`: `next` of the page before; empty for the first page."""
    place = _place_of(after)
    first = 0 if place is None else bisect_right(newest_first, _descending(place), key=lambda e: _descending(e.place))
    shown = newest_first[first : first + PAGE]
    more = len(newest_first) > first + PAGE
    return Page(shown, len(newest_first), ".".join(map(str, shown[-1].place)) if more else "")


def _descending(place: Place) -> Place:
    at, partition, offset = place
    return -at, -partition, -offset


def _place_of(cursor: str) -> Place | None:
    """Return the place of a cursor; None if it is none."""
    numbers = cursor.split(".")
    if len(numbers) != 3 or not all(one.isascii() and one.isdigit() and len(one) < 20 for one in numbers):
        return None
    at, partition, offset = map(int, numbers)
    return at, partition, offset
