"""The live picture fits the terminal, whatever its size, and what somebody must act on is always in it."""

import io
import json
import socket
from email.message import EmailMessage

import pytest
from rich.console import Console

from schemas import examples
from worker.demo import show
from worker.demo.spectator import Seen
from worker.demo.view import Snapshot, dashboard
from worker.flow import events
from worker.links.settings import WebSettings
from worker.settings import KafkaSettings, Settings

HINTS = ["In another terminal, in this directory:", "  export NPS_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:1", "  publish"]


def seen() -> Seen:
    found = Seen()
    for number in range(12):
        found.take(events.ALERTS, json.dumps(examples.ALERT | {"alert_id": f"a-{number}"}).encode())
    for number, outcome in enumerate(["accepted"] * 7 + ["duplicate"] * 2 + ["test", "revised", "suspect_scanner"]):
        decision = {"decision_id": f"d-{number}", "response_id": f"r-{number}", "outcome": outcome}
        found.take(events.DECISIONS, json.dumps(examples.DECISION | decision).encode())
    found.take(events.DEAD_LETTERS, json.dumps(examples.DEAD_LETTER).encode())
    window = examples.SCORES["windows"]["90d"]
    for path in ["", "fr", *(f"fr/shop-{number}" for number in range(30))]:
        worst = window | {"nps": -80.0} if path == "fr/shop-29" else window
        scores = examples.SCORES | {"segment": path, "windows": {"all": worst}}
        found.take(events.SCORES, json.dumps(scores).encode())
    return found


def shown(width: int, height: int | None, found: Seen | None = None, *, has_lead: bool = True) -> list[str]:
    mail = EmailMessage()
    mail["Subject"] = "[Critical] Unhappy customer"
    screen = Console(file=io.StringIO(), width=width)
    snapshot = Snapshot(found or seen(), 13, [mail] * 9, 9, has_lead=has_lead)
    screen.print(dashboard(snapshot, HINTS, width=width, height=height))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(60, 23), (80, 23), (80, 30), (100, 29), (120, 40), (200, 49), (40, 23)])
def test_the_picture_fits_the_terminal(width: int, height: int) -> None:
    lines = shown(width, height)

    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_at_80_columns_and_24_lines_there_are_alerts_mails_and_the_worst_segment() -> None:
    text = "\n".join(shown(80, 23))

    assert "Camille Moreau" in text
    assert "[Critical] Unhappy customer" in text
    assert "fr/shop-29" in text
    assert "more: python -m worker scores --tree" in text
    assert "NPS_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:1" in text


def test_what_became_of_everything_adds_up() -> None:
    assert (
        "13 published: 7 accepted + 2 duplicate + 1 test + 1 revised + 1 suspect scanner + 1 dead letter"
        in (shown(120, None)[0])
    )
    assert "260 answers counted, 1 test left out" in shown(120, None)[1]


def test_the_answers_of_the_past_year_are_named_where_they_are_counted_and_in_no_other_number() -> None:
    found = seen()
    found.past = {f"past-{number}" for number in range(240)}
    decision = examples.DECISION | {"decision_id": "d-past", "response_id": "past-7", "outcome": "accepted"}
    found.take(events.DECISIONS, json.dumps(decision).encode())
    lines = shown(80, 23, found)

    assert "13 published: 7 accepted + " in lines[0]
    assert "20 answers counted" in shown(120, None, found)[1]
    assert any("NPS by segment, with 240 answers of the past year " in line for line in lines)
    assert not any("past year" in line for line in shown(80, 23))


def test_without_a_height_everything_is_there() -> None:
    text = "\n".join(shown(120, None))

    assert all(f"shop-{number} " in text for number in range(30))


def test_before_the_first_answer_that_is_said() -> None:
    text = "\n".join(shown(80, 23, Seen()))

    assert "waiting for the first answers" in text
    assert "nobody is unhappy yet" in text


def test_figures_at_the_ends_of_the_scale_keep_their_n() -> None:
    found = seen()
    for nps in (-100.0, 100.0):
        window = examples.SCORES["windows"]["90d"] | {
            "nps": nps, "low": -100.0, "high": 100.0, "n": 123, "indicative": True
        }  # fmt: skip
        scores = examples.SCORES | {"segment": f"a/{nps}/a-long-name/of-a-segment", "windows": {"all": window}}
        found.take(events.SCORES, json.dumps(scores).encode())

    assert "n=123" in "\n".join(shown(80, 23, found))


def test_one_alert_is_not_called_alerts() -> None:
    found = Seen()
    found.take(events.ALERTS, json.dumps(examples.ALERT).encode())

    assert shown(80, 23, found)[1].startswith("1 alert   0 invitations   9 mails   0 answers counted")


def test_a_long_id_or_path_cuts_no_severity_and_no_action() -> None:
    found = Seen()
    whose = {
        "customer_id": "5f0c1c1e-6f6f-4a53-9d5c-0a2b8b1f7f11",
        "customer": examples.ALERT["customer"] | {"name": None},
    }
    where = {"segment": "a-long-name-of-a-country/a-long-name-of-a-city/delivery"}
    found.take(events.ALERTS, json.dumps(examples.ALERT | whose | where).encode())

    (line,) = (line for line in shown(80, 23, found) if "5f0c1c1e" in line)
    assert "critical opened 2 " in line


def test_an_anonymous_answer_is_called_so() -> None:
    found = Seen()
    whose = {"customer_id": "anonymous:e362ffac-d547-5ae7-9dac-7cf5e7e2e8aa", "customer": {}}
    found.take(events.ALERTS, json.dumps(examples.ALERT | whose).encode())

    text = "\n".join(shown(80, 23, found))
    assert "anonymous fr/lyon/delivery" in text
    assert "e362ffac" not in text


def test_what_was_accepted_and_is_not_counted_yet_is_said() -> None:
    found = Seen()
    for number in range(3):
        decision = {"decision_id": f"d-{number}", "response_id": f"r-{number}", "outcome": "accepted"}
        found.take(events.DECISIONS, json.dumps(examples.DECISION | decision).encode())

    assert "0 answers counted, 3 being counted" in shown(80, 23, found)[1]


def test_before_the_lead_gets_anything_the_picture_says_what_will_come() -> None:
    text = "\n".join(shown(80, 23))

    assert "0 escalated   a critical alert that nobody acknowledges in 30 s goes to lead" in text
    assert "0 digests   the other alerts go to lead in one mail every 30 s" in text


def test_an_escalation_without_a_segment_is_one_of_the_root_segment() -> None:
    found, escalated = Seen(), {"action": "escalated", "escalated_to": ["lead"], "segment": ""}
    found.take(events.ALERTS, json.dumps(examples.CASE | escalated).encode())

    assert "the last to lead: c-7f3a91, 2/10, the root segment" in "\n".join(shown(80, 23, found))


@pytest.mark.parametrize(("width", "height"), [(80, 23), (200, 49)])
def test_the_last_escalation_and_the_last_digest_are_always_in_the_picture(width: int, height: int) -> None:
    found = seen()
    escalated = {"action": "escalated", "state": "open", "escalation_step": 1, "escalated_to": ["lead"]}
    in_digest = {"status": "sent", "reason": "in_digest", "receiver": "lead"}
    for number in range(2):
        step = examples.CASE | escalated | {"alert_id": f"a-{number}"}
        found.take(events.ALERTS, json.dumps(step).encode())
        for listed in range(number + 3):
            named = {"digest_id": f"g-{number}", "delivery_id": f"d-{number}-{listed}"}
            found.take(events.DELIVERIES, json.dumps(examples.DELIVERY | in_digest | named).encode())
    text = "\n".join(shown(width, height, found))

    assert "2 escalated   the last to lead: Camille Moreau, 2/10, fr/lyon/delivery" in text
    assert "2 digests   the last to lead: 4 notices in one mail" in text


def test_an_escalation_at_a_long_path_is_one_line() -> None:
    found = Seen()
    escalated = {"action": "escalated", "state": "open", "escalation_step": 1, "escalated_to": ["lead"]}
    where = {"segment": "a-long-name-of-a-country/a-long-name-of-a-city/delivery"}
    found.take(events.ALERTS, json.dumps(examples.CASE | escalated | where).encode())
    lines = shown(80, 23, found)

    (place,) = (number for number, line in enumerate(lines) if line.startswith("1 escalated"))
    assert lines[place].endswith("…")
    assert lines[place + 1].startswith("0 digests")


def test_a_result_has_no_lines_about_a_lead() -> None:
    text = "\n".join(shown(80, 23, has_lead=False))

    assert "escalated" not in text
    assert "digest" not in text


def test_what_somebody_has_acknowledged_is_counted() -> None:
    found = seen()
    step = examples.CASE | {"alert_id": "a-1", "action": "acknowledged", "state": "acknowledged"}
    found.take(events.ALERTS, json.dumps(step).encode())

    assert shown(120, None, found)[1].startswith("12 alerts   1 acknowledged   0 invitations   9 mails")


@pytest.mark.parametrize("prefix", ["nps", "nps-demo-12345678"])
def test_no_line_of_the_invitation_is_cut_at_80_columns(prefix: str) -> None:
    kafka = KafkaSettings(bootstrap_servers="kafka.example.com:25821", group=f"{prefix}-worker")
    web = WebSettings.model_construct(base_url="http://127.0.0.1:65532")
    settings = Settings.model_construct(topic_prefix=prefix, kafka=kafka, web=web)
    hints = show._hints(settings, "http://127.0.0.1:65535", "http://127.0.0.1:65534/metrics and :65533")

    assert max(map(len, hints)) <= 78
    assert f"  {show._call()} publish --sample 2  (or: alerts list, scores)" in "\n".join(hints)
    assert hints[-3].startswith("Open http://127.0.0.1:65532 to see scores")
    assert hints[-2].startswith("or http://127.0.0.1:65535 to acknowledge an alert")
    assert "http://127.0.0.1:65534/metrics" in hints[-1]
    # Without them, the commands in the other terminal would look for other topics, and for the cases of another group.
    named = [f"  export NPS_TOPIC_PREFIX={prefix}", f"  export NPS_KAFKA__GROUP={prefix}-worker"]
    assert [line in hints for line in named] == [prefix != "nps"] * 2


@pytest.mark.parametrize(
    ("started", "said"),
    [
        ([], "stopped"),
        (["Kafka"], "stopped; Kafka is gone"),
        (["the inbox", "the worker"], "stopped; the inbox and the worker are gone"),
        (["Kafka", "the inbox", "the worker"], "stopped; Kafka, the inbox and the worker are gone"),
    ],
)
def test_the_last_line_names_only_what_was_started(started: list[str], said: str) -> None:
    assert said == show._ending(started)


def test_a_kafka_that_is_not_there_is_said_within_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert show.main(show.Options(kafka=f"127.0.0.1:{port}"), once=True) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"the demo failed: Kafka at 127.0.0.1:{port}: not reachable")
    assert said.count("\n") == 1


def test_an_alert_that_somebody_looks_after_is_shown_as_such_until_its_case_is_open_again() -> None:
    found = Seen()
    found.take(events.ALERTS, json.dumps(examples.ALERT).encode())
    pictures = []
    for state in ("acknowledged", "resolved", "open"):
        found.take(events.ALERTS, json.dumps(examples.CASE | {"state": state}).encode())
        pictures.append(next(line for line in shown(80, 23, found) if "│ critical" in line))

    assert [len(found.latest), len(found.alerts)] == [1, 1]
    for word, line in zip(("acknowledged", "resolved", "opened"), pictures, strict=True):
        assert f"│ critical {word}" in line


@pytest.mark.parametrize("step", [("updated", "wider"), ("updated", "a_later_word"), ("resolved", "merged")])
def test_an_incident_that_has_moved_is_shown_with_its_segment_and_what_happened(step: tuple[str, str]) -> None:
    action, reason = step
    moved = {"action": action, "reason": reason, "segment": "fr", "first_segment": "fr/lyon", "also": ["uk"]}
    found = Seen()
    found.take(events.ALERTS, json.dumps(examples.INCIDENT | moved | {"summary": "NPS fell at fr"}).encode())

    (line,) = (line for line in shown(120, 40, found) if "NPS fell at fr" in line)
    assert f"critical {action}" in line
    assert found.result(published=0, emails=0)["alerts"] == 0
