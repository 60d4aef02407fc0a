"""The receivers of the live demo: the settings are valid, and alerts reach whom the picture says."""

import json
from typing import Any

import pytest

from schemas import examples
from schemas.alert import Alert
from schemas.incident import Incident
from worker.demo import receivers
from worker.routing.routable import routable
from worker.settings import Settings


def settings(parts: dict[str, Any]) -> Settings:
    return Settings.model_construct(**parts)


@pytest.mark.parametrize("parts", [receivers.desk(), receivers.desk_and_lead()])
def test_a_worker_would_start_with_the_settings_and_none_of_them_is_in_vain(parts: dict[str, Any]) -> None:
    assert [] == settings(parts).wrong_receivers()
    assert [] == settings(parts).vain_receivers()


@pytest.mark.parametrize(
    ("severity", "reached", "service_level"),
    [("critical", ["support"], "urgent"), ("error", ["support", "lead"], ""), ("warning", ["support", "lead"], "")],
)
def test_the_lead_gets_critical_alerts_only_if_nobody_acknowledges_them(
    severity: str, reached: list[str], service_level: str
) -> None:
    of_demo = settings(receivers.desk_and_lead())
    event = routable(Alert.model_validate_json(json.dumps(examples.ALERT | {"severity": severity})))
    terms = of_demo.terms
    assert terms is not None

    assert reached == [one.receiver.name for one in of_demo.routing.decide(event).reached]
    assert service_level == terms(event).service_level
    steps = [step.receivers for step in of_demo.service_levels["urgent"].escalation]
    assert [["lead"]] == steps


def test_the_lead_gets_critical_incidents_at_once_since_they_have_no_case_that_could_escalate() -> None:
    of_demo = settings(receivers.desk_and_lead())
    event = routable(Incident.model_validate_json(json.dumps(examples.INCIDENT | {"severity": "critical"})))

    assert ["support", "lead"] == [one.receiver.name for one in of_demo.routing.decide(event).reached]
