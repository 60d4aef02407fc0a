"""The board: how old its data is, and what has changed."""

import pytest
from board.records import alert, incident
from board.test_cases import case, row
from scores.trees import scored

from worker.board.board import Board
from worker.board.newest import Bounds
from worker.flow.policy import CasePolicy


def test_data_is_as_old_as_what_was_known_first() -> None:
    board = Board()
    assert board.freshness(100) == (True, 0, ())
    board.known_at = {"scores": None, "cases": 90}
    assert board.freshness(100) == (False, 10, ("scores",))
    board.known_at["scores"] = 40
    assert board.freshness(100) == (True, 60, ())
    assert board.freshness(30).age_ms == 0


def test_a_version_grows_with_the_data_of_its_kind() -> None:
    board = Board()
    before = board.versions(["scores", "cases"])
    board.scores.take("", scored("", 1, 1, 1).model_dump_json().encode())
    after = board.versions(["scores", "cases"])
    assert after[0] > before[0]
    assert after[1] == before[1]
    with pytest.raises(KeyError):
        board.version("other")


def test_the_segment_of_an_alert_is_known_from_its_case_its_steps_or_its_incident() -> None:
    board = Board.bounded(Bounds(10), CasePolicy())
    board.cases.take(b"c-1", row(case("a-1", segment="fr")))
    board.alerts.take(alert(alert_id="a-2", segment="de"))
    board.incidents.take(incident(alert_id="a-3", segment="it"))
    assert [board.segment_of(alert_id) for alert_id in ("a-1", "a-2", "a-3", "a-4")] == ["fr", "de", "it", None]
