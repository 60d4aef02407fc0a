"""How many mails the harness expects of an alert, whatever the timing."""

import pytest
from chaos.invariants import Event, expected_mails


@pytest.mark.parametrize(
    ("steps", "least", "most"),
    [
        (["opened"], 1, 1),
        (["opened", "opened"], 1, 1),
        (["opened", "updated corrected"], 1, 1),
        (["opened", "updated comment_added"], 1, 2),
        (["opened", "withdrawn"], 0, 2),
        (["opened", "withdrawn", "opened again"], 1, 3),
        (["opened", "updated consent_changed", "withdrawn"], 0, 3),
        (["opened", "resolved"], 2, 2),
        (["opened", "case:acknowledged"], 1, 1),
        (["opened", "case:resolved"], 0, 1),
        (["opened", "case:resolved", "opened again"], 1, 2),
    ],
)
def test_the_mails_of_an_alert(steps: list[str], least: int, most: int) -> None:
    events = []
    for step in steps:
        action, _, reason = step.removeprefix("case:").partition(" ")
        kind = "case" if step.startswith("case:") else "detractor"
        events.append(Event(step, {"alert_id": "a", "kind": kind, "action": action, "reason": reason}, b""))
    found = expected_mails(events)

    assert (found[0]["a"], found[1]["a"]) == (least, most)
