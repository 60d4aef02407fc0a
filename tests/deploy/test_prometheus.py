"""The alarm rules of Prometheus, and its configuration for Docker."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chaos.faults import alarms
from deploy.files import DEPLOY, documents, tool, wrong_parts
from deploy.hastened import hastened
from deploy.own_prometheus import written

from worker.demo import environment

PROMETHEUS = DEPLOY / "prometheus"
RUNBOOK = "https://github.com/example/detractor-worker/blob/main/docs/runbook.md#"


def rules() -> list[dict[str, Any]]:
    [document] = documents(PROMETHEUS / "rules.yml")
    return [rule for group in document["groups"] for rule in group["rules"]]


def anchor_of(alarm: str) -> str:
    """Return the anchor of an alarm's section in the runbook."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alarm).lower()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alarm_rests_on_metrics_and_labels_that_the_worker_has(rule: dict[str, Any]) -> None:
    assert wrong_parts(rule["expr"]) == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alarm_says_how_bad_it_is_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
    assert rule["annotations"]["runbook_url"] == RUNBOOK + anchor_of(rule["alert"])


def test_no_two_alarms_have_one_name_and_each_has_a_test_and_a_fault() -> None:
    names = [rule["alert"] for rule in rules()]
    tested = (PROMETHEUS / "rules_test.yml").read_text(encoding="utf-8")

    assert len(names) == len(set(names))
    assert [name for name in names if not re.search(rf"\b{name}\b", tested)] == []
    assert names == [*alarms.ALARMS]


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml"), ("check", "config", "demo.yml")],
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([tool("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_scrapes_the_services_of_compose_where_they_serve_their_metrics() -> None:
    [configuration] = documents(PROMETHEUS / "prometheus.yml")
    [compose] = documents(DEPLOY.parent / "docker-compose.yml")
    [job] = configuration["scrape_configs"]
    [static] = job["static_configs"]
    targets = [target.split(":") for target in static["targets"]]

    assert [name for name, _ in targets] == ["worker", "web", "receive"]
    for name, port in targets:
        assert compose["services"][name]["environment"]["NPS_METRICS__BIND"] == f"0.0.0.0:{port}"
    mounted = [volume.split(":")[1] for volume in compose["services"]["prometheus"]["volumes"]]
    assert set(configuration["rule_files"]) <= set(mounted)


def test_a_prometheus_beside_the_demo_scrapes_where_the_demo_serves_its_metrics() -> None:
    [configuration] = documents(PROMETHEUS / "demo.yml")
    [job] = configuration["scrape_configs"]

    ports = (environment.METRICS_PORT, environment.RECEIVER_METRICS_PORT)
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    assert job["job_name"] == documents(PROMETHEUS / "prometheus.yml")[0]["scrape_configs"][0]["job_name"]


def test_hastened_rules_are_the_rules_but_for_their_times(tmp_path: Path) -> None:
    [document] = documents(PROMETHEUS / "rules.yml")
    whole, fast = (rules["groups"][0]["rules"] for rules in (document, hastened(60)))
    by_name = {rule["alert"]: rule for rule in fast}
    done = subprocess.run(
        [tool("promtool"), "check", "rules", str(written(tmp_path / "rules.yml", hastened(60)))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [{**rule, "expr": "", "for": ""} for rule in fast] == [{**rule, "expr": "", "for": ""} for rule in whole]
    assert by_name["NpsNoticesOverdue"]["expr"] == "max by (channel) (nps_oldest_unsent_age_seconds) > 5"
    assert by_name["NpsNotReady"]["for"] == "10000ms"
    assert "[15000ms:1000ms]) > 0" in by_name["NpsLagGrowing"]["expr"]
    assert "(nps_lag_records) > 1000" in by_name["NpsLagGrowing"]["expr"]
    assert by_name["NpsAlertsSlow"]["expr"].endswith("[10000ms]))) > 3")
    assert "[30000ms]) > 2" in by_name["NpsRestarts"]["expr"]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("rate(nps_responses[5m])", "nps_responses: there is no such metric"),
        ('nps_deliveries_total{state="failed"}', "nps_deliveries_total: has no label state"),
        ('nps_deliveries_total{status=~"failed|lost"}', "nps_deliveries_total: status is never lost"),
        ("sum by (chanel) (nps_outage_open)", "no metric of the expression has the label chanel"),
        ("rate(nps_response_to_alert_seconds[5m])", "nps_response_to_alert_seconds: there is no such metric"),
    ],
)
def test_what_the_worker_does_not_have_is_noticed(expression: str, problem: str) -> None:
    assert wrong_parts(expression) == [problem]
