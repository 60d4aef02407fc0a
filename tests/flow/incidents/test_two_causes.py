"""Two incidents at the same time, one about a segment below the other: none vanishes, and each one ends once."""

from collections import Counter

import pytest
from flow.incidents.judged import GOOD, LOWER, NOW, Table, opened, watch

from schemas.alert import Severity
from schemas.incident import IncidentKind
from worker.detect.watch import OpenIncident, Watch
from worker.flow.ids import make_id

_WHOLE = opened()
_OWN = opened(9, Severity.ERROR)


def tree(own: OpenIncident | None = None) -> dict[str, Watch]:
    """Return a tree with an incident about the root segment, whose cause is one segment below.

    `own`: the incident of that one.
    """
    others = {path: watch((62, GOOD)) for path in ("de", "fr", "it")}
    whole = watch((50, (60, 36, 24)), (12, (49, 33, 38)), drop=_WHOLE)
    return {"": whole, **others, "uk": watch((50, GOOD), (12, LOWER), drop=own)}


def open_ids(table: Table) -> list[str]:
    """Return the ids of all open incidents."""
    drops = [(path, found.drop) for path, found in table.watches.items() if found.drop is not None]
    return sorted(make_id(IncidentKind.SEGMENT_DROP, drop.opened_about(path), drop.hour) for path, drop in drops)


def recover(found: Watch) -> None:
    """Let a segment's drop be over: all answers since it began are no sign of a drop any more."""
    found.detector.fall, found.detector.cusums, found.detector.pending = 20.0, (0.0, 0.0, 0.0), (15.0, 9.0, 6.0)


def test_without_an_incident_of_its_own_the_cause_gets_the_one_of_the_whole() -> None:
    table = Table(tree())
    ids = open_ids(table)

    assert [("uk", "deeper")] == [(step.segment, step.reason) for step in table.judge()]
    assert ids == open_ids(table)


def test_an_incident_does_not_move_to_a_segment_that_has_one_and_each_ends_once() -> None:
    table = Table(tree(_OWN))
    ids = open_ids(table)
    assert [] == [step for step in table.judge() if step.action != "updated"]
    assert ids == open_ids(table)
    assert len(set(ids)) == len(ids) == len(["", "uk"])

    for path in ("", "uk"):
        recover(table.watches[path])
    ended = Counter(step.alert_id for step in table.judge() if step.reason == "recovered")
    assert Counter(ids) == ended
    assert [] == open_ids(table)


@pytest.mark.parametrize(("rests_until", "steps"), [(NOW + 1, []), (NOW, [("uk", "deeper")])])
def test_an_incident_does_not_move_to_a_segment_whose_own_was_over_lately(
    rests_until: int, steps: list[tuple[str, str]]
) -> None:
    table = Table(tree())
    table.watches["uk"].rests_until = rests_until

    assert steps == [(step.segment, step.reason) for step in table.judge()]
