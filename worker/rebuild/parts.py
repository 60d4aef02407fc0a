"""The table of answers that come in parts, when it was lost: the parts on their topic are put together again. Pure."""

from collections.abc import Callable, Iterable

from worker.flow.batch import Record
from worker.flow.policy import IntakePolicy
from worker.flow.responses.merged import road
from worker.flow.responses.merged.forgetting import Sweep
from worker.rebuild.records import apply


class PartsAgain:
    """The answers of one partition. Their responses are on their topic already, so nothing is published.

    `owner` and `kept`: as in road.decide.
    """

    def __init__(self, owner: Callable[[bytes], int], kept: int, intake: IntakePolicy) -> None:
        self._owner = owner
        self._kept = kept
        self._intake = intake
        self.rows: dict[bytes, bytes] = {}
        self._sweep = Sweep(self.rows)
        #: The latest Kafka time of the parts, in ms.
        self.latest_time = 0

    def take(self, records: Iterable[Record]) -> None:
        """Put further parts together with those before them."""
        batch = road.Batch(records, self.latest_time, self._sweep)
        decided = road.decide(batch, self.rows, self._owner, self._kept, self._intake)
        apply(self.rows, decided.rows)
        self.latest_time = decided.latest_time
