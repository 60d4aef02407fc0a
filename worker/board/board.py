"""The board: everything that the page shows, in stores that are filled from Kafka's records (worker/web/following/)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from worker.board.alerts import AlertLog
from worker.board.answers import AnswerLog
from worker.board.cases import CaseBook
from worker.board.dead_letters import DeadLetters
from worker.board.deliveries import DeliveryLog
from worker.board.history import History
from worker.board.incidents import IncidentLog
from worker.board.newest import Bounds
from worker.board.recoveries import RecoveryLog
from worker.board.scores import ScoreBook
from worker.board.silences import SilenceBook
from worker.flow.policy import CasePolicy

#: The kinds of data, which are the names of the stores.
KINDS = (
    "scores", "history", "cases", "alerts", "recoveries", "answers", "dead_letters", "deliveries", "incidents",
    "silences",
)  # fmt: skip


#: Dead letters have payloads, and people look at the latest ones: a tenth as many are kept.
FEWER = 10


class Freshness(NamedTuple):
    """How old the data is."""

    #: Whether everything was read once that is shown.
    caught_up: bool
    #: For how long it has not been known whether there is something newer, in ms. It stays small while Kafka answers.
    age_ms: int
    #: What has not been read to its end yet: some of the kinds of `Board.version`.
    reading: tuple[str, ...]


class _Store(Protocol):
    version: int


@dataclass
class Board:
    """The stores. Each has a `version`, which grows with each change."""

    scores: ScoreBook = field(default_factory=ScoreBook)
    history: History = field(default_factory=History)
    cases: CaseBook = field(default_factory=CaseBook)
    alerts: AlertLog = field(default_factory=AlertLog)
    recoveries: RecoveryLog = field(default_factory=RecoveryLog)
    answers: AnswerLog = field(default_factory=AnswerLog)
    dead_letters: DeadLetters = field(default_factory=DeadLetters)
    deliveries: DeliveryLog = field(default_factory=DeliveryLog)
    incidents: IncidentLog = field(default_factory=IncidentLog)
    silences: SilenceBook = field(default_factory=SilenceBook)
    #: For each kind of data that is followed: when Kafka last said that nothing newer is there, in ms by the clock of
    #: this machine; None if it was not read to its end yet.
    known_at: dict[str, int | None] = field(default_factory=dict)

    @classmethod
    def bounded(cls, bounds: Bounds, policy: CasePolicy) -> "Board":
        """Return an empty board. `bounds`: how much of each topic is kept; `policy`: when cases are forgotten."""
        return cls(
            cases=CaseBook(policy),
            alerts=AlertLog(bounds),
            recoveries=RecoveryLog(bounds),
            answers=AnswerLog(bounds),
            dead_letters=DeadLetters(bounds._replace(records=max(1, bounds.records // FEWER))),
            deliveries=DeliveryLog(bounds),
            incidents=IncidentLog(bounds),
        )

    def freshness(self, now: int) -> Freshness:
        """Return how old the data is at a time, in ms."""
        times = [at for at in self.known_at.values() if at is not None]
        reading = tuple(kind for kind, at in self.known_at.items() if at is None)
        return Freshness(not reading, max(0, now - min(times, default=now)), reading)

    def version(self, kind: str) -> int:
        """Return a number that grows whenever data of a kind changes.

        `kind`: one of KINDS. Raise KeyError if there is no such kind.
        """
        store: _Store | None = vars(self).get(kind) if kind in KINDS else None
        if store is None:
            raise KeyError(kind)
        return store.version

    def versions(self, kinds: Iterable[str]) -> tuple[int, ...]:
        """Return the versions of some kinds of data."""
        return tuple(map(self.version, kinds))

    def segment_of(self, alert_id: str) -> str | None:
        """Return the segment of an alert or an incident; None if it is not known."""
        found = self.cases.segment_of(alert_id), self.alerts.segment_of(alert_id), self.incidents.segment_of(alert_id)
        return next((segment for segment in found if segment is not None), None)
