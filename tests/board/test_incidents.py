"""The latest incidents: open and past ones, with their steps, for those who may see their segments."""

import pytest
from board.records import incident
from flow.records import HOUR, NOW, Record

from worker.board.incidents import IncidentLog, KnownIncident
from worker.board.newest import Bounds
from worker.board.unreadable import UNREADABLE
from worker.flow.timestamps import rfc3339


def step(alert_id: str, hours: int, action: str = "opened", segment: str = "fr", **changes: object) -> Record:
    at = NOW + hours * HOUR
    body = {"alert_id": alert_id, "action": action, "segment": segment, "occurred_at": rfc3339(at).decode(), "also": []}
    return incident(at, **(body | changes))


def log(*records: Record) -> IncidentLog:
    found = IncidentLog(Bounds(100))
    for one in records:
        found.take(one)
    return found


def ids(found: list[KnownIncident]) -> list[str]:
    return [one.newest.alert_id for one in found]


def test_incidents_are_open_until_they_are_resolved() -> None:
    found = log(step("a", 0), step("b", 1, segment="de"), step("a", 2, "updated", also=["it"]), step("c", 3))
    assert ids(found.open()) == ["c", "b", "a"]
    found.take(step("b", 4, "resolved", segment="de"))
    assert ids(found.open()) == ["c", "a"]
    assert ids([*found.past().entries]) == ["b"]
    known = found.find("a")
    assert known is not None
    assert ([one.action for one in known.steps], known.is_open, known.opened_at) == (["opened", "updated"], True, NOW)
    assert (known.segments, found.segment_of("a"), found.segment_of("x")) == (["fr", "it"], "fr", None)


def test_a_person_sees_the_incidents_that_are_only_about_their_segments() -> None:
    found = log(step("a", 0, segment="fr/a", also=["de"]), step("b", 1, segment="fr/b"))
    assert ids(found.open(("fr",))) == ["b"]
    assert (found.find("a", ("fr",)), found.find("x")) == (None, None)
    assert found.find("a", ("fr", "de")) is not None


def test_a_segments_incidents_are_marked_on_its_line() -> None:
    found = log(step("old", 0), step("old", 1, "resolved"), step("open", 0, segment="de", also=["fr"]), step("it", 0))
    found.take(step("new", 5))
    found.take(step("it", 5, segment="it"))
    for since, most, expected in (
        (NOW + 2 * HOUR, 9, ["open", "new"]),
        (NOW, 9, ["old", "open", "new"]),
        (NOW, 2, ["open", "new"]),
    ):
        incidents, total = found.of_segment("fr", since, most)
        assert ids(incidents) == expected
        assert total == (3 if since == NOW else 2)
    assert found.of_segment("fr", NOW, 9, ("it",)) == ([], 0)


def test_a_step_that_is_published_again_is_shown_once() -> None:
    found = log(step("a", 0), step("a", 0), step("a", 1, "updated"))
    known = found.find("a")
    assert known is not None
    assert [one.action for one in known.steps] == ["opened", "updated"]


def test_old_steps_and_a_partition_are_forgotten() -> None:
    found = IncidentLog(Bounds(1))
    for number in range(3):
        found.take(step(f"i-{number}", number))
    assert (ids(found.open()), len(found)) == (["i-2"], 1)
    found.forget(0)
    assert found.open() == []


def test_what_is_no_incident_is_refused() -> None:
    for value in (None, b"{}"):
        with pytest.raises(UNREADABLE):
            log(Record(value))
