"""What the demo makes of alerts and incidents, which come on one topic."""

import io
import json

from rich.console import Console

from schemas import examples
from schemas.alert import Alert
from schemas.incident import Incident
from worker.demo.spectator import Seen
from worker.demo.view import Snapshot, dashboard
from worker.flow import events


def seen() -> Seen:
    found = Seen()
    for event in (examples.ALERT, examples.INCIDENT):
        found.take(events.ALERTS, json.dumps(event).encode())
    return found


def test_both_are_among_the_latest_and_only_alerts_are_counted_as_such() -> None:
    found = seen()

    assert [Incident, Alert] == [type(notice) for notice in found.latest]
    assert found.result(published=1, emails=2)["alerts"] == 1


def test_both_are_shown() -> None:
    screen = Console(file=io.StringIO(), width=160)
    screen.print(dashboard(Snapshot(seen(), 1, [], 2), width=160))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()

    assert "Camille Moreau" in shown
    assert "NPS fell at fr/lyon/delivery: from +38 to -21" in shown
