"""The files of deploy/, and what they name: settings, roles and metrics."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from worker.ingest.counting import UNKNOWN
from worker.metrics.catalogue import METRICS
from worker.metrics.catalogue import Kind as MetricKind
from worker.roles import Role
from worker.settings import CONFIG_VARIABLE, Settings
from worker.wrong_settings import PREFIX

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ROLES = frozenset(get_args(Role))
#: The metrics of prometheus-client itself that the files use.
_OF_PROCESSES = frozenset(
    f"process_{name}"
    for name in ("cpu_seconds_total", "open_fds", "resident_memory_bytes", "start_time_seconds")
)  # fmt: skip
_HISTOGRAM = ("_bucket", "_sum", "_count")
#: What a selector such as nps_deliveries_total{status="failed"} consists of.
_SELECTOR = re.compile(r"\b(?P<name>(?:nps|process)_[a-z0-9_]+)(?:\{(?P<labels>[^}]*)\})?")
_MATCHER = re.compile(r'(?P<label>\w+)(?P<how>=~|!~|!=|=)"(?P<value>[^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring) \((?P<labels>[^)]*)\)")
#: The labels that Prometheus adds, and the one of histograms.
_ADDED = frozenset({"job", "instance", "le"})
_PLACES = {
    "role": {"process", "notify", "webhook", "chat"},
    "channel": {"email", "webhook", "chat"},
    "source": {UNKNOWN},
}


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]


def tool(name: str) -> str:
    """Return the path of a program; skip the test if it is not at hand. `.ci/run` says so loudly."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def wrong_variable(name: str) -> str | None:
    """Say why a variable of the environment is no setting; None if it is one."""
    if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
        return None
    section: type[BaseModel] = Settings
    *way, last = name.removeprefix(PREFIX).lower().split("__")
    for part in way:
        field = section.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return f"{name}: there is no section {part}"
        section = field.annotation
    return None if last in section.model_fields else f"{name}: there is no setting {last}"


def expressions() -> dict[str, list[str]]:
    """Return the expressions of the dashboards and alarm rules, by the title of the chart or the name of the alarm."""
    found: dict[str, list[str]] = {}
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            found[f"{path.stem}: {panel['title']}"] = [target["expr"] for target in panel.get("targets", [])]
    [rules] = documents(DEPLOY / "prometheus/rules.yml")
    return found | {rule["alert"]: [rule["expr"]] for group in rules["groups"] for rule in group["rules"]}


def metrics_in(expression: str) -> set[str]:
    """Return the names of the metrics in an expression."""
    return {selector["name"] for selector in _SELECTOR.finditer(expression)}


def wrong_parts(expression: str) -> list[str]:
    """Say which metrics, labels and values of labels of an expression the worker does not have."""
    return [*_wrong_selectors(expression), *_wrong_groupings(expression)]


def _wrong_selectors(expression: str) -> Iterator[str]:
    for selector in _SELECTOR.finditer(expression):
        name = selector["name"]
        metric = next((one for one in METRICS if name in _names(one)), None)
        if metric is None and name not in _OF_PROCESSES:
            yield f"{name}: there is no such metric"
            continue
        for matcher in _MATCHER.finditer(selector["labels"] or ""):
            label = matcher["label"]
            if label in _ADDED:
                continue
            if metric is None or label not in metric.labels:
                yield f"{name}: has no label {label}"
                continue
            for value in matcher["value"].split("|") if "~" in matcher["how"] else [matcher["value"]]:
                if value not in _values(metric, label):
                    yield f"{name}: {label} is never {value}"


def _wrong_groupings(expression: str) -> Iterator[str]:
    known = _ADDED.union(*(one.labels for one in METRICS if _names(one) & set(re.findall(r"\w+", expression))))
    for grouping in _GROUPING.finditer(expression):
        for label in filter(None, map(str.strip, grouping["labels"].split(","))):
            if label not in known:
                yield f"no metric of the expression has the label {label}"


def _names(metric: Any) -> set[str]:
    if metric.kind == MetricKind.HISTOGRAM:
        return {metric.name + end for end in _HISTOGRAM}
    return {metric.name}


def _values(metric: Any, label: str) -> set[str]:
    place = metric.labels.index(label) - len(metric.place)
    if place >= 0:
        return {values[place] for values in metric.known}
    return _PLACES.get(label, {"responses", "alerts"})
