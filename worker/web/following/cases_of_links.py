"""The cases, as the pages of links look at them."""

from worker.board.board import Board
from worker.flow.cases.known import KnownCase


class CasesOfLinks:
    """The cases of a board that is being filled."""

    def __init__(self, board: Board) -> None:
        self._board = board

    @property
    def ready(self) -> bool:
        """Whether the changelog of the cases was read to its end once."""
        return self._board.known_at.get("cases") is not None

    def find(self, alert_id: str, now: int) -> KnownCase | None:
        """Return the case of an alert; None if it is not known, or forgotten at the time `now`, in ms."""
        return self._board.cases.find(alert_id, now)
