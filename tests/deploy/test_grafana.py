"""The dashboards of Grafana, and how they are provisioned without a click."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy.files import DEPLOY, documents, wrong_parts

GRAFANA = DEPLOY / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))


def dashboard(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def charts(path: Path) -> list[dict[str, Any]]:
    return [panel for panel in dashboard(path)["panels"] if panel["type"] != "row"]


def data_sources(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if "datasource" in value:
            yield value["datasource"]
        for inner in value.values():
            yield from data_sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from data_sources(inner)


@pytest.fixture(params=DASHBOARDS, ids=lambda path: str(path.stem))
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_there_is_one_for_support_and_one_for_operators() -> None:
    assert [path.stem for path in DASHBOARDS] == ["nps", "worker"]
    assert len({dashboard(path)["uid"] for path in DASHBOARDS}) == 2
    assert len({dashboard(path)["title"] for path in DASHBOARDS}) == 2


def test_every_expression_rests_on_metrics_and_labels_that_the_worker_has(path: Path) -> None:
    expressions = [target["expr"] for chart in charts(path) for target in chart["targets"]]

    assert len(expressions) > 10
    assert [wrong for expression in expressions for wrong in wrong_parts(expression)] == []


def test_every_chart_says_what_it_shows_and_has_the_chosen_job_only(path: Path) -> None:
    for chart in charts(path):
        assert chart["title"], chart
        assert chart["description"].endswith("."), chart["title"]
        assert all('job=~"$job"' in target["expr"] for target in chart["targets"]), chart["title"]


def test_the_data_source_is_a_variable_that_provisioning_fills_in(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    variable = dashboard(path)["templating"]["list"][0]

    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert {json.dumps(one) for one in data_sources(dashboard(path))} == {
        json.dumps({"type": "prometheus", "uid": "${datasource}"})
    }
    # What Grafana's export for sharing makes; nothing fills it in when a dashboard is provisioned.
    assert "__inputs" not in text
    assert "DS_" not in text


def test_no_two_panels_have_one_id_or_one_place(path: Path) -> None:
    panels = dashboard(path)["panels"]
    places = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) == 23


def test_compose_provisions_the_data_source_and_the_dashboards() -> None:
    [compose] = documents(DEPLOY.parent / "docker-compose.yml")
    [sources] = documents(GRAFANA / "provisioning/datasources/prometheus.yml")
    [providers] = documents(GRAFANA / "provisioning/dashboards/detractor-worker.yml")
    grafana = compose["services"]["grafana"]
    mounted = dict(volume.split(":")[:2] for volume in grafana["volumes"])

    [source] = sources["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert "prometheus" in compose["services"]
    [provider] = providers["providers"]
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert all((DEPLOY.parent / host).is_dir() for host in mounted if host.startswith("."))
    assert all(compose["services"][name]["profiles"] == ["monitoring"] for name in ("grafana", "prometheus"))
