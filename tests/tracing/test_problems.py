"""Why spans cannot be exported is said before the worker starts, with what to do."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from worker.tracing.problems import problems
from worker.tracing.settings import TracingSettings

ON, OFF = TracingSettings(enabled=True), TracingSettings()
#: Makes OpenTelemetry what it is without the extra: not there.
WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
"""


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_TRACES_EXPORTER": " console "},
        {"OTEL_TRACES_EXPORTER": "", "OTEL_EXPORTER_OTLP_PROTOCOL": ""},
        # The variable of the signal is stronger.
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://h/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://h:4317"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_TIMEOUT": "", "OTEL_TRACES_SAMPLER": ""},
        {"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://h:4317"},
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
        {"OTEL_TRACES_SAMPLER": "traceidratio"},
        {"OTEL_TRACES_SAMPLER": "Always_Off", "OTEL_TRACES_SAMPLER_ARG": "not used"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=XYZ%20, Authorization=Basic a=="},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_CERTIFICATE": __file__},
        {"OTEL_BSP_SCHEDULE_DELAY": "500", "OTEL_BSP_EXPORT_TIMEOUT": "3000", "OTEL_BSP_MAX_QUEUE_SIZE": "4096"},
    ],
)
def test_what_can_be_followed_is_no_problem(environment: Mapping[str, str]) -> None:
    assert problems(ON, environment) == []


@pytest.mark.parametrize(
    ("environment", "beginning"),
    [
        ({"OTEL_TRACES_EXPORTER": "none"}, "OTEL_TRACES_EXPORTER: must be otlp or console"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: must be otlp or console"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: must be http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://h:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "h:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must be an http or https URL"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must be an http"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "abc"}, "OTEL_EXPORTER_OTLP_TIMEOUT: must be a number of seconds above 0"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "0"}, "OTEL_EXPORTER_OTLP_TIMEOUT: must be a number of seconds above 0"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "nan"}, "OTEL_EXPORTER_OTLP_TIMEOUT: must be a number of seconds above 0"),
        ({"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "inf"}, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: must be a number"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "Authorization: Bearer XYZ"}, "OTEL_EXPORTER_OTLP_HEADERS: must be pairs with"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, "OTEL_EXPORTER_OTLP_COMPRESSION: must be one of none, gzip"),
        ({"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"}, "OTEL_EXPORTER_OTLP_CERTIFICATE: is not there"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "5s"}, "OTEL_BSP_SCHEDULE_DELAY: must be a whole number"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "0"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must be a whole number"),
        ({"OTEL_TRACES_SAMPLER": "foo"}, "OTEL_TRACES_SAMPLER: must be one of always_on"),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"},
            "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "a"},
            "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1",
        ),
    ],
)
def test_what_cannot_be_followed_is_said_and_only_if_tracing_is_on(
    environment: Mapping[str, str], beginning: str
) -> None:
    (line,) = problems(ON, environment)
    assert line.startswith(beginning)
    assert problems(OFF, environment) == []


def test_each_wrong_variable_has_a_line_without_its_value() -> None:
    lines = problems(ON, {"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://user:s3cret@h", "OTEL_TRACES_SAMPLER": "s3cret"})
    assert [line.partition(":")[0] for line in lines] == ["OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert "s3cret" not in "".join(lines)


def test_what_opentelemetry_refuses_is_said_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7777")
    (line,) = problems(ON, {})
    assert "OTEL_BSP_" in line
    assert "7777" not in line


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_the_extra_the_line_says_what_to_install() -> None:
    code = WITHOUT + (
        "from worker.tracing.problems import problems\n"
        "from worker.tracing.settings import TracingSettings\n"
        "print(*problems(TracingSettings(enabled=True), {}))\n"
        "print(*problems(TracingSettings(), {}))"
    )
    first, second = python(code).split("\n")[:2]
    assert "pip install 'detractor-worker[otel]'" in first
    assert second == ""


def test_without_the_extra_everything_else_of_the_worker_can_be_imported() -> None:
    code = WITHOUT + "import worker.app, worker.cli, worker.commands.run, worker.commands.check_config\nprint('fine')"
    assert python(code) == "fine\n"


def test_a_worker_without_tracing_imports_nothing_of_opentelemetry() -> None:
    code = (
        "import asyncio, sys\n"
        "import worker.app, worker.commands.run\n"
        "from worker.roles.tracing import traced\n"
        "from worker.settings import Settings\n"
        "async def run():\n"
        "    async with traced(Settings.model_construct()) as spans:\n"
        "        print(spans, [name for name in sys.modules if name.startswith(('opentelemetry', 'requests'))])\n"
        "asyncio.run(run())"
    )
    assert python(code) == "None []\n"
