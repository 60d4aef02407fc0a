"""What a role says of its work: counts once a minute, nothing without work, and never what a customer wrote."""

import logging

import pytest

from schemas import examples
from schemas.alert import Alert
from schemas.case import CaseStep
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision
from schemas.incident import Incident
from worker.flow import events
from worker.streams.activity import Activity


@pytest.fixture
def activity(caplog: pytest.LogCaptureFixture) -> Activity:
    caplog.set_level(logging.INFO)
    return Activity("nps.{}".format)


def decision(outcome: str) -> bytes:
    return Decision.model_validate(examples.DECISION | {"outcome": outcome}, strict=False).model_dump_json().encode()


DEAD_LETTER = DeadLetter.model_validate(examples.DEAD_LETTER, strict=False).model_dump_json().encode()


def send(activity: Activity, topic: str, *values: bytes | None) -> None:
    activity.sent(f"nps.{topic}", [(b"kanarienvogel", value, [], None) for value in values])


def test_a_worker_without_work_says_nothing(activity: Activity, caplog: pytest.LogCaptureFixture) -> None:
    activity.write_line()
    send(activity, events.SCORES, b"{}")
    send(activity, events.ALERTS, None)
    activity.write_line()

    assert caplog.messages == []


def test_a_minute_is_summed_up_in_a_line(activity: Activity, caplog: pytest.LogCaptureFixture) -> None:
    send(activity, events.DECISIONS, decision("accepted"), decision("accepted"))
    send(activity, events.DECISIONS, decision("duplicate"))
    send(activity, events.ALERTS, b'{"alert_id":"a","kind":"detractor","action":"opened"}', None)
    send(activity, events.INVITATIONS, b"{}", b"{}")
    send(activity, events.DEAD_LETTERS, DEAD_LETTER)
    send(activity, events.DELIVERIES, b'{"delivery_id":"x","status":"sent"}', b'{"delivery_id":"y","status":"failed"}')
    activity.write_line()
    activity.write_line()

    decided = "3 answers decided (2 accepted, 1 duplicate), 1 step of an alert (1 opened), 2 invitations"
    assert caplog.messages == [
        f"in the last minute: {decided}, 1 dead letter (1 score_out_of_range), 2 mails (1 sent, 1 failed)",
    ]


def test_the_steps_of_cases_and_incidents_are_no_alerts(activity: Activity, caplog: pytest.LogCaptureFixture) -> None:
    alert = Alert.model_validate(examples.ALERT, strict=False).model_dump_json().encode()
    step = CaseStep.model_validate(examples.CASE, strict=False).model_dump_json().encode()
    incident = Incident.model_validate(examples.INCIDENT, strict=False).model_dump_json().encode()
    send(activity, events.ALERTS, alert, step, incident, alert, step, step)
    activity.write_line()

    counted = "2 steps of alerts (2 opened), 3 steps of cases (3 resolved), 1 step of an incident (1 opened)"
    assert caplog.messages == [f"in the last minute: {counted}"]


def test_what_is_for_nobody_is_counted_apart(activity: Activity, caplog: pytest.LogCaptureFixture) -> None:
    send(activity, events.DELIVERIES, b'{"status":"nobody"}', b'{"status":"nobody"}', b'{"status":"sent"}')
    activity.write_line()

    assert caplog.messages == ["in the last minute: 2 notices for nobody, 1 mail (1 sent)"]


def test_a_planned_mail_that_is_sent_is_one_mail(activity: Activity, caplog: pytest.LogCaptureFixture) -> None:
    send(activity, events.DELIVERIES, b'{"status":"pending"}', b'{"status":"pending"}', b'{"status":"sent"}')
    activity.write_line()

    assert caplog.messages == ["in the last minute: 2 mails planned, 1 mail (1 sent)"]


def test_deliveries_are_called_what_the_channel_sends(caplog: pytest.LogCaptureFixture) -> None:
    messages = Activity("nps.{}".format, ("chat message", "chat messages"))
    send(messages, events.DELIVERIES, b'{"status":"pending"}', b'{"status":"sent"}', b'{"status":"deferred"}')
    with caplog.at_level(logging.INFO):
        messages.write_line()

    assert caplog.messages == ["in the last minute: 1 chat message planned, 2 chat messages (1 sent, 1 deferred)"]


def test_an_event_that_is_cut_or_of_another_version_is_counted_all_the_same(
    activity: Activity, caplog: pytest.LogCaptureFixture
) -> None:
    send(activity, events.DECISIONS, b"{}", b'{"outcome":"acc')
    activity.write_line()

    assert caplog.messages == ["in the last minute: 2 answers decided (1 ac)"]
