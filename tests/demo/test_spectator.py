"""What the demo makes of alerts and incidents, which come on one topic."""

import io
import json

import pytest
from rich.console import Console

from schemas import examples
from schemas.alert import Alert
from schemas.incident import Incident
from worker.demo import spectator
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


def test_the_sample_history_is_counted_once_the_scores_have_all_of_it() -> None:
    found, n = Seen(past={"past-1", "past-2"}), []
    for number in (1, 2, 3):
        scores = examples.SCORES | {
            "segment": "",
            "windows": {"all": examples.SCORES["windows"]["90d"] | {"n": number}},
        }
        found.take(events.SCORES, json.dumps(scores).encode())
        n.append((found.past_is_counted, found.counted))

    assert [(False, 0), (True, 0), (True, 1)] == n


def test_an_escalation_and_a_notice_of_a_digest_that_come_twice_count_once() -> None:
    found = seen()
    step = examples.CASE | {"action": "escalated", "state": "open", "escalation_step": 1, "escalated_to": ["lead"]}
    listed = examples.DELIVERY | {"status": "sent", "reason": "in_digest", "digest_id": "g-1", "receiver": "lead"}
    for _ in range(2):
        found.take(events.ALERTS, json.dumps(step).encode())
        for delivery in ("d-1", "d-2"):
            found.take(events.DELIVERIES, json.dumps(listed | {"delivery_id": delivery}).encode())
    found.take(events.DELIVERIES, json.dumps(examples.DELIVERY).encode())  # this one is in no digest

    assert (1, 1) == (len(found.escalations), len(found.latest_escalations))
    assert [2] == [len(deliveries) for deliveries in found.digests.values()]


def test_an_alert_that_is_acknowledged_twice_is_one() -> None:
    found = seen()
    for number in (1, 2):
        step = examples.CASE | {"action": "acknowledged", "state": "acknowledged", "step": number}
        found.take(events.ALERTS, json.dumps(step).encode())

    assert len(found.acknowledged) == 1


def test_both_are_shown() -> None:
    screen = Console(file=io.StringIO(), width=160)
    screen.print(dashboard(Snapshot(seen(), 1, [], 2), width=160))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()

    assert "Camille Moreau" in shown
    assert "NPS fell at fr/lyon/delivery: from +38 to -21" in shown


@pytest.mark.parametrize("topic", spectator._WATCHED)
@pytest.mark.parametrize(
    "value", [b"", b"{", b"null", b"[]", b"{}", b'{"kind":{}}', b"\xff", b'{"a":' + b"[" * 200_000]
)
def test_what_another_program_has_written_is_left_out(topic: str, value: bytes) -> None:
    found = seen()
    found.take(topic, value)
    assert (found.counted, found.records, len(found.latest)) == (0, {}, 2)


def test_scores_without_the_window_that_is_shown_are_left_out() -> None:
    found = seen()
    found.take(events.SCORES, json.dumps(examples.SCORES | {"segment": "", "windows": {}}).encode())
    assert found.counted == 0
