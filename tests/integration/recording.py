"""What Prometheus would have scraped of real workers, each scrape kept for some minutes, and which alarms then fire.

The rules of deploy/prometheus/rules.yml are evaluated by Prometheus' own engine (`promtool test rules`), as they are.
They wait for minutes, which a test cannot. So a state that was scraped once stands for as many minutes as the test
says.
"""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

from deploy.files import DEPLOY, tool
from prometheus_client.parser import text_string_to_metric_families

_RULES = DEPLOY / "prometheus/rules.yml"
#: What the rules rest on. Of the metrics of a process itself, it is only the time of its start.
_WANTED = ("nps_", "process_start_time_seconds")
_MISSING = "_"
#: What Prometheus writes when a target, or a series of it, is gone.
_STALE = "stale"


class Recording:
    """A value a minute for each series, and which alarms have to fire at which of these minutes."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self._minutes = 0
        self._expected: list[dict[str, Any]] = []

    def keep(self, minutes: int, *firing: str, **scraped: str) -> None:
        """Let each instance serve what was scraped of it for some minutes. At their end, exactly these alarms fire.

        `scraped`: what /metrics has answered, by the name of the instance. An instance without it cannot be scraped.
        """
        now = {series: value for instance, text in scraped.items() for series, value in _series(instance, text)}
        for series in self._values.keys() | now.keys():
            values = self._values.setdefault(series, [_MISSING] * self._minutes)
            if series in now:
                values += [now[series]] * minutes
            else:
                gone = _MISSING if values[-1] in {_MISSING, _STALE} else _STALE
                values += [gone, *[_MISSING] * (minutes - 1)]
        self._minutes += minutes
        self._expected.append(_exactly(firing, self._minutes - 1))

    def verify(self, folder: Path) -> None:
        """Fail unless at each time exactly the expected alarms fire. Skip the test if promtool is not installed."""
        test = {
            "rule_files": [str(_RULES)],
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [
                        {"series": series, "values": " ".join(values)} for series, values in self._values.items()
                    ],
                    "promql_expr_test": self._expected,
                }
            ],
        }
        file = folder / "alarms.json"
        file.write_text(json.dumps(test), encoding="utf-8")  # JSON is YAML
        line = [tool("promtool"), "test", "rules", str(file)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _series(instance: str, text: str) -> list[tuple[str, str]]:
    return [
        (_written(sample.name, {**sample.labels, "instance": instance, "job": "detractor-worker"}), repr(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(_WANTED)
    ]


def _written(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{', '.join(f'{label}={json.dumps(value)}' for label, value in labels.items())}}}"


def _exactly(alarms: Collection[str], minute: int) -> dict[str, Any]:
    return {
        "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": _written("", {"alertname": alarm}), "value": 1} for alarm in sorted(alarms)],
    }
