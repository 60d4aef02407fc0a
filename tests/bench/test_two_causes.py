"""Two causes one after the other, from the first answers to the end: each incident ends once."""

from collections import Counter

import pytest

from bench.detector.tree import DAY, USUAL, Law, Tree, falls
from schemas.incident import IncidentAction, IncidentReason
from worker.flow.policy import IncidentPolicy

LEAVES = [f"{country}/{shop}/{desk}" for country in ("fr", "uk") for shop in "ab" for desk in ("pay", "send")]
_LEARNING, _LOW = 40, 30


def _law(gap: int) -> Law:
    """A shop falls, and some days later its whole country; a month later all is as before."""

    def law(leaf: str, hour: int) -> tuple[float, tuple[float, float, float]]:
        day = hour / DAY - _LEARNING
        fell = leaf.startswith("fr/a/") if 0 <= day < gap else leaf.startswith("fr/") and gap <= day < gap + _LOW
        return 40 / DAY, falls(USUAL, -30) if fell else USUAL

    return law


@pytest.mark.unmeasured
@pytest.mark.parametrize("gap", [2, 12])
def test_each_incident_that_is_opened_ends_once(gap: int) -> None:
    """What happens if an incident moves to a segment that has one, tests/flow/incidents/test_two_causes.py tells."""
    tree = Tree(LEAVES, _law(gap), 1, IncidentPolicy(rest_hours=0), every=12)
    steps = [found.step for found in tree.live(_LEARNING + gap + _LOW + 45) if found.step.kind == "segment_drop"]
    ids = {action: Counter(step.alert_id for step in steps if step.action == action) for action in IncidentAction}
    opened, resolved = ids[IncidentAction.OPENED], ids[IncidentAction.RESOLVED]

    assert any(step.segment.startswith("fr") for step in steps)
    assert opened == resolved
    assert set(opened.values()) <= {1}
    for alert_id in opened:
        of_one = [step.action for step in steps if step.alert_id == alert_id]
        assert of_one[0] == IncidentAction.OPENED
        assert of_one[-1] == IncidentAction.RESOLVED
    assert IncidentReason.RECOVERED in {step.reason for step in steps}
