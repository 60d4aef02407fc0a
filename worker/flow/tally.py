"""Tallies: what a batch of responses adds to each segment and each of its ancestors. Many events, few messages."""

from functools import lru_cache

import msgspec

from worker.flow import outbox
from worker.flow.outbox import Output
from worker.nps.latest import Given
from worker.nps.segment import Entries, Move

SEPARATOR = "/"


class Tally(msgspec.Struct, array_like=True, frozen=True):
    """The message to one segment: the partition the events came from, and their entries."""

    source: int
    entries: Entries


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
    """The entries of one batch: answers by the segment they were given in, corrections by each that they touch."""

    def __init__(self) -> None:
        self._put: dict[str, list[int]] = {}
        self._moves: dict[str, list[Move]] = {}

    def put(self, offset: int, segment: str, given: Given) -> None:
        """Enter an answer to a segment, and so to each of its ancestors."""
        put = self._put.get(segment)
        if put is None:
            put = self._put[segment] = []
        put += (offset, *given)

    def move(self, offset: int, taken: tuple[str, Given], put: tuple[str, Given] | None) -> None:
        """Enter a correction: what it takes out of one segment's line and puts into another's, once per segment."""
        left = lineage(taken[0])
        joined = lineage(put[0]) if put else ()
        for path in dict.fromkeys((*left, *joined)):
            gone = taken[1] if path in left else None
            come = put[1] if put and path in joined else None
            self._moves.setdefault(path, []).append(Move(offset, gone, come))

    def outputs(self, source: int) -> list[Output]:
        """Return one message per segment."""
        found: dict[str, Entries] = {}
        for segment, put in self._put.items():
            for path in lineage(segment):
                found.setdefault(path, Entries()).put.extend(put)
        for path, moves in self._moves.items():
            found.setdefault(path, Entries()).moves.extend(moves)
        return [
            Output(outbox.TALLIES, path.encode(), _encode(Tally(source, entries))) for path, entries in found.items()
        ]
