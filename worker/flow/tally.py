"""Tallies: what a batch of responses adds to each segment and each of its ancestors. Many events, few messages."""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from worker.flow import outbox
from worker.flow.outbox import Output
from worker.nps.latest import Given
from worker.nps.segment import Entry

SEPARATOR = "/"


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """The message to one segment: the partition the events came from, and their entries in the order of offsets."""

    source: int
    entries: list[Entry]


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Tally).decode


@lru_cache(maxsize=65_536)
def lineage(segment: str) -> tuple[str, ...]:
    """Return a segment's path and its ancestors', the root ("") last."""
    paths = [segment]
    while segment:
        segment = segment.rpartition(SEPARATOR)[0]
        paths.append(segment)
    return tuple(paths)


class Tallies:
    """The entries of one batch, by segment."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Entry]] = {}

    def enter(self, offset: int, taken: tuple[str, Given] | None = None, put: tuple[str, Given] | None = None) -> None:
        """Enter one event: what it takes out of one segment's line and puts into another's, once per segment."""
        left = lineage(taken[0]) if taken else ()
        joined = lineage(put[0]) if put else ()
        if left == joined or not left:
            paths: Iterable[str] = joined
        else:
            paths = dict.fromkeys((*left, *joined))
        for path in paths:
            entry = Entry(
                offset,
                taken[1] if taken and path in left else None,
                put[1] if put and path in joined else None,
            )
            entries = self._entries.get(path)
            if entries is None:
                self._entries[path] = [entry]
            else:
                entries.append(entry)

    def outputs(self, source: int) -> list[Output]:
        """Return one message per segment."""
        return [
            Output(outbox.TALLIES, path.encode(), _encode(Tally(source, entries)))
            for path, entries in self._entries.items()
        ]
