"""The board: everything that the page shows, in stores that are filled from Kafka's records (worker/web/following/)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.board.cases import CaseBook
from worker.board.scores import ScoreBook


class Freshness(NamedTuple):
    """How old the data is."""

    #: Whether everything was read once that is shown.
    caught_up: bool
    #: For how long it has not been known whether there is something newer, in ms. It stays small while Kafka answers.
    age_ms: int
    #: What has not been read to its end yet: some of the kinds of `Board.version`.
    reading: tuple[str, ...]


@dataclass
class Board:
    """The stores."""

    scores: ScoreBook = field(default_factory=ScoreBook)
    cases: CaseBook = field(default_factory=CaseBook)
    #: For each kind of data that is followed: when Kafka last said that nothing newer is there, in ms by the clock of
    #: this machine; None if it was not read to its end yet.
    known_at: dict[str, int | None] = field(default_factory=dict)

    def freshness(self, now: int) -> Freshness:
        """Return how old the data is at a time, in ms."""
        times = [at for at in self.known_at.values() if at is not None]
        reading = tuple(kind for kind, at in self.known_at.items() if at is None)
        return Freshness(not reading, max(0, now - min(times, default=now)), reading)

    def version(self, kind: str) -> int:
        """Return a number that grows whenever data of a kind changes. Raise KeyError if there is no such kind."""
        return sum(self._versions()[kind])

    def versions(self, kinds: Iterable[str]) -> tuple[int, ...]:
        """Return the versions of some kinds of data."""
        return tuple(map(self.version, kinds))

    def _versions(self) -> Mapping[str, tuple[int, ...]]:
        return {
            "scores": (self.scores.version,),
            "cases": (self.cases.version,),
        }
