"""The latest steps of alerts and cases, which an erasure of their customer takes away."""

import pytest
from board.records import alert, case_step, erasure, incident
from flow.records import NOW, Record

from worker.board.alerts import AlertLog
from worker.board.newest import Bounds
from worker.board.unreadable import UNREADABLE


def log(*records: Record) -> AlertLog:
    found = AlertLog(Bounds(100))
    for one in records:
        found.take(one)
    return found


def test_an_alert_has_its_steps_and_those_of_its_case() -> None:
    found = log(
        alert(NOW, alert_id="a"),
        case_step(NOW + 1, alert_id="a"),
        alert(NOW + 2, alert_id="a", action="updated"),
        alert(NOW, alert_id="b", segment="de"),
        incident(NOW),
        case_step(NOW + 3, alert_id="a", state=3),
    )
    steps = found.of_alert("a")
    assert [one.action for one in steps.alerts] == ["opened", "updated"]
    assert len(steps.case_steps) == 1
    assert found.of_alert("x") == ([], [])
    assert (found.segment_of("b"), found.segment_of("x")) == ("de", None)
    assert len(found) == 5


def test_the_newest_step_is_one_that_the_person_may_see() -> None:
    moved = alert(NOW + 2, alert_id="a", action="updated", segment="de")
    unread = alert(NOW + 3, alert_id="b", score="many")
    found = log(alert(NOW, alert_id="a", segment="fr"), moved, unread)

    def newest(alert_id: str, *visible: str) -> str | None:
        step = found.newest(alert_id, visible)
        return None if step is None else step.segment

    assert [newest("a", ""), newest("a", "fr"), newest("a", "it"), newest("b", ""), newest("x", "")] == [
        "de", "fr", None, None, None,
    ]  # fmt: skip


def test_the_steps_of_an_erased_customer_are_dropped() -> None:
    found = log(alert(alert_id="a", customer_id="c-1"), alert(alert_id="b", customer_id="c-2"))
    before = found.version
    found.take(erasure("c-1"))
    assert (len(found.of_alert("a").alerts), len(found.of_alert("b").alerts)) == (0, 1)
    assert found.version > before


def test_a_step_that_is_published_again_is_shown_once() -> None:
    found = log(alert(alert_id="a"), alert(alert_id="a"), case_step(alert_id="a"), case_step(alert_id="a"))
    steps = found.of_alert("a")
    assert (len(steps.alerts), len(steps.case_steps)) == (1, 1)


def test_old_steps_and_a_partition_are_forgotten() -> None:
    found = AlertLog(Bounds(1))
    for number in range(3):
        found.take(alert(NOW + number, alert_id=f"a-{number}"))
    assert (len(found), found.segment_of("a-0")) == (1, None)
    found.forget(0)
    assert found.segment_of("a-2") is None


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(UNREADABLE):
        log(Record(b"{}", headers=[("ce_type", b"nps.alert.v1")]))
