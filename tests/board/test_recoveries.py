"""The latest recoveries, and the figures that the page shows of them."""

import pytest
from board.records import erasure, recovery
from flow.records import NOW, Record

from schemas.examples import RECOVERY
from schemas.recovery import Recovery
from worker.board.figures import figures
from worker.board.newest import Bounds
from worker.board.recoveries import LoopQuery, RecoveryLog
from worker.board.unreadable import UNREADABLE
from worker.flow.timestamps import rfc3339, to_ms


def log(*records: Record) -> RecoveryLog:
    found = RecoveryLog(Bounds(100))
    for one in records:
        found.take(one)
    return found


def test_the_figures_are_those_of_the_terminal() -> None:
    found = log(recovery())
    expected = figures([Recovery.model_validate_json(recovery().value or b"")])
    assert found.figures(LoopQuery("cause")).whole == expected
    assert expected.resolved == 1


def test_the_last_event_of_each_interval_counts() -> None:
    found = log(recovery(NOW, follow_up=None), recovery(NOW + 1))
    assert (len(found), found.since()) == (1, NOW + 1)
    assert found.figures(LoopQuery("cause")).whole.answered_again == 1
    assert log().since() is None


def test_each_filter_takes_what_fits() -> None:
    found = log(
        recovery(recovery_id="a", segment="fr/a", cause="price", receivers=["care"]),
        recovery(recovery_id="b", segment="fr/b", cause=None, opened_at=rfc3339(NOW).decode()),
    )
    assert found.figures(LoopQuery("segment", segment="fr")).groups.keys() == {"fr/a", "fr/b"}
    assert found.figures(LoopQuery("cause", segment="fr/a")).groups.keys() == {"price"}
    assert found.figures(LoopQuery("receiver", visible=("fr/a",))).groups.keys() == {"care"}
    opened_at = to_ms(Recovery.model_validate_json(recovery().value or b"").opened_at)
    assert len(found.figures(LoopQuery("cause", since=opened_at)).groups) == 1
    assert found.figures(LoopQuery("cause", since=opened_at)) is found.figures(LoopQuery("cause", since=opened_at))


def test_an_erased_customer_an_old_event_and_a_partition_are_forgotten() -> None:
    found = log(recovery(recovery_id="a"), recovery(recovery_id="b", customer_id="other"))
    found.take(erasure(RECOVERY["customer_id"]))
    assert len(found) == 1
    found.forget(0)
    assert len(found) == 0
    found = RecoveryLog(Bounds(1))
    for number in range(3):
        found.take(recovery(NOW + number, recovery_id=f"r-{number}"))
    assert len(found) == 1


def test_what_is_no_recovery_is_refused() -> None:
    with pytest.raises(UNREADABLE):
        log(Record(b"{}"))
